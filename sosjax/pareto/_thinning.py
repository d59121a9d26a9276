"""Thinning a front of two costs to the rows that cover it best."""

import jax
import jax.numpy as jnp

from .._types import Array, Bool, Float, Int
from ._order import order
from ._truncation import truncate

LAG = 8.0
"""How much a row counts less for lying behind the line between its neighbours."""


def thin(
    costs: Float[Array, "P K"], candidates: Bool[Array, " P"], count: int | Int[Array, ""]
) -> Bool[Array, " P"]:
    """Return the candidates that are left when those a front misses least go one by one.

    Between neighbours at distances l and r a row of a front of two costs is worth l r: the mean
    distance from the front to its rows (IGD) grows by l r / 2 over the front's length when it
    goes. A row that lies behind the line between its neighbours by the share h of their distance
    is worth exp(-8 h) of that: on a smooth front h is next to nothing, on a ragged one rows that
    lag behind go first, which drives a front on whose rows hardly dominate each other. The two ends
    stay. Each removal takes time proportional to P. With three and more costs, `truncate`.

    Args:
      costs: the costs, in units in which distances make sense.
      candidates: rows that do not dominate each other, and are finite.
      count: how many shall remain; may be traced. Fewer candidates are all kept, and
        of two costs the two ends always.

    >>> costs = jnp.asarray([[0.0, 1.0], [0.25, 0.75], [0.35, 0.65], [0.7, 0.3], [1.0, 0.0]])
    >>> thin(costs, jnp.ones(5, bool), 4).tolist()
    [True, False, True, True, True]
    """
    if costs.shape[1] != 2:
        return truncate(costs, candidates, count)
    along = order(jnp.where(candidates, costs[:, 0], jnp.inf))
    sorted_costs = jnp.where(candidates[:, None], costs, 0)[along]
    count = jnp.asarray(count, jnp.int32)
    total = candidates.sum().astype(jnp.int32)
    left = _thinned(sorted_costs, total, count)
    return jnp.zeros(len(costs), bool).at[along].set(left, unique_indices=True)


def _thinned(
    costs: Float[Array, "P 2"], total: Int[Array, ""], count: Int[Array, ""]
) -> Bool[Array, " P"]:
    """Return which of the first `total` rows, in the order of the front, are left."""
    index = jnp.arange(len(costs), dtype=jnp.int32)
    before, after = index - 1, index + 1

    def worth(row: Array, before: Array, after: Array) -> Array:
        inner = (before >= 0) & (after < total)
        here, there = costs[jnp.maximum(before, 0)], costs[jnp.minimum(after, len(costs) - 1)]
        return jnp.where(inner, _worth(costs[row], here, there), jnp.inf)

    def remove(state: tuple[Array, ...]) -> tuple[Array, ...]:
        worths, before, after, left, number = state
        row = jnp.argmin(worths)
        ends = jnp.stack([before[row], after[row]])
        before = before.at[ends[1]].set(ends[0])
        after = after.at[ends[0]].set(ends[1])
        new = worth(ends, before[ends], after[ends])
        worths = worths.at[row].set(jnp.inf).at[ends].set(new)
        return worths, before, after, left.at[row].set(False), number - 1

    def too_many(state: tuple[Array, ...]) -> Array:
        return state[-1] > jnp.maximum(count, 2)

    left = index < total
    worths = jnp.where(left, worth(index, before, after), jnp.inf)
    start = (worths, before, after, left, total)
    return jax.lax.while_loop(too_many, remove, start)[3]


def _worth(row: Array, before: Array, after: Array) -> Array:
    """Return what rows [..., 2] between two neighbours are worth."""
    chord = after - before
    length = jnp.sqrt((chord**2).sum(-1)) + jnp.finfo(row.dtype).tiny
    gaps = [jnp.sqrt(((row - end) ** 2).sum(-1)) for end in (before, after)]
    offset = row - before
    # Positive on the side of larger costs.
    behind = offset[..., 1] * chord[..., 0] - offset[..., 0] * chord[..., 1]
    return gaps[0] * gaps[1] * jnp.exp(-LAG * behind / length**2)
