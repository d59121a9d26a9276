"""Intervals of means, and paired tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """Return mean, and the 95 % interval of the mean by Student's t.

    Args:
      values: one for each seed.

    Returns:
      `mean`, `low`, `high`; the bounds are `None` for fewer than two values.
    """
    rows = np.asarray(values, float)
    if rows.size == 0:
        return {"mean": None, "low": None, "high": None}
    mean = float(rows.mean())
    if rows.size == 1:
        return {"mean": mean, "low": None, "high": None}
    half = float(stats.t.ppf(0.975, rows.size - 1) * rows.std(ddof=1) / np.sqrt(rows.size))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def paired(ours: Sequence[float | None], theirs: Sequence[float | None]) -> dict[str, Any]:
    """Compare two methods over the same pairs of task and seed, by Wilcoxon's signed ranks.

    Args:
      ours: a value for each pair; `None` where there is no member.
      theirs: likewise; pairs with a `None` are left out.

    Returns:
      `pairs`; `higher` and `lower`: how often ours is; `p`: two-sided, 1 if no pair differs, and
      `None` for no pair; `difference`: the mean of ours - theirs; `reduction`: 1 - the sum of
      ours / the sum of theirs; `mean_reduction`: the mean over pairs of 1 - ours / theirs, where
      theirs is not zero.
    """
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    if not pairs:
        return {"pairs": 0, "p": None}
    one, two = np.array(pairs, float).T
    apart = one - two
    tested: Any = stats.wilcoxon(one, two) if apart.any() else None
    p = 1.0 if tested is None else float(tested.pvalue)
    there = two != 0
    return {
        "pairs": len(pairs),
        "higher": int((apart > 0).sum()),
        "lower": int((apart < 0).sum()),
        "p": p,
        "difference": float(apart.mean()),
        "reduction": float(1 - one.sum() / two.sum()) if two.sum() else None,
        "mean_reduction": float((1 - one[there] / two[there]).mean()) if there.any() else None,
    }
