"""Integer programs that choose one column of every owner, solved by HiGHS and checked exactly."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack

Row = tuple[np.ndarray, float]
"""Values [C] of all columns, whose sum over the chosen ones has this upper limit."""

SCALE = 1e5
"""The largest number given to the solver: its tolerances, 1e-6, are then 1e-11 of that."""
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
    usable, scaled = np.ones(len(owners), bool), []
    for values, limit in rows:
        above, left = _above_least(values, owners), limit - _least(values, owners)
        left += ROUNDING * np.abs(values).max()
        if left < 0:
            return None
        usable &= above <= left
        scaled.append(above * (SCALE / max(left, TINY)))
    if not all(usable[owners == owner].any() for owner in np.unique(owners)):
        return None
    places = np.flatnonzero(usable)
    constraints = [LinearConstraint(_one_each(owners[places]), 1, 1)]
    constraints += [LinearConstraint(row[None, places], ub=SCALE) for row in scaled]
    goal = _above_least(losses, owners)[places]
    goal *= SCALE / max(goal.max(), TINY)
    while True:
        found = _solved(goal, np.ones(len(places)), constraints)
        if found is None:
            return None
        chosen = _chosen(found, owners[places])
        columns = [int(places[place]) for place in chosen]
        if all(math.fsum(values[columns]) <= limit for values, limit in rows):
            return columns
        ruled_out = np.zeros((1, len(places)))
        ruled_out[0, chosen] = 1
        constraints.append(LinearConstraint(ruled_out, ub=len(chosen) - 1))


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
    shares /= shares.max() * len(np.unique(owners))  # no sum of them is above 1
    largest = -np.ones((len(rows), 1))
    each = hstack([_one_each(owners), csr_array((int(owners.max()) + 1, 1))])
    found = _solved(
        np.append(np.zeros(len(owners)), 1.0),
        np.append(np.ones(len(owners)), 0.0),
        [LinearConstraint(each, 1, 1), LinearConstraint(np.hstack([shares, largest]), ub=0)],
    )
    assert found is not None
    return _chosen(found[:-1], owners)


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


def _solved(
    goal: np.ndarray, whole: np.ndarray, constraints: Sequence[LinearConstraint]
) -> np.ndarray | None:
    """Return the numbers in [0, 1] with the lowest goal, or `None` where there are none.

    Raises:
      RuntimeError: the solver gave up, which no such program should make it do.
    """
    found = milp(
        goal,
        integrality=whole,
        bounds=Bounds(0, 1),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},
    )
    if found.status not in (0, 2):
        raise RuntimeError(f"HiGHS gave up on a choice of members: {found.message}")
    return None if found.status == 2 else found.x
