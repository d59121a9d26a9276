"""How far a found set is from a known front: IGD, IGD+ and additive epsilon.

All look only at rows that are finite, of the costs and of the front: rows of infinity are padding.
They take rows as they are; where only nondominated ones shall count, set the others to infinity.
Without a finite row on either side the answer is infinity. The front is worked off in blocks, so
that a batch of runs against 10,000 points needs little memory.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from .._errors import require
from .._types import AnyArray, Array, Bool, Float

BLOCK = 512


def igd(costs: Float[Array, "P K"], front: Float[AnyArray, "R _"]) -> Float[Array, ""]:
    """Return the inverted generational distance: how far the front's points are from the costs.

    The mean, over the points of the front, of the Euclidean distance to the nearest row
    (Coello Coello and Reyes Sierra, 2004, doi 10.1007/978-3-540-24694-7_71).

    Args:
      costs: the found costs.
      front: points [R, K] spread evenly over the true front.

    >>> front = jnp.asarray([[0.0, 1.0], [1.0, 0.0]])
    >>> round(float(igd(jnp.asarray([[0.0, 1.0], [1.0, 3.0]]), front)), 4)
    0.7071
    """
    found = _per_point(costs, front, _distance)
    return _mean(found, _finite(front))


def legacy_igd(costs: Float[Array, "P K"], front: Float[AnyArray, "R _"]) -> Float[Array, ""]:
    """Return the IGD of older tables: the root of the sum of squared distances, divided by R.

    It falls with the number R of points, by about sqrt(R) against `igd`; compare only at one R.
    """
    found, valid = _per_point(costs, front, _distance), _finite(front)
    root = jnp.sqrt(jnp.where(valid, found**2, 0).sum())
    return jnp.where(valid.any(), root / jnp.maximum(valid.sum(), 1), jnp.inf)


def igd_plus(costs: Float[Array, "P K"], front: Float[AnyArray, "R _"]) -> Float[Array, ""]:
    """Return IGD+, which does not punish a row for being better than a point of the front.

    As `igd`, but of the difference only the objectives count in which a row is worse
    (Ishibuchi et al., 2015, doi 10.1007/978-3-319-15892-1_8). So it never falls when a row gets
    worse, which IGD may.
    """
    found = _per_point(costs, front, _worse_distance)
    return _mean(found, _finite(front))


def epsilon(costs: Float[Array, "P K"], front: Float[AnyArray, "R _"]) -> Float[Array, ""]:
    """Return the additive epsilon indicator: how much the front must be worsened to be covered.

    The smallest number which, added to every cost of the front, lets every point be weakly
    dominated by some row (Zitzler et al., 2003, doi 10.1109/TEVC.2003.810758). Negative if the
    rows are better than the whole front.
    """
    found, valid = _per_point(costs, front, _excess), _finite(front)
    return jnp.where(valid.any(), jnp.where(valid, found, -jnp.inf).max(), jnp.inf)


def _finite(rows: Float[AnyArray, "P K"]) -> Bool[Array, " P"]:
    return jnp.isfinite(rows).all(-1)


def _mean(values: Float[Array, " R"], valid: Bool[Array, " R"]) -> Float[Array, ""]:
    total = jnp.where(valid, values, 0).sum()
    return jnp.where(valid.any(), total / jnp.maximum(valid.sum(), 1), jnp.inf)


def _per_point(
    costs: Float[Array, "P K"],
    front: Float[AnyArray, "R _"],
    measure: Callable[[Array, Array], Array],
) -> Float[Array, " R"]:
    """Return the lowest measure over the finite rows for every point of the front."""
    require(
        costs.shape[1] == front.shape[1] > 0,
        f"`front` must have the columns of `costs`, got {front.shape[1]} and {costs.shape[1]}.",
    )
    valid = _finite(costs)
    costs = jnp.where(valid[:, None], costs, 0)

    def lowest(point: Array) -> Array:
        return jnp.where(valid, measure(costs, point), jnp.inf).min(initial=jnp.inf)

    points = jnp.where(_finite(front)[:, None], front, 0)
    return jax.lax.map(lowest, points, batch_size=min(max(len(front), 1), BLOCK))


# One column after the other, so that nothing of [R, P, K] is ever held.


def _distance(costs: Float[Array, "P K"], point: Float[Array, " K"]) -> Float[Array, " P"]:
    squares = jnp.zeros(len(costs), costs.dtype)
    for column, value in zip(costs.T, point, strict=True):
        squares += (column - value) ** 2
    return jnp.sqrt(squares)


def _worse_distance(costs: Float[Array, "P K"], point: Float[Array, " K"]) -> Float[Array, " P"]:
    return _distance(jnp.maximum(costs, point), point)


def _excess(costs: Float[Array, "P K"], point: Float[Array, " K"]) -> Float[Array, " P"]:
    excess = costs[:, 0] - point[0]
    for column, value in zip(costs.T[1:], point[1:], strict=True):
        excess = jnp.maximum(excess, column - value)
    return excess
