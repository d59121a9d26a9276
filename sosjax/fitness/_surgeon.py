"""The surgeon's scores: what removing a unit costs once the others have made up for it.

Hassibi and Stork, 1992 (Optimal Brain Surgeon), for whole units, with the moments of compensation
in the place of the Hessian: large where the others cannot say what the unit says.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tree import named_leaves
from .._types import Float
from ..graph._sites import Site
from ._compensation import RIDGE


def surgeon_scores(
    sites: Sequence[Site],
    params: Any,
    moments: dict[str, np.ndarray],
    sizes: Sequence[int],
    ridge: float = RIDGE,
) -> list[Float[np.ndarray, " _size"] | None]:
    """Score the units of every group, on the host.

    Args:
      sites: of the network.
      params: the full parameters.
      moments: [F, F] by the site's leaf, see `site_moments`.
      sizes: units in each group.
      ridge: the penalty, as a share of the mean feature's square.

    Returns:
      For each group the weighed squared change of the sites' products that no other weights of
      what is left make up for, for each unit; `None` for a group that no site has features of.
    """
    leaves = named_leaves(params)
    scores = np.zeros(1 + sum(sizes))
    seen = np.zeros(1 + sum(sizes), bool)
    for site in sites:
        matrix = np.asarray(site.matrix(leaves[site.leaf]), np.float64)
        full = np.asarray(moments[site.leaf], np.float64)
        unit = np.trace(full) / len(full) or 1.0
        inverse = np.linalg.inv(full / unit + ridge * np.eye(len(full)))
        for number in np.unique(site.table[site.table > 0]).tolist():
            rows = np.flatnonzero((site.table == number).any(1))
            part = matrix[rows]
            scores[number] += (
                unit * (part * np.linalg.solve(inverse[np.ix_(rows, rows)], part)).sum()
            )
            seen[number] = True
    ends = np.cumsum(sizes)[:-1].tolist()
    pairs = zip(np.split(scores[1:], ends), np.split(seen[1:], ends), strict=True)
    return [score.astype(np.float32) if there.any() else None for score, there in pairs]
