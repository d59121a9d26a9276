"""Parameters, bytes and FLOPs of every sub-network, from the number of units it keeps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ._contraction import Contraction
from ._group import Statistics, statistics_leaves

COSTS = ("parameters", "bytes", "flops")


@final
@dataclass(frozen=True)
class CostTable:
    """Costs as sums of products of kept units.

    Each row is one leaf or one contraction: a constant factor times the number of units kept along
    each of its removable axes.

    Attributes:
      factors: int64 [rows], what of the row does not depend on a group.
      axes: int32 [rows, axes], the group along each removable axis; -1 where there is none.
      weights: int64 [3, rows], how much of each row counts as parameters, bytes, FLOPs.
    """

    factors: np.ndarray
    axes: np.ndarray
    weights: np.ndarray

    def exact(self, kept: np.ndarray) -> dict[str, np.ndarray]:
        """Return the costs in whole numbers.

        Args:
          kept: whole numbers [..., G + 1]: units kept in each group, then the head's classes.

        Returns:
          int64 arrays [...] by name: `parameters` (trainable numbers), `bytes` (with the
          statistics, as stored), `flops` (two per multiply-accumulate of the dot products and
          convolutions, per example).
        """
        totals = self._totals(np.asarray(kept, np.int64), np)
        return {name: totals[..., index] for index, name in enumerate(COSTS)}

    def approximate(self, kept: Any) -> dict[str, Any]:
        """Return the costs as float32 arrays, for use inside `jax.jit`; exact below 2^24."""
        totals = self._totals(jnp.asarray(kept, jnp.float32), jnp)
        return {name: totals[..., index] for index, name in enumerate(COSTS)}

    def _totals(self, kept: Any, xp: Any) -> Any:
        extended = xp.concatenate([kept, xp.ones((*kept.shape[:-1], 1), kept.dtype)], -1)
        products = xp.prod(extended[..., self.axes], -1)
        scaled = self.weights * self.factors
        # An explicit sum: a matrix product may run in reduced precision on an accelerator.
        return xp.sum(products[..., None, :] * scaled.astype(kept.dtype), -1)


def network_costs(
    leaves: dict[str, Any],
    owners: dict[tuple[str, int], int],
    statistics: Sequence[Statistics],
    sites: Sequence[Contraction],
    batch: int,
) -> CostTable:
    """Write down what every leaf and every contraction costs.

    Args:
      leaves: the parameters by path.
      owners: the group on each removable (leaf, axis).
      statistics: their leaves are stored but are not trainable.
      sites: the contractions of the traced network.
      batch: the batch size it was traced with.
    """
    buffers = statistics_leaves(statistics)

    def split(leaf: str) -> tuple[int, list[int]]:
        places = [(owners.get((leaf, axis)), size) for axis, size in enumerate(leaves[leaf].shape)]
        fixed = math.prod(size for owner, size in places if owner is None)
        return fixed, [owner for owner, _ in places if owner is not None]

    rows: list[tuple[int, list[int], tuple[int, int, int]]] = []
    for name, leaf in leaves.items():
        trainable = jnp.issubdtype(leaf.dtype, jnp.floating) and name not in buffers
        rows.append((*split(name), (int(trainable), leaf.dtype.itemsize, 0)))
    for site in sites:
        if site.leaf is None:
            rows.append((site.flops // batch, [], (0, 0, 1)))
            continue
        # Each number of the leaf is used equally often; its removable sizes come from the groups.
        uses = site.flops // batch // math.prod(leaves[site.leaf].shape)
        fixed, groups = split(site.leaf)
        rows.append((fixed * uses, groups, (0, 0, 1)))
    width = max(len(groups) for _, groups, _ in rows)
    return CostTable(
        factors=np.array([factor for factor, _, _ in rows], np.int64),
        axes=np.array([groups + [-1] * (width - len(groups)) for _, groups, _ in rows], np.int32),
        weights=np.array([weights for _, _, weights in rows], np.int64).T,
    )
