"""Which members are recovered: the best within each budget, by validation error alone."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def within(scores: Iterable[Any], cost: str, limit: float) -> Any | None:
    """Return the one with the lowest error within the limit, of equal ones the smallest.

    Args:
      scores: things with costs and an `error`, of validation data.
      cost: `parameters` or `flops`.
      limit: of the cost.
    """
    fitting = [one for one in scores if getattr(one, cost) <= limit]
    return min(fitting, key=lambda one: (one.error, getattr(one, cost)), default=None)


def chosen(
    members: Sequence[Any], cost: str, dense: int, budgets: Sequence[float], most: int
) -> list[Any]:
    """Return at most so many members: for each budget the best within it, each once.

    Args:
      members: with `scores` that have a validation error and costs.
      cost: what budgets are shares of.
      dense: the cost of the whole network.
      budgets: shares; the first ones are served first.
      most: how many members.

    Returns:
      The members, by rising cost.
    """
    by_scores = {id(member.scores): member for member in members}
    found: dict[int, Any] = {}
    for budget in budgets:
        best = within([member.scores for member in members], cost, budget * dense)
        if best is not None and len(found) < most:
            found[id(best)] = by_scores[id(best)]
    return sorted(found.values(), key=lambda member: getattr(member.scores, cost))


def undominated(errors: Sequence[float], costs: Sequence[float]) -> np.ndarray:
    """Return which points no other beats on error and cost, bool [N]; equal points all stay."""
    points = np.stack([np.asarray(errors, float), np.asarray(costs, float)], -1)
    no_worse = (points[:, None] <= points[None]).all(-1)
    better = (points[:, None] < points[None]).any(-1)
    return np.logical_not((no_worse & better).any(0))
