"""Real-coded variation on [0, 1]: pure functions of a key."""

import jax
import jax.numpy as jnp

from .._types import Array, Float, Key


def sbx(
    key: Key[Array, ""],
    first: Float[Array, "P D"],
    second: Float[Array, "P D"],
    eta: float | Float[Array, ""],
) -> tuple[Float[Array, "P D"], Float[Array, "P D"]]:
    """Simulated binary crossover (Deb and Agrawal, 1995), children kept within [0, 1].

    Each gene is crossed with probability 1/2, and the two children exchange a gene with
    probability 1/2, so that neither child is nearer to one parent by position.

    Args:
      key: random key.
      first: one parent for each pair.
      second: the other.
      eta: distribution index; larger keeps children nearer to their parents.
    """
    spread_key, cross_key, swap_key = jax.random.split(key, 3)
    u = jax.random.uniform(spread_key, first.shape)
    power = 1 / (eta + 1)
    beta = jnp.where(u < 0.5, (2 * u) ** power, (1 / (2 * (1 - u))) ** power)
    beta = jnp.where(jax.random.bernoulli(cross_key, shape=first.shape), beta, 1.0)
    middle, half = (first + second) / 2, beta * (first - second) / 2
    half = jnp.where(jax.random.bernoulli(swap_key, shape=first.shape), half, -half)
    one, two = jnp.clip(middle + half, 0, 1), jnp.clip(middle - half, 0, 1)
    return one.astype(first.dtype), two.astype(first.dtype)


def polynomial_mutation(
    key: Key[Array, ""],
    genotypes: Float[Array, "P D"],
    eta: float | Float[Array, ""],
    rate: float | Float[Array, ""],
) -> Float[Array, "P D"]:
    """Bounded polynomial mutation on [0, 1] (Deb and Deb, 2014, doi 10.1504/IJAISC.2014.059280).

    Args:
      key: random key.
      genotypes: the rows to mutate.
      eta: distribution index; larger makes smaller steps.
      rate: probability that a gene mutates.
    """
    choose_key, step_key = jax.random.split(key)
    u = jax.random.uniform(step_key, genotypes.shape)
    power = 1 / (eta + 1)
    down = (2 * u + (1 - 2 * u) * (1 - genotypes) ** (eta + 1)) ** power - 1
    up = 1 - (2 * (1 - u) + (2 * u - 1) * genotypes ** (eta + 1)) ** power
    step = jnp.where(u < 0.5, down, up)
    chosen = jax.random.uniform(choose_key, genotypes.shape) < rate
    mutants = jnp.clip(genotypes + jnp.where(chosen, step, 0), 0, 1)
    return mutants.astype(genotypes.dtype)
