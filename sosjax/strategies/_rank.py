"""The order of a task's individuals, from the best to the worst."""

import jax.numpy as jnp

from .._errors import require
from .._types import Array, Bool, Float, Int
from ..pareto._crowding import crowding_distance
from ..pareto._dominance import fronts
from ..pareto._order import grouped, order
from ..pareto._thinning import thin


def pareto_order(costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
    """Return the `keep` best rows by front, then by crowding distance, then by index."""
    front = fronts(costs, enough=keep)
    distance = crowding_distance(costs, front)
    return grouped(front, order(-distance))[:keep]


def thinned_order(costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
    """Return `keep` rows: whole fronts, and of the first that is too large what `thin` leaves.

    They are in the order of `pareto_order`, with the crowding distance among those that are kept.
    """
    front = fronts(costs, enough=keep)
    sizes = jnp.zeros(len(costs) + 1, jnp.int32).at[front].add(1)
    last = (jnp.cumsum(sizes) < keep).sum()
    whole, candidates = front < last, front == last
    finite = jnp.isfinite(costs).all(-1)
    left = thin(_unit(costs, candidates & finite), candidates & finite, keep - whole.sum())
    # Failed rows only fill up.
    kept = (whole | left) & finite
    distance = crowding_distance(jnp.where(kept[:, None], costs, jnp.inf), front)
    return grouped(jnp.where(kept, front, len(costs)), order(-distance))[:keep]


def cost_order(costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
    """Return the `keep` best rows by their one cost, then by index.

    Raises:
      InputError: there are several costs.
    """
    require(
        costs.shape[1] == 1,
        f"`fitness` must have one objective for a single-objective strategy, got {costs.shape[1]}.",
    )
    return order(costs[:, 0])[:keep]


def _unit(costs: Float[Array, "M K"], rows: Bool[Array, " M"]) -> Float[Array, "M K"]:
    """Return costs in units of the ranges of some rows."""
    low = jnp.where(rows[:, None], costs, jnp.inf).min(0)
    high = jnp.where(rows[:, None], costs, -jnp.inf).max(0)
    return jnp.where(rows[:, None], (costs - low) / jnp.where(high > low, high - low, 1), 0)
