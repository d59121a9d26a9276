"""Exact hypervolume (Zitzler and Thiele, 1998) by slicing."""

import jax
import jax.numpy as jnp

from .._types import Array, Float


def hypervolume(costs: Float[Array, "P K"], reference: Float[Array, " K"]) -> Float[Array, ""]:
    """Return the volume that the rows dominate below the reference point.

    Rows that are not finite or not below the reference add nothing. The work grows with P^(K-1):
    meant for two to four objectives.

    Args:
      costs: K >= 1 minimised costs.
      reference: the point that bounds the volume from above.

    >>> costs = jnp.asarray([[1.0, 2.0], [2.0, 1.0]])
    >>> float(hypervolume(costs, jnp.asarray([3.0, 3.0])))
    3.0
    """
    inside = (jnp.isfinite(costs) & (costs < reference)).all(-1)
    return _sliced(jnp.where(inside[:, None], costs, reference), reference)


def _sliced(costs: Float[Array, "P K"], reference: Float[Array, " K"]) -> Float[Array, ""]:
    """Sum slabs along the last objective; a row at the reference has no volume."""
    if costs.shape[1] == 1:
        return reference[0] - costs[:, 0].min()
    costs = costs[jnp.argsort(costs[:, -1])]
    heights = jnp.diff(costs[:, -1], append=reference[-1:])

    def area(count: Array) -> Array:
        reached = jnp.arange(len(costs))[:, None] <= count
        return _sliced(jnp.where(reached, costs[:, :-1], reference[:-1]), reference[:-1])

    return (jax.vmap(area)(jnp.arange(len(costs))) * heights).sum()
