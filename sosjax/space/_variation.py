"""Variation of genes in [0, 1]: pure functions of a key, one random word for a gene."""

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Float, Key

Levels = np.ndarray
"""How many values each gene can take, int [D]; 0 for a real one."""


def sbx(
    key: Key[Array, ""],
    first: Float[Array, "*P D"],
    second: Float[Array, "*P D"],
    eta: float | Float[Array, ""],
) -> tuple[Float[Array, "*P D"], Float[Array, "*P D"]]:
    """Simulated binary crossover (Deb and Agrawal, 1995), children kept within [0, 1].

    Each gene is crossed with probability 1/2, and the two children exchange a gene with
    probability 1/2, so that neither child is nearer to one parent by position.

    Args:
      key: random key.
      first: one parent for each pair.
      second: the other.
      eta: distribution index; larger keeps children nearer to their parents.
    """
    words = jax.random.bits(key, first.shape, jnp.uint32)
    crossed, swapped = (words & 1) == 1, (words & 2) == 2
    u = ((words >> 8).astype(jnp.float32) + 0.5) * 2.0**-24
    contracted = (2 * jnp.minimum(u, 1 - u)) ** (1 / (eta + 1))
    beta = jnp.where(u < 0.5, contracted, 1 / contracted)
    half = jnp.where(crossed, beta, 1.0) * (first - second) / 2
    half = jnp.where(swapped, half, -half)
    middle = (first + second) / 2
    one, two = jnp.clip(middle + half, 0, 1), jnp.clip(middle - half, 0, 1)
    return one.astype(first.dtype), two.astype(first.dtype)


def polynomial_mutation(
    key: Key[Array, ""],
    genotypes: Float[Array, "*P D"],
    eta: float | Float[Array, ""],
    rate: float | Float[Array, "..."],
    levels: Levels | None = None,
) -> Float[Array, "*P D"]:
    """Bounded polynomial mutation on [0, 1] (Deb and Deb, 2014, doi 10.1504/IJAISC.2014.059280).

    A gene of few values that a step would leave at its value goes to a neighbouring one instead:
    a bit that mutates is flipped.

    Args:
      key: random key.
      genotypes: the rows to mutate.
      eta: distribution index; larger makes smaller steps.
      rate: probability that a gene mutates; broadcasts against the rows.
      levels: how many values each gene can take; none given: all are real.
    """
    w = jax.random.bits(key, genotypes.shape, jnp.uint32).astype(jnp.float32) * 2.0**-32
    chosen = w < rate
    # Below the rate the same word is a uniform number again.
    u = w / jnp.maximum(rate, 1e-30)
    down = u < 0.5
    room = jnp.where(down, 1 - genotypes, genotypes)
    v = jnp.minimum(u, 1 - u)
    reach = (2 * v + (1 - 2 * v) * room ** (eta + 1)) ** (1 / (eta + 1))
    mutants = jnp.clip(genotypes + jnp.where(down, reach - 1, 1 - reach), 0, 1)
    if levels is not None and levels.any():
        mutants = jnp.where(levels > 0, _another(genotypes, mutants, down, levels), mutants)
    return jnp.where(chosen, mutants, genotypes).astype(genotypes.dtype)


def snap(genotypes: Float[Array, "*P D"], levels: Levels) -> Float[Array, "*P D"]:
    """Move genes of few values to the middle of their value's interval; leave real ones."""
    if not levels.any():
        return genotypes
    middle = (level(genotypes, levels) + 0.5) / np.maximum(levels, 1)
    return jnp.where(levels > 0, middle, genotypes).astype(genotypes.dtype)


def level(genotypes: Float[Array, "*P D"], levels: Levels) -> Float[Array, "*P D"]:
    """Return which of its values, from 0, each gene of few values has; 0 for a real one."""
    most = np.maximum(levels - 1, 0).astype(np.float32)
    return jnp.clip(jnp.floor(genotypes * levels.astype(np.float32)), 0, most)


def _another(genotypes: Array, mutants: Array, down: Array, levels: Levels) -> Array:
    """Return the mutants' values, or a neighbouring one where a value did not change."""
    old, new = level(genotypes, levels), level(mutants, levels)
    most = np.maximum(levels - 1, 0).astype(np.float32)
    step = jnp.where((down & (old > 0)) | (old == most), -1.0, 1.0)
    new = jnp.where(new == old, jnp.clip(old + step, 0, most), new)
    return (new + 0.5) / np.maximum(levels, 1).astype(np.float32)
