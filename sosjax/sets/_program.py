"""Integer programs that choose one column of every owner, solved by HiGHS and checked exactly."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import coo_array, csr_array, hstack

Row = tuple[np.ndarray, float]
"""Values [C] of all columns, whose sum over the chosen ones has this upper limit."""

SCALE = 1e6
"""The largest number given to the solver: its tolerances, 1e-6, are then 1e-12 of that."""
ROUNDING = 1e-12
"""What differences of sums may be wrong by, as a share of the largest number in them."""
TINY = 1e-300


def cheapest(losses: np.ndarray, rows: Sequence[Row], owners: np.ndarray) -> list[int] | None:
    """Return the columns, one of every owner, with the lowest sum of losses within every limit.

    The solver allows limits to be exceeded by a tolerance. What it finds is therefore summed up
    without rounding, and a choice that does exceed a limit is ruled out before it is asked again.

    Args:
      losses: of the C columns [C].
      rows: the limits.
      owners: which owner has each column, [C], ascending from 0 without a gap.

    Returns:
      The columns, by owner; `None` where no choice is within the limits.
    """
    usable, constraints = np.ones(len(owners), bool), [LinearConstraint(_one_each(owners), 1, 1)]
    for values, limit in rows:
        above, left = _above_least(values, owners), limit - _least(values, owners)
        left += ROUNDING * np.abs(values).max()
        if left < 0:
            return None
        usable &= above <= left
        scaled = np.where(above <= left, above, 0) * (SCALE / max(left, TINY))
        constraints.append(LinearConstraint(scaled[None], ub=SCALE))
    if not all(usable[owners == owner].any() for owner in np.unique(owners)):
        return None
    goal = _above_least(losses, owners)
    goal = goal * SCALE / max(goal[usable].max(), TINY)
    while True:
        found = milp(
            np.where(usable, goal, 0),
            integrality=1,
            bounds=Bounds(0, usable.astype(float)),
            constraints=constraints,
            options={"mip_rel_gap": 0.0},
        )
        if _infeasible(found):
            return None
        chosen = _chosen(found.x, owners)
        if all(math.fsum(values[chosen]) <= limit for values, limit in rows):
            return chosen
        ruled_out = np.zeros(len(owners))
        ruled_out[chosen] = 1
        constraints.append(LinearConstraint(ruled_out[None], ub=len(chosen) - 1))


def smallest_excess(rows: Sequence[Row], owners: np.ndarray) -> list[int]:
    """Return the columns, one of every owner, whose largest share of a limit is the smallest.

    Args:
      rows: one or more limits, all above 0.
      owners: as above.
    """
    if len(rows) == 1:
        ((values, _),) = rows
        columns = np.arange(len(owners))
        return [
            int(min(columns[owners == owner], key=lambda column: values[column]))
            for owner in np.unique(owners)
        ]
    shares = np.stack([values / limit for values, limit in rows])
    shares = np.hstack([shares / shares.max(), -np.ones((len(rows), 1))])
    each = hstack([_one_each(owners), csr_array((int(owners.max()) + 1, 1))])
    found = milp(
        np.append(np.zeros(len(owners)), 1.0),
        integrality=np.append(np.ones(len(owners)), 0),
        bounds=Bounds(0, np.append(np.ones(len(owners)), np.inf)),
        constraints=[LinearConstraint(each, 1, 1), LinearConstraint(shares, ub=0)],
        options={"mip_rel_gap": 0.0},
    )
    assert not _infeasible(found)
    return _chosen(found.x, owners)


def _one_each(owners: np.ndarray) -> csr_array:
    """Return the matrix [owners, C] that counts the chosen columns of each owner."""
    columns = np.arange(len(owners))
    return coo_array((np.ones(len(owners)), (owners, columns))).tocsr()


def _above_least(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return values less the least one of their owner: [C]."""
    least = np.full(int(owners.max()) + 1, np.inf)
    np.minimum.at(least, owners, values)
    return values - least[owners]


def _least(values: np.ndarray, owners: np.ndarray) -> float:
    """Return the least sum that any choice has."""
    return math.fsum(values[owners == owner].min() for owner in np.unique(owners))


def _chosen(x: np.ndarray, owners: np.ndarray) -> list[int]:
    columns = np.arange(len(owners))
    return [
        int(max(columns[owners == owner], key=lambda column: x[column]))
        for owner in np.unique(owners)
    ]


def _infeasible(found: OptimizeResult) -> bool:
    """Return whether there is no solution.

    Raises:
      RuntimeError: the solver gave up, which no such program should make it do.
    """
    if found.status not in (0, 2):
        raise RuntimeError(f"HiGHS gave up on a choice of members: {found.message}")
    return found.status == 2
