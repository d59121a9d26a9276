"""Shapes of fronts: from position variables [..., k] and q = 1 + g [...] to costs [..., K].

The positions choose a point of the front and q >= 1 holds it away from there; the front is q = 1.
"""

import jax.numpy as jnp

from .._types import Array, Float


def sphere(position: Float[Array, "*rows k"], q: Float[Array, "*rows"]) -> Float[Array, "*rows K"]:
    """Return costs whose front is the unit sphere's octant in k + 1 objectives.

    (q c1 ... ck, q c1 ... s_k, ..., q s1), where ci and si are cosine and sine of pi xi / 2.
    """
    # As sines from both ends: the cosine of a rounded pi / 2 is negative, and q can be 10^6.
    cosines = jnp.sin(jnp.pi / 2 * (1 - position))
    sines = jnp.sin(jnp.pi / 2 * position)
    costs = []
    for i in range(position.shape[-1]):
        costs.append(q * sines[..., i])
        q = q * cosines[..., i]
    return jnp.stack([q, *reversed(costs)], -1)


def concave(position: Float[Array, "*rows k"], q: Float[Array, "*rows"]) -> Float[Array, "*rows 2"]:
    """Return (f1, q (1 - (f1 / q)^2)), f1 the mean position; its front is f2 = 1 - f1^2."""
    first = position.mean(-1)
    return jnp.stack([first, q - first * first / q], -1)


def convex(position: Float[Array, "*rows k"], q: Float[Array, "*rows"]) -> Float[Array, "*rows 2"]:
    """Return (f1, q (1 - sqrt(f1 / q))), f1 the mean position; its front is f2 = 1 - sqrt(f1)."""
    first = position.mean(-1)
    return jnp.stack([first, q - jnp.sqrt(first * q)], -1)
