"""Crowding distance (Deb et al., 2002, doi 10.1109/4235.996017)."""

import jax
import jax.numpy as jnp

from .._types import Array, Float, Int


def crowding_distance(costs: Float[Array, "P K"], front: Int[Array, " P"]) -> Float[Array, " P"]:
    """Return how lonely each row is within its own front.

    Args:
      costs: the costs.
      front: the number of each row's front.

    Returns:
      The sum over objectives of the gap between a row's two neighbours, in units of the front's
      range; infinite at the ends of a front.
    """
    return jax.vmap(_gaps, in_axes=(1, None), out_axes=1)(costs, front).sum(-1)


def _gaps(cost: Float[Array, " P"], front: Int[Array, " P"]) -> Float[Array, " P"]:
    count = len(cost)
    order = jnp.lexsort((cost, front))
    value, group = cost[order], front[order]
    same_before = jnp.concatenate([jnp.zeros(1, bool), group[1:] == group[:-1]])
    same_after = jnp.concatenate([group[1:] == group[:-1], jnp.zeros(1, bool)])
    low = jax.ops.segment_min(value, group, count + 1, indices_are_sorted=True)[group]
    high = jax.ops.segment_max(value, group, count + 1, indices_are_sorted=True)[group]
    gap = (jnp.roll(value, -1) - jnp.roll(value, 1)) / jnp.where(high > low, high - low, 1)
    gap = jnp.where(same_before & same_after, gap, jnp.inf)
    return jnp.zeros(count, cost.dtype).at[order].set(gap)
