"""Parameters, bytes and FLOPs of every sub-network, from the number of units it keeps."""

from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

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


def cost_table(rows: list[tuple[int, list[int], dict[str, int]]]) -> CostTable:
    """Build a table from rows of (factor, groups along the axes, weight of each cost)."""
    width = max(len(groups) for _, groups, _ in rows)
    axes = np.array([groups + [-1] * (width - len(groups)) for _, groups, _ in rows], np.int32)
    weights = np.array([[row[2].get(name, 0) for row in rows] for name in COSTS], np.int64)
    return CostTable(np.array([row[0] for row in rows], np.int64), axes, weights)
