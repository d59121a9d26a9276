"""Integer programs that choose one column of every owner, solved by HiGHS and checked exactly."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack

Row = tuple[np.ndarray, float]
"""Values [C] of all columns, whose sum over the chosen ones has this upper limit."""

SCALES = ((1e4, 1e6), (1e3, 1e5))
"""The largest number in a row and the largest loss for the solver, whose tolerances are 1e-6."""
ROUNDING = 1e-12
"""What differences of sums may be wrong by, as a share of the largest number in them."""
TINY = 1e-300


def cheapest(losses: np.ndarray, rows: Sequence[Row], owners: np.ndarray) -> list[int] | None:
    """Return the columns, one of every owner, with the lowest sum of losses within every limit.

    The solver works in floating point and is not taken at its word: in one of some thousand
    programs with numbers of many digits it is wrong. What it finds is summed up without rounding,
    and ruled out if it exceeds a limit. It is asked twice, with numbers scaled differently, for the
    better of two choices; and where it finds none, for the one nearest to the limits.

    Args:
      losses: of the C columns [C].
      rows: the limits.
      owners: which owner has each column, [C], ascending from 0 without a gap.

    Returns:
      The columns, by owner; `None` where no choice is within the limits.
    """
    found = [_choice(losses, rows, owners, *scales) for scales in SCALES]
    good = [columns for columns in found if columns is not None]
    if not good and all(limit > 0 for _, limit in rows):
        good = [near for near in [smallest_excess(rows, owners)] if _fits(near, rows)]
    return min(good, key=lambda columns: math.fsum(losses[columns]), default=None)


def _choice(
    losses: np.ndarray, rows: Sequence[Row], owners: np.ndarray, most: float, dearest: float
) -> list[int] | None:
    """Return what the solver finds, if it is within every limit."""
    usable, scaled = np.ones(len(owners), bool), []
    for values, limit in rows:
        above, left = _above_least(values, owners), limit - _least(values, owners)
        left += ROUNDING * np.abs(values).max()
        if left < 0:
            return None
        usable &= above <= left
        scaled.append(above * (most / max(left, TINY)))
    if not all(usable[owners == owner].any() for owner in np.unique(owners)):
        return None
    places = np.flatnonzero(usable)
    constraints = [LinearConstraint(_one_each(owners[places]), 1, 1)]
    constraints += [LinearConstraint(row[None, places], ub=most) for row in scaled]
    goal = _above_least(losses, owners)[places]
    goal *= dearest / max(goal.max(), TINY)
    while True:
        found = _solved(goal, np.ones(len(places)), constraints)
        if found is None:
            return None
        chosen = _chosen(found, owners[places])
        columns = [int(places[place]) for place in chosen]
        if _fits(columns, rows):
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


def _fits(columns: list[int], rows: Sequence[Row]) -> bool:
    return all(math.fsum(values[columns]) <= limit for values, limit in rows)


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
