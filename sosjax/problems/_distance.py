"""Distance functions: how far the distance variables are from the optimum, and how ruggedly.

Each maps z [..., n] to [...], is zero at its optimum and positive elsewhere, and follows the dtype
of z. The optimum is z = 0, except for `rosenbrock` where it is z = 1.
"""

import math

import jax.numpy as jnp
import numpy as np

from .._types import Array, Float

# sin(pi r) for |r| <= 1/2 by its Taylor series; the remainder is below float64's rounding.
_SINE = [(-1) ** i * math.pi ** (2 * i + 1) / math.factorial(2 * i + 1) for i in range(10)]


def sphere(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return the sum of squares."""
    return (z * z).sum(-1)


def mean(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return nine times the mean absolute value."""
    return 9 * jnp.abs(z).mean(-1)


def rosenbrock(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return the curved valley of Rosenbrock, whose optimum is z = 1."""
    here, after = z[..., :-1], z[..., 1:]
    bend, left = here * here - after, 1 - here
    return (100 * bend * bend + left * left).sum(-1)


def bracketed_rosenbrock(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return `rosenbrock` with 100 times its second term too: a misplaced bracket, published."""
    here, after = z[..., :-1], z[..., 1:]
    bend, left = here * here - after, 1 - here
    return (100 * (bend * bend + left * left)).sum(-1)


def rastrigin(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return the sum of z^2 - 10 cos(2 pi z) + 10."""
    return (z * z + 20 * _sine_squared(z)).sum(-1)


def ackley(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return 20 + e - 20 exp(-0.2 sqrt(mean z^2)) - exp(mean cos(2 pi z))."""
    funnel = -20 * jnp.expm1(-0.2 * jnp.sqrt((z * z).mean(-1)))
    return funnel - math.e * jnp.expm1(-2 * _sine_squared(z).mean(-1))


def griewank(z: Float[Array, "*rows n"]) -> Float[Array, "*rows"]:
    """Return 1 + sum z^2 / 4000 - prod cos(z_i / sqrt(i)), i from 1."""
    turns = z * jnp.asarray(0.5 / (math.pi * np.sqrt(np.arange(1, z.shape[-1] + 1))), z.dtype)
    return 1 + (z * z).sum(-1) / 4000 - (1 - 2 * _sine_squared(turns)).prod(-1)


def _sine_squared(turns: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return sin(pi turns)^2.

    1 - cos(2 pi turns) is twice this; written so, nothing cancels near the optimum. A polynomial
    after an exact reduction is many times faster on a CPU than its sine, and no less accurate.
    """
    rest = turns - jnp.round(turns)
    square = rest * rest
    series = jnp.full_like(rest, _SINE[-1])
    for coefficient in reversed(_SINE[:-1]):
        series = series * square + coefficient
    return square * series * series
