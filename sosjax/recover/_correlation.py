"""How far a cheap judgement agrees with a dear one: rank correlations, and what a choice costs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

DECADE = 3
"""Levels of size in a decade."""
FEWEST = 5
"""A level has so many candidates, or nothing is said of it."""
NOISE = 2**0.5
"""Errors of a level deviate by more than so many times the standard error of one, or no judge is
asked to rank it: sub-networks then differ less than the examples that were drawn make them."""


def spearman(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return Spearman's rank correlation of two lists [N] in [-1, 1].

    `None` where there is none: fewer than three pairs, or a list whose entries are all the same.
    Infinite entries are the largest.
    """
    return _correlation(one, other, stats.spearmanr)


def kendall(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return Kendall's tau-b of two lists [N]; as `spearman`."""
    return _correlation(one, other, stats.kendalltau)


def _correlation(one: np.ndarray, other: np.ndarray, measure: Callable[..., Any]) -> float | None:
    # Ranks first: differences of infinities are no numbers.
    ranks = [stats.rankdata(values) for values in (one, other)]
    if len(ranks[0]) < 3 or any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return round(float(np.clip(measure(*ranks).statistic, -1, 1)), 6)


def regret(fitness: np.ndarray, truth: np.ndarray, count: int) -> float:
    """Return what it costs to choose by a fitness, at least 0.

    That is the mean truth of the `count` that the fitness likes best, minus that of the `count`
    that are best. Of candidates that the fitness likes equally any may be chosen: the expectation
    is returned, so that a constant fitness is as good as a draw.

    Args:
      fitness: of N candidates, lower is better; may be infinite.
      truth: their errors.
      count: how many are chosen; all, if there are not as many.
    """
    count = min(count, len(truth))
    last = np.sort(fitness)[count - 1]
    surely, perhaps = fitness < last, fitness == last
    drawn = (count - surely.sum()) * truth[perhaps].mean()
    return round(float((truth[surely].sum() + drawn) / count - np.sort(truth)[:count].mean()), 6)


def levels(parameters: np.ndarray) -> dict[int, np.ndarray]:
    """Sort candidates into levels of size, thirds of a decade; levels with few are left out.

    Args:
      parameters: of each, [N].

    Returns:
      Rows by the number of the level, that of parameters from 10^(number/3) on.
    """
    numbers = np.floor(DECADE * np.log10(parameters) + 1e-9).astype(int)
    rows = {int(number): np.flatnonzero(numbers == number) for number in np.unique(numbers)}
    return {number: own for number, own in rows.items() if len(own) >= FEWEST}


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of those that are there; `None` if none is."""
    there = [value for value in values if value is not None]
    return round(float(np.mean(there)), 6) if there else None
