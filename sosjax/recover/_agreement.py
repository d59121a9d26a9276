"""How far one judge of candidates agrees with what recovery makes of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import final

import numpy as np

from ._correlation import kendall, mean, regret, spearman


@final
@dataclass(frozen=True)
class Agreement:
    """One judge against the test error after recovery; a good one has correlations near 1.

    `None` where there is none: of a judge that finds all candidates alike, or without levels.

    Attributes:
      spearman: rank correlation over all sizes.
      kendall: tau-b over all sizes.
      spearman_within: mean over the levels of size.
      kendall_within: as above.
      regret_1: the recovered test error of the candidate that the judge likes best in a level,
        minus that of the truly best; mean over the levels.
      regret_3: the same of the three best.
    """

    spearman: float | None
    kendall: float | None
    spearman_within: float | None
    kendall_within: float | None
    regret_1: float | None
    regret_3: float | None


def agreement(fitness: np.ndarray, truth: np.ndarray, levels: Sequence[np.ndarray]) -> Agreement:
    """Compare a judge with the truth.

    Args:
      fitness: what the judge says of N candidates, lower is better; infinite where it fails.
      truth: their test errors after recovery.
      levels: for each level of size the rows of its candidates.
    """
    pairs = [(fitness[rows], truth[rows]) for rows in levels]
    return Agreement(
        spearman=spearman(fitness, truth),
        kendall=kendall(fitness, truth),
        spearman_within=mean([spearman(*pair) for pair in pairs]),
        kendall_within=mean([kendall(*pair) for pair in pairs]),
        regret_1=mean([regret(*pair, 1) for pair in pairs]),
        regret_3=mean([regret(*pair, 3) for pair in pairs]),
    )


def mean_agreement(found: Sequence[Agreement]) -> Agreement:
    """Return the mean over tasks, of each number over those tasks that have it."""
    rows = [asdict(one) for one in found]
    return Agreement(
        **{one.name: mean([row[one.name] for row in rows]) for one in fields(Agreement)}
    )
