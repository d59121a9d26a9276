"""One number for a front: its hypervolume with costs on a log10 axis."""

import jax.numpy as jnp

from .._types import Array, Float
from ._hypervolume import hypervolume

DECADES = 3.0


def log_hypervolume(costs: Float[Array, "P K"], dense: Float[Array, " K-1"]) -> Float[Array, ""]:
    """Return the share of the box that a front dominates, from 0 to 1.

    The error's axis runs from 0 to 1 and every other axis, on a log10 scale, from a thousandth of
    the dense network's cost to all of it. A linear size axis would hide everything that matters:
    most members are below a tenth of the size.

    Args:
      costs: error, then one or more costs in their own units. Rows that are not finite add nothing.
      dense: those costs of the dense network.

    A network of a tenth of the size without errors dominates a third of three decades:

    >>> round(float(log_hypervolume(jnp.asarray([[0.0, 10.0]]), jnp.asarray([100.0]))), 4)
    0.3333
    """
    logs = jnp.log10(jnp.maximum(costs[:, 1:], 1e-30) / dense) / DECADES
    finite = jnp.isfinite(costs).all(-1, keepdims=True)
    points = jnp.concatenate([costs[:, :1], jnp.maximum(logs, -1.0)], 1)
    reference = jnp.concatenate([jnp.ones(1), jnp.zeros(costs.shape[1] - 1)])
    return hypervolume(jnp.where(finite, points, jnp.inf), reference)
