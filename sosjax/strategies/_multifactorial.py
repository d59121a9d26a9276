"""What multifactorial strategies share: tournaments, and assortative mating over tasks.

Populations are [T, N, D] with the rows of a task from its best to its worst, so that the index of a
row is its factorial rank. Scalar fitness, 1 / (rank + 1), is the same function of rank for every
task: tournaments within the tasks choose, in expectation, as many parents of each as tournaments
over the whole population do, and keep shapes fixed.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._types import Array, Bool, Float, Int, Key
from ..space._variation import Levels, polynomial_mutation, sbx
from ._params import Mating


def tournament(key: Key[Array, ""], shape: tuple[int, ...], count: int) -> Int[Array, "..."]:
    """Return winners of binary tournaments of two different rows out of `count` sorted ones."""
    draws = jax.random.uniform(key, (2, *shape))
    first = (draws[0] * count).astype(jnp.int32)
    step = (draws[1] * (count - 1)).astype(jnp.int32)
    return jnp.minimum(first, (first + 1 + step) % count)


def shuffled_pairs(
    key: Key[Array, ""], count: int
) -> tuple[Int[Array, " half"], Int[Array, " half"], Int[Array, " count"]]:
    """Pair `count` rows at random.

    Returns:
      The first and the second row of every pair, and for every row its place in
      `concatenate([first, second])`.
    """
    order = jax.random.permutation(key, count)
    place = jnp.zeros(count, jnp.int32).at[order].set(np.arange(count, dtype=np.int32))
    half = count // 2
    return order[:half], order[half:], place


def assortative_mating(
    key: Key[Array, ""],
    population: Float[Array, "T N D"],
    parents: Int[Array, "T N"],
    rmp: Array,
    params: Mating,
    levels: Levels | None = None,
) -> Float[Array, "T N D"]:
    """Return one child in the place, and of the task, of every parent.

    Parents are paired at random over all tasks. A pair of one task, or of two with the probability
    of their entry in `rmp`, is crossed and its children mutated; of a refused pair each child is
    its parent, mutated. Where a pair of two tasks is crossed, one child takes each task, so that
    every task has as many children as parents: fixed shapes, and vertical cultural transmission
    (Gupta, Ong, Feng, 2016, doi 10.1109/TEVC.2015.2458037).

    Args:
      key: random key.
      population: the genes.
      parents: which rows of each task are parents.
      rmp: random mating probability between tasks, [T, T]; its diagonal is not read.
      params: of crossover and mutation.
      levels: as in `polynomial_mutation`.

    Raises:
      InputError: `rmp` has another shape.
    """
    pair_key, mate_key, cross_key, mutate_key = jax.random.split(key, 4)
    tasks, count, genes = population.shape
    require(
        jnp.shape(rmp) == (tasks, tasks),
        f"`rmp` must have shape [{tasks}, {tasks}], got {list(jnp.shape(rmp))}.",
    )
    first, second, place = shuffled_pairs(pair_key, tasks * count)
    rows = (parents + np.arange(tasks, dtype=np.int32)[:, None] * count).reshape(-1)
    flat = population.reshape(-1, genes)
    one, two = flat[rows[first]], flat[rows[second]]
    mates = accepted(mate_key, first // count, second // count, rmp)[:, None]
    crossed = sbx(cross_key, one, two, params.crossover_eta)
    pairs = [jnp.where(mates, child, own) for child, own in zip(crossed, (one, two), strict=True)]
    rate = _rate(jnp.concatenate([mates, mates]), params)
    children = jnp.concatenate(pairs)
    children = polynomial_mutation(mutate_key, children, params.mutation_eta, rate, levels)
    return children[place].reshape(population.shape)


def accepted(
    key: Key[Array, ""],
    one: Int[Array, " M"],
    two: Int[Array, " M"],
    rmp: Float[Array, "T T"],
) -> Bool[Array, " M"]:
    """Return which pairs of tasks may mate: the same always, two with their probability."""
    return (one == two) | (jax.random.uniform(key, one.shape) < rmp[one, two])


def mating_within(
    key: Key[Array, ""],
    population: Float[Array, "T N D"],
    parents: Int[Array, "T N"],
    rmp: Float[Array, "T T"],
    params: Mating,
    levels: Levels | None = None,
) -> Float[Array, "T N D"]:
    """Return one crossed and mutated child in the place, and of the task, of every parent.

    As `assortative_mating`, but a refused parent mates with a random row of its own task (Bali et
    al., 2020, doi 10.1109/TEVC.2019.2906927).

    Args:
      key: random key.
      population: the genes.
      parents: which rows of each task are parents.
      rmp: random mating probability between tasks; its diagonal is not read.
      params: of crossover and mutation.
      levels: as in `polynomial_mutation`.
    """
    pair_key, mate_key, own_key, cross_key, mutate_key = jax.random.split(key, 5)
    tasks, count, genes = population.shape
    require(
        jnp.shape(rmp) == (tasks, tasks),
        f"`rmp` must have shape [{tasks}, {tasks}], got {list(jnp.shape(rmp))}.",
    )
    first, second, place = shuffled_pairs(pair_key, tasks * count)
    partner = jnp.concatenate([second, first])[place]
    mates = accepted(mate_key, first // count, second // count, rmp)
    mates = jnp.concatenate([mates, mates])[place]
    start = np.repeat(np.arange(tasks, dtype=np.int32) * count, count)
    step = (jax.random.uniform(own_key, (tasks * count,)) * (count - 1)).astype(jnp.int32)
    chosen = parents.reshape(-1)
    other = start + (chosen + 1 + step) % count
    other = jnp.where(mates, (start + chosen)[partner], other)
    flat = population.reshape(-1, genes)
    children, _ = sbx(cross_key, flat[start + chosen], flat[other], params.crossover_eta)
    rate = _rate(mates[:, None], params)
    children = polynomial_mutation(mutate_key, children, params.mutation_eta, rate, levels)
    return children.reshape(population.shape)


def _rate(mates: Bool[Array, "P 1"], params: Mating) -> Float[Array, "P 1"]:
    return jnp.where(mates, params.mated_mutation_rate, params.mutation_rate)
