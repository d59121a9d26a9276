"""Dominance and nondominated fronts of costs [P, K], all minimised."""

import jax
import jax.numpy as jnp

from .._types import Array, Bool, Float, Int


def dominates(costs: Float[Array, "P K"]) -> Bool[Array, "P P"]:
    """Return whether row i dominates row j.

    Row i dominates row j if it is nowhere larger and somewhere smaller. Of rows that are equal in
    every cost the first dominates the others, so that a front holds no duplicates. A row with a
    cost that is not finite dominates nothing and is dominated by every finite row.
    """
    finite = jnp.isfinite(costs).all(-1)
    no_larger = (costs[:, None] <= costs[None]).all(-1)
    smaller = (costs[:, None] < costs[None]).any(-1)
    order = jnp.arange(len(costs))
    first = order[:, None] < order[None]
    better = no_larger & (smaller | first)
    return jnp.where(finite[None], better & finite[:, None], finite[:, None])


def fronts(costs: Float[Array, "P K"]) -> Int[Array, " P"]:
    """Return the number of each row's nondominated front, from 0 for the best.

    Fronts as in NSGA-II (Deb et al., 2002, doi 10.1109/4235.996017). Rows that are not finite get
    the number P, behind every front.
    """
    better = dominates(costs)
    finite = jnp.isfinite(costs).all(-1)
    behind = jnp.asarray(len(costs), jnp.int32)

    def peel(state: tuple[Array, Array]) -> tuple[Array, Array]:
        front, number = state
        left = front == behind
        beaten = (better & left[:, None]).any(0)
        return jnp.where(left & finite & ~beaten, number, front), number + 1

    def unfinished(state: tuple[Array, Array]) -> Array:
        return ((state[0] == behind) & finite).any()

    start = (jnp.full(len(costs), behind), jnp.zeros((), jnp.int32))
    return jax.lax.while_loop(unfinished, peel, start)[0]


def nondominated(costs: Float[Array, "P K"]) -> Bool[Array, " P"]:
    """Return which rows are finite and dominated by no other; of equal rows, the first."""
    return jnp.isfinite(costs).all(-1) & ~dominates(costs).any(0)
