"""Learning the random mating probabilities of tasks from where their individuals are."""

import jax
import jax.numpy as jnp

from .._types import Array, Float

UNIFORM = 0.1
"""Share of uniform rows that a task's model takes in beside its individuals."""


def learn_rmp(
    population: Float[Array, "T N D"], sharpness: float | Float[Array, ""] = 1.0
) -> Float[Array, "T T"]:
    """Return how often tasks should mate: 1 where they look alike, near 0 where nothing does.

    As in MFEA-II (Bali et al., 2020, doi 10.1109/TEVC.2019.2906927) each task has a univariate
    normal model of every gene, fitted to its individuals and a tenth of uniform rows (here by their
    moments, without drawing them), and tasks mate as far as the other's model explains their own
    individuals. There the densities of all genes are multiplied, so that from some 50 genes on one
    model explains everything and the rmp is 0 or 1. Here the log-likelihood is averaged over
    genes, and the rmp is the share that the other's model has in an even mixture of the two: the
    first step of expectation maximisation, where theirs is its limit, which favours a task's own
    fit however small the difference.

    Args:
      population: individuals of each task in [0, 1].
      sharpness: weight of the average log-likelihood; larger tells tasks apart more strictly.

    Returns:
      A symmetric matrix with values in [0, 1] and ones on its diagonal; the work grows with T^2 D.

    >>> genes = jax.random.uniform(jax.random.key(0), (2, 100, 50)) * 0.1
    >>> alike, apart = genes, genes.at[1].add(0.8)
    >>> float(learn_rmp(alike)[0, 1]) > 0.9, float(learn_rmp(apart)[0, 1]) < 0.05
    (True, True)
    """
    mean, square = population.mean(1), (population**2).mean(1)
    # A uniform gene has mean 1/2 and mean square 1/3.
    centre = (mean + UNIFORM / 2) / (1 + UNIFORM)
    variance = (square + UNIFORM / 3) / (1 + UNIFORM) - centre**2
    own_variance = square - mean**2

    def explained(mean: Array, own_variance: Array) -> Array:
        """Return the log-likelihood of one task's individuals by each task's model, [T]."""
        error = (own_variance + (mean - centre) ** 2) / variance
        return -0.5 * (error + jnp.log(variance)).mean(-1)

    likelihood = jax.lax.map(lambda row: explained(*row), (mean, own_variance))
    evidence = likelihood - jnp.diagonal(likelihood)[:, None]
    share = jax.nn.sigmoid(sharpness * evidence)
    rmp = jnp.clip(share + share.T, 0, 1).astype(population.dtype)
    return jnp.where(jnp.eye(len(rmp), dtype=bool), 1, rmp)
