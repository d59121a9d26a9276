"""Where a sub-network must run: upper limits on what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from .._errors import require, require_name, require_number


@final
@dataclass(frozen=True)
class Environment:
    """A deployment environment.

    Attributes:
      name: unique in its search; any printable text.
      parameters: at most so many trainable numbers.
      bytes: at most so many bytes of weights and statistics, as stored.
      flops: at most so many FLOPs for one example, two per multiply-accumulate.

    >>> Environment("watch", bytes=64_000).admits({"bytes": 9_000, "flops": 10**6})
    True

    Raises:
      InputError: a limit is no positive number, or there is none.
    """

    name: str
    parameters: float | None = None
    bytes: float | None = None
    flops: float | None = None

    def __post_init__(self) -> None:
        require_name("environments.name", self.name)
        require(
            len(self.limits) > 0,
            f"`environments` {self.name} must limit parameters, bytes or flops, got no limit.",
        )
        for cost, limit in self.limits.items():
            require_number(f"environments {self.name}.{cost}", limit, 1)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost."""
        limits = {"parameters": self.parameters, "bytes": self.bytes, "flops": self.flops}
        return {cost: limit for cost, limit in limits.items() if limit is not None}

    def admits(self, costs: Mapping[str, float]) -> bool:
        """Return whether these costs are within every limit."""
        return all(costs[cost] <= limit for cost, limit in self.limits.items())

    def shortfall(self, costs: Mapping[str, float]) -> str:
        """Return, for a message, the limits that these costs break: `9,000 bytes of 8,000`."""
        return ", ".join(
            f"{costs[cost]:,.0f} {cost} of {limit:,.0f}"
            for cost, limit in self.limits.items()
            if costs[cost] > limit
        )
