"""Truncation of a front by nearest neighbours, as in SPEA2.

Zitzler, Laumanns, Thiele, 2001: SPEA2: Improving the Strength Pareto Evolutionary Algorithm, TIK
report 103, ETH Zurich, doi 10.3929/ethz-a-004284029.
"""

import jax
import jax.numpy as jnp

from .._types import Array, Bool, Float, Int

BLOCK = 256
# Two programs for one distance may round it differently. What is within this factor is looked at
# again; the decision itself compares numbers of one program.
NEAR = 1.000002


def truncate(
    costs: Float[Array, "P K"], candidates: Bool[Array, " P"], count: int | Int[Array, ""]
) -> Bool[Array, " P"]:
    """Return the candidates that are left when the most crowded ones are taken away one by one.

    Each time the row goes whose distances to the remaining candidates, in ascending order, come
    first lexicographically: the one with the nearest neighbour, of such rows the one with the
    nearest second neighbour, and so on. Of rows with equal distances the first goes. This is
    exact for every P: after a start of P^2 distances (in blocks, never [P, P]) each removal takes
    time proportional to P, for only rows whose neighbour has gone look for a new one. Many exact
    ties, as on a grid or among duplicates, cost more: each tied row is compared.

    Args:
      costs: the costs, in units in which distances make sense. Squares must not overflow.
      candidates: the rows to choose from. Rows that are not finite are no candidates.
      count: how many shall remain; may be traced. Fewer candidates are all kept.

    >>> costs = jnp.asarray([[0.0, 1.0], [0.5, 0.5], [0.6, 0.4], [1.0, 0.0]])
    >>> truncate(costs, jnp.ones(4, bool), 3).tolist()
    [True, True, False, True]
    """
    left = candidates & jnp.isfinite(costs).all(-1)
    costs = jnp.where(left[:, None], costs, 0)

    def too_many(state: tuple[Array, Array]) -> Array:
        return state[0].sum() > count

    def remove(state: tuple[Array, Array]) -> tuple[Array, Array]:
        left, nearest = state
        row = _most_crowded(costs, left, nearest)
        left = left & (jnp.arange(len(left)) != row)
        stale = left & (_distances(costs, left, row[None])[0] <= nearest * NEAR)
        return left, _refreshed(costs, left, nearest, stale)

    return jax.lax.while_loop(too_many, remove, (left, _nearest(costs, left)))[0]


def _distances(
    costs: Float[Array, "P K"], left: Bool[Array, " P"], rows: Int[Array, " Q"]
) -> Float[Array, "Q P"]:
    """Return squared distances from some rows to all others that are left, else infinity."""
    squares = jnp.zeros((len(rows), len(costs)), costs.dtype)
    for column in costs.T:
        squares += (column[rows][:, None] - column) ** 2
    return jnp.where(left & (rows[:, None] != jnp.arange(len(costs))), squares, jnp.inf)


def _nearest(costs: Float[Array, "P K"], left: Bool[Array, " P"]) -> Float[Array, " P"]:
    """Return every row's squared distance to its nearest neighbour."""
    count = len(costs)
    block = min(count, BLOCK)
    blocks = -(-count // block)
    rows = jnp.minimum(jnp.arange(blocks * block), count - 1).reshape(blocks, block)
    # Transposed, for XLA reduces the leading axis several times as fast.
    nearest = jax.lax.map(lambda some: _distances(costs, left, some).T.min(0), rows)
    return nearest.reshape(-1)[:count]


def _refreshed(
    costs: Float[Array, "P K"],
    left: Bool[Array, " P"],
    nearest: Float[Array, " P"],
    stale: Bool[Array, " P"],
) -> Float[Array, " P"]:
    """Look for the nearest neighbour of stale rows again, one after the other: they are few."""

    def look(state: tuple[Array, Array]) -> tuple[Array, Array]:
        stale, nearest = state
        row = jnp.argmax(stale)
        here = jnp.arange(len(stale)) == row
        found = _distances(costs, left, row[None])[0].min()
        return stale & ~here, jnp.where(here, found, nearest)

    return jax.lax.while_loop(lambda state: state[0].any(), look, (stale, nearest))[1]


def _most_crowded(
    costs: Float[Array, "P K"], left: Bool[Array, " P"], nearest: Float[Array, " P"]
) -> Int[Array, ""]:
    """Return the row whose ascending distances come first lexicographically."""
    largest = jnp.finfo(costs.dtype).max
    nearest = jnp.where(left, jnp.minimum(nearest, largest), jnp.inf)
    tied = left & (nearest <= nearest.min() * NEAR)

    def play(state: tuple[Array, Array]) -> tuple[Array, Array]:
        tied, best = state
        row = jnp.argmax(tied)
        best = jnp.where(_closer(_distances(costs, left, jnp.stack([row, best]))), row, best)
        return tied & (jnp.arange(len(tied)) != row), best

    first = jnp.argmax(tied)
    tied = tied & (jnp.arange(len(tied)) != first)
    return jax.lax.while_loop(lambda state: state[0].any(), play, (tied, first))[1]


def _closer(distances: Float[Array, "2 P"]) -> Bool[Array, ""]:
    """Return whether the first row's ascending distances come before the second's.

    Walks up the distinct distances: the first row comes before if its next distance is the lower
    one, or if they are equal and it has more of them. Mostly the second distance decides.
    """

    def walk(state: tuple[Array, Array]) -> tuple[Array, Array]:
        beyond = distances > state[0]
        value = jnp.where(beyond, distances, jnp.inf).min(1)
        number = (distances == value[:, None]).sum(1)
        lower = jnp.sign(value[1] - value[0])
        lower = jnp.where(value[0] == value[1], jnp.sign(number[0] - number[1]), lower)
        done = jnp.where(jnp.isfinite(value).any(), 0, 2)
        return value[0], jnp.where(lower == 0, done, lower).astype(jnp.int32)

    start = (jnp.full((), -1, distances.dtype), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(lambda state: state[1] == 0, walk, start)[1] == 1
