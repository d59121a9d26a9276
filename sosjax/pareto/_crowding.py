"""Crowding distance (Deb et al., 2002, doi 10.1109/4235.996017)."""

import jax.numpy as jnp

from .._types import Array, Float, Int
from ._order import grouped, orders


def crowding_distance(costs: Float[Array, "P K"], front: Int[Array, " P"]) -> Float[Array, " P"]:
    """Return how lonely each row is within its own front.

    The sum over objectives of the gap between a row's two neighbours, in units of the front's
    range. A row at an end of its front in some objective has an infinite distance, and so has one
    that is alone in its front. An objective that is constant within a front adds nothing there and
    has no ends, so that tasks of fewer objectives can be padded with a constant column. Rows that
    are not finite have the distance 0 and are nobody's neighbours.

    Args:
      costs: the costs.
      front: the number of each row's front, from 0 to P.

    >>> costs = jnp.asarray([[0.0, 4.0, 1.0], [1.0, 2.0, 1.0], [2.0, 1.0, 1.0], [4.0, 0.0, 1.0]])
    >>> crowding_distance(costs, jnp.zeros(4, int)).tolist()
    [inf, 1.25, 1.25, inf]
    """
    finite = jnp.isfinite(costs).all(-1)
    # Failed rows are a group of their own, behind whatever is numbered P.
    front = jnp.where(finite, front, len(costs) + 1)
    # The same orders as in `fronts`: compiled together, they are sorted once.
    comparable = jnp.where(finite[:, None], costs, jnp.inf)
    distance = jnp.zeros(len(costs), costs.dtype)
    for values, order in zip(comparable.T, orders(comparable), strict=True):
        distance += _gaps(values, front, grouped(front, order))
    sizes = jnp.zeros(len(costs) + 2, jnp.int32).at[front].add(1)
    return jnp.where(finite, jnp.where(sizes[front] == 1, jnp.inf, distance), 0)


def _gaps(
    values: Float[Array, " P"], front: Int[Array, " P"], order: Int[Array, " P"]
) -> Float[Array, " P"]:
    """Return the gaps of one objective; the order is by front, then by value."""
    value, group = values[order], front[order]
    border = jnp.concatenate([jnp.ones(1, bool), group[1:] != group[:-1], jnp.ones(1, bool)])
    first, last = border[:-1], border[1:]
    nowhere = len(values) + 2
    ends = jnp.zeros((2, nowhere + 1), values.dtype)
    low = ends[0].at[jnp.where(first, group, nowhere)].set(value)[group]
    high = ends[1].at[jnp.where(last, group, nowhere)].set(value)[group]
    extent = high - low
    gap = (jnp.roll(value, -1) - jnp.roll(value, 1)) / jnp.where(extent > 0, extent, 1)
    gap = jnp.where(extent > 0, jnp.where(first | last, jnp.inf, gap), 0)
    return jnp.zeros_like(values).at[order].set(gap, unique_indices=True)
