"""Exact hypervolume (Zitzler and Thiele, 1998, doi 10.1007/BFb0056872) by a sweep."""

import jax
import jax.numpy as jnp

from .._errors import require
from .._types import Array, Float
from ._order import order

MOST = 4


def hypervolume(costs: Float[Array, "P K"], reference: Float[Array, " _"]) -> Float[Array, ""]:
    """Return the volume that the rows dominate below the reference point.

    Rows that are not finite or not below the reference add nothing, and take no time for K > 2.

    The rows are swept by the last objective; what is dominated so far is held as the lowest cost in
    the last but one objective above every cell of the grid that the rows span in the others. The
    work is P log P for two objectives and P^(K-1) for more, the memory P^(K-2).

    Args:
      costs: one to four minimised costs.
      reference: the point [K] that bounds the volume from above.

    >>> costs = jnp.asarray([[1.0, 2.0], [2.0, 1.0]])
    >>> float(hypervolume(costs, jnp.asarray([3.0, 3.0])))
    3.0
    """
    objectives = costs.shape[1]
    require(
        1 <= objectives <= MOST,
        f"`costs` must have 1 to {MOST} columns for an exact hypervolume, got {objectives}.",
    )
    require(
        reference.shape == (objectives,),
        f"`reference` must have one number for each of {objectives} costs, "
        f"got the shape {reference.shape}.",
    )
    inside = (jnp.isfinite(costs) & (costs < reference)).all(-1)
    costs = jnp.where(inside[:, None], costs, reference)
    if objectives == 1:
        return reference[0] - costs[:, 0].min(initial=reference[0])
    costs = costs[order(costs[:, -1])]
    depths = jnp.diff(costs[:, -1], append=reference[-1:])
    if objectives == 2:
        return ((reference[0] - jax.lax.cummin(costs[:, 0])) * depths).sum()
    return _swept(costs[:, :-1], depths, reference[:-1], inside.sum())


def _swept(
    costs: Float[Array, "P J"],
    depths: Float[Array, " P"],
    reference: Float[Array, " J"],
    count: Array,
) -> Float[Array, ""]:
    """Sum the slabs below the first `count` rows: what they and those before dominate x depth."""
    axes = [jnp.sort(column) for column in costs.T[:-1]]
    widths = [
        jnp.diff(axis, append=end[None]) for axis, end in zip(axes, reference[:-1], strict=True)
    ]
    base = reference[-1]

    def slab(row: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
        lowest, volume = state
        above = _outer([axis >= costs[row, index] for index, axis in enumerate(axes)])
        lowest = jnp.where(above, jnp.minimum(lowest, costs[row, -1]), lowest)
        # From the last axis to the first.
        area = base - lowest
        for width in reversed(widths):
            area = (area * width).sum(-1)
        return lowest, volume + area * depths[row]

    start = jnp.full([len(costs)] * len(axes), base, costs.dtype)
    return jax.lax.fori_loop(0, count, slab, (start, jnp.zeros((), costs.dtype)))[1]


def _outer(sides: list[Array]) -> Array:
    """Return the conjunction of booleans along different axes."""
    result = sides[0]
    for side in sides[1:]:
        result = result[..., None] & side
    return result
