"""By how much costs exceed limits, in numbers and in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from ..environments._environment import amount


@final
@dataclass(frozen=True)
class Miss:
    """A limit that is exceeded.

    Attributes:
      cost: the name of the cost.
      needs: what is needed of it, above the limit.
      limit: what there is.
    """

    cost: str
    needs: float
    limit: float

    @property
    def over(self) -> float:
        """By how much it is exceeded, in the cost's unit."""
        return self.needs - self.limit

    @property
    def share(self) -> float:
        """By how much it is exceeded, as a share of the limit."""
        return self.over / self.limit

    def __str__(self) -> str:
        """Return it in words: `1,200 bytes, 200 (20 %) over 1,000`."""
        share = f"{100 * self.share:,.{0 if self.share >= 0.1 else 2}f} %"
        return (
            f"{amount(self.needs)} {self.cost}, {amount(self.over)} ({share}) over "
            f"{amount(self.limit)}"
        )


def misses(costs: Mapping[str, float], limits: Mapping[str, float]) -> tuple[Miss, ...]:
    """Return the limits that costs exceed, in the order of the limits."""
    return tuple(
        Miss(cost, costs[cost], limit) for cost, limit in limits.items() if costs[cost] > limit
    )


def listed(found: Iterable[Miss]) -> str:
    """Return misses in a row: `... and ...`."""
    return " and ".join(map(str, found))
