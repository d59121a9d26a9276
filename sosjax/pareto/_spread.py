"""How evenly a found set is spread along a front."""

import jax
import jax.numpy as jnp

from .._errors import require
from .._types import AnyArray, Array, Bool, Float
from ._order import orders

BLOCK = 512


def spread(costs: Float[Array, "P K"], front: Float[AnyArray, "R _"]) -> Float[Array, ""]:
    """Return the spread of nondominated rows: 0 if even from end to end, larger if not.

    For two objectives the spread of Deb et al. (2002, doi 10.1109/4235.996017),

        (e_1 + e_2 + sum |d_i - mean d|) / (e_1 + e_2 + (n - 1) mean d),

    where d_i are the n - 1 distances between neighbours along the set and e_k the distances from
    the front's ends to the set's. For three or more its generalisation by Zhou et al. (2006, doi
    10.1109/CEC.2006.1688406): d_i is the distance from row i to its nearest other row, n - 1
    becomes n, and e_k is the distance from the front's point of the largest k-th objective to the
    nearest row.

    Rows that are not finite, of either side, are passed over. Without a finite row on either side
    the answer is infinity, and of one row that is the whole front it is 0.

    Args:
      costs: the found costs, in units in which distances make sense. Of dominated rows the number
        means nothing: set them to infinity.
      front: points [R, K] of the true front, its ends among them.

    >>> line = jnp.asarray([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    >>> float(spread(line, line))
    0.0
    """
    require(
        costs.shape[1] == front.shape[1] >= 2,
        f"`front` must have the columns of `costs`, at least 2, "
        f"got {front.shape[1]} and {costs.shape[1]}.",
    )
    valid, known = jnp.isfinite(costs).all(-1), jnp.isfinite(front).all(-1)
    points = jnp.where(known[:, None], front, jnp.inf)
    if costs.shape[1] == 2:
        ends, gaps, present = _along(jnp.where(valid[:, None], costs, jnp.inf), points)
    else:
        ends, gaps, present = _around(costs, valid, points, known)
    count = present.sum()
    mean = jnp.where(present, gaps, 0).sum() / jnp.maximum(count, 1)
    uneven = ends + jnp.where(present, jnp.abs(gaps - mean), 0).sum()
    whole = ends + count * mean
    result = jnp.where(whole > 0, uneven / jnp.where(whole > 0, whole, 1), 0)
    return jnp.where(valid.any() & known.any(), result, jnp.inf)


def _along(
    costs: Float[Array, "P K"], front: Float[Array, "R K"]
) -> tuple[Float[Array, ""], Float[Array, " Q"], Bool[Array, " Q"]]:
    """Return the distance between the ends, and those between neighbours by the first objective."""
    costs, front = costs[orders(costs)[0]], front[orders(front)[0]]
    finite = jnp.isfinite(costs[:, 0])
    last, end = finite.sum() - 1, jnp.isfinite(front[:, 0]).sum() - 1
    ends = _length(costs[0] - front[0]) + _length(costs[last] - front[end])
    steps = jnp.where(finite[1:, None], costs[1:] - costs[:-1], 0)
    return ends, _length(steps), finite[1:]


def _around(
    costs: Float[Array, "P K"],
    valid: Bool[Array, " P"],
    front: Float[Array, "R K"],
    known: Bool[Array, " R"],
) -> tuple[Float[Array, ""], Float[Array, " P"], Bool[Array, " P"]]:
    """Return the distance from the front's ends to the rows, and from each row to the nearest."""
    costs = jnp.where(valid[:, None], costs, 0)
    index = jnp.arange(len(costs))

    def nearest(point: Array, place: Array) -> Array:
        others = valid & (index != place)
        return jnp.where(others, _length(costs - point), jnp.inf).min()

    ends = front[jnp.where(known[:, None], front, -jnp.inf).argmax(0)]
    distances = jax.vmap(nearest, (0, None))(ends, jnp.asarray(-1))
    gaps = jax.lax.map(lambda row: nearest(*row), (costs, index), batch_size=min(len(costs), BLOCK))
    return distances.sum(), jnp.where(valid.sum() > 1, gaps, 0), valid


def _length(vectors: Float[Array, "*rows K"]) -> Float[Array, "*rows"]:
    return jnp.sqrt((vectors**2).sum(-1))
