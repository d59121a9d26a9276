"""What one wants of the members that are within the limits: each kind is one rule of choice.

A preference sees validation errors and costs, never test errors. Both are minimised. The errors are
`Scores.error`: after rounds of recovery the expected ones. It gives every member of a set a loss,
and the lowest loss among the admitted ones wins. Losses are made from the whole set, so a tighter
limit changes a choice only if it shuts the chosen member out.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from .._errors import require, require_known, require_number
from ..environments._environment import amount

ERROR = "error"
"""The name of the error on validation data among the costs."""

Loss = tuple[float, ...]
"""Compared from the first number on."""


class AbstractPreference(ABC):
    """A rule of choice."""

    @abstractmethod
    def losses(
        self, errors: Sequence[float], costs: Mapping[str, Sequence[float]]
    ) -> tuple[Loss, ...]:
        """Return a loss for every member of a set.

        Args:
          errors: of the M members, on validation data.
          costs: M values of each cost, by its name.

        Raises:
          InputError: the preference names a cost that is not among these.
        """

    @abstractmethod
    def told(self, loss: Loss) -> str:
        """Return a loss in words: `12.50 % error`."""

    @property
    @abstractmethod
    def limits(self) -> dict[str, float]:
        """Limits of its own, by the name of the cost; mostly none."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Its name and settings, ready for JSON."""


@final
@dataclass(frozen=True)
class Best(AbstractPreference):
    """The lowest error on validation data: the default."""

    @property
    def limits(self) -> dict[str, float]:
        """None."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """Its name."""
        return {"name": "best"}

    def losses(
        self, errors: Sequence[float], costs: Mapping[str, Sequence[float]]
    ) -> tuple[Loss, ...]:
        """Return the errors."""
        return tuple((error,) for error in errors)

    def told(self, loss: Loss) -> str:
        """Return the error in percent."""
        return _percent(loss[0])


@final
@dataclass(frozen=True)
class Knee(AbstractPreference):
    """The knee: the member that is farthest below the line between the ends of the set.

    The ends are the cheapest member and the one of lowest error; the error and the logarithm of the
    cost are scaled so that each goes from 0 to 1 between them. Where one member is both ends it is
    the knee. If the knee of the set is not admitted, of the admitted ones the farthest below.
    Das (1999), On characterizing the "knee" of the Pareto curve based on Normal-Boundary
    Intersection, doi 10.1007/BF01195985.

    Attributes:
      cost: the name of the cost.
    """

    cost: str = "parameters"

    @property
    def limits(self) -> dict[str, float]:
        """None."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """Its name and its cost."""
        return {"name": "knee", "cost": self.cost}

    def losses(
        self, errors: Sequence[float], costs: Mapping[str, Sequence[float]]
    ) -> tuple[Loss, ...]:
        """Return the distances above the line, negative below it; at least -0.71."""
        require_known("knee", self.cost, costs)
        points = list(zip(map(_log, costs[self.cost]), errors, strict=True))
        cheapest, best = min(points), min(points, key=lambda point: point[::-1])
        width, height = best[0] - cheapest[0] or 1.0, cheapest[1] - best[1] or 1.0
        return tuple(
            ((((cost - cheapest[0]) / width + (error - best[1]) / height) - 1) / math.sqrt(2),)
            for cost, error in points
        )

    def told(self, loss: Loss) -> str:
        """Return the distance from the line."""
        side = "above" if loss[0] > 0 else "below"
        return f"{abs(loss[0]):.3f} {side} the line"


@final
@dataclass(frozen=True)
class Weighted(AbstractPreference):
    """A compromise by weights: the lowest weighted distance from the ideal.

    The error and the logarithm of each cost go from 0, the lowest of the set, to 1, the highest.
    The loss is the largest of the weighted values, and among equal ones their sum: the
    lexicographic weighted Chebyshev distance. Unlike a weighted sum it can reach every member that
    no other beats, also where the front is not convex. The higher a weight, the nearer to its
    lowest value comes that error or cost.
    Steuer and Choo (1983), An interactive weighted Tchebycheff procedure for multiple objective
    programming, doi 10.1007/BF02591870.

    Attributes:
      weights: of `error` and of costs, by name; at least 0, one above 0. Only their ratios count;
        what is not named has weight 0.

    >>> Weighted({"error": 2, "flops": 1}).weights
    {'error': 2, 'flops': 1}

    Raises:
      InputError: there is no weight, one is no number of at least 0, or all are 0.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        require_weights("weights", self.weights)

    @property
    def limits(self) -> dict[str, float]:
        """None."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """Its name and weights."""
        return {"name": "weighted", "weights": dict(self.weights)}

    def losses(
        self, errors: Sequence[float], costs: Mapping[str, Sequence[float]]
    ) -> tuple[Loss, ...]:
        """Return the largest weighted value of each member, in [0, 1], and the sum."""
        values = {ERROR: errors, **{cost: list(map(_log, each)) for cost, each in costs.items()}}
        for name in self.weights:
            require_known("weights", name, values)
        largest = max(self.weights.values())
        columns = [
            [weight / largest * share for share in _shares(values[name])]
            for name, weight in self.weights.items()
        ]
        return tuple((max(row), math.fsum(row)) for row in zip(*columns, strict=True))

    def told(self, loss: Loss) -> str:
        """Return the largest weighted value and the sum."""
        return f"{loss[0]:.3f} from the ideal (sum {loss[1]:.3f})"


@final
@dataclass(frozen=True)
class At(AbstractPreference):
    """The member at a cost: the one with the most of it that is at or below an amount.

    Attributes:
      cost: the name of the cost.
      amount: the cost wanted, at least 1.

    >>> At("parameters", 20_000).limits
    {'parameters': 20000}

    Raises:
      InputError: the amount is no number of at least 1.
    """

    cost: str
    amount: float

    def __post_init__(self) -> None:
        require_number(f"at.{self.cost}", self.amount, 1)

    @property
    def limits(self) -> dict[str, float]:
        """The amount, which is not to be exceeded."""
        return {self.cost: self.amount}

    @property
    def facts(self) -> dict[str, Any]:
        """Its name, cost and amount."""
        return {"name": "at", "cost": self.cost, "amount": self.amount}

    def losses(
        self, errors: Sequence[float], costs: Mapping[str, Sequence[float]]
    ) -> tuple[Loss, ...]:
        """Return how far each is below the amount, and the error for those at the same cost."""
        require_known("at", self.cost, costs)
        return tuple(
            (self.amount - cost, error)
            for cost, error in zip(costs[self.cost], errors, strict=True)
        )

    def told(self, loss: Loss) -> str:
        """Return the cost and the error."""
        return f"{amount(self.amount - loss[0])} {self.cost}, {_percent(loss[1])}"


def require_weights(argument: str, weights: Mapping[str, float]) -> None:
    """Refuse weights of which one is no number of at least 0, and those without one above 0."""
    require(len(weights) > 0, f"`{argument}` must have one above 0, got none.")
    for name, weight in weights.items():
        require_number(f"{argument}.{name}", weight, 0)
    require(any(weights.values()), f"`{argument}` must have one above 0, got only zeros.")


def _shares(values: Sequence[float]) -> list[float]:
    """Return where each value lies between the lowest, 0, and the highest, 1."""
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]


def _log(cost: float) -> float:
    return math.log10(max(cost, 1e-300))


def _percent(error: float) -> str:
    return f"{100 * error:.2f} % error"
