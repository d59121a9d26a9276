"""What multifactorial strategies share: scalar fitness within tasks, and assortative mating."""

import jax
import jax.numpy as jnp

from .._types import Array, Float, Int, Key
from ..pareto._crowding import crowding_distance
from ..pareto._dominance import fronts
from ..space._variation import polynomial_mutation, sbx


def ranks(costs: Float[Array, "P K"]) -> Int[Array, " P"]:
    """Return the place of each row within its task, 0 for the best.

    By the number of its front, then by crowding distance, then by index. The scalar fitness of
    multifactorial optimisation is 1 / (rank + 1).
    """
    front = fronts(costs)
    distance = crowding_distance(costs, front)
    order = jnp.lexsort((-distance, front))
    return jnp.zeros(len(costs), jnp.int32).at[order].set(jnp.arange(len(costs), dtype=jnp.int32))


def tournament(key: Key[Array, ""], rank: Int[Array, " N"]) -> Int[Array, " N"]:
    """Choose N parents by binary tournaments of two different individuals; the lower rank wins."""
    count = len(rank)
    first_key, other_key = jax.random.split(key)
    first = jax.random.randint(first_key, (count,), 0, count)
    step = jax.random.randint(other_key, (count,), 1, max(count, 2))
    other = (first + step) % count
    return jnp.where(rank[first] <= rank[other], first, other)


def assortative_mating(
    key: Key[Array, ""],
    parents: Float[Array, "P D"],
    task: Int[Array, " P"],
    rmp: Float[Array, "T T"],
    crossover_eta: Float[Array, ""],
    mutation_eta: Float[Array, ""],
    mutation_rate: Float[Array, ""],
) -> Float[Array, "P D"]:
    """Return one child in the place, and of the task, of every parent.

    Parents are paired at random over all tasks. A pair of one task, or of two with the probability
    of their entry in `rmp`, is crossed and its children mutated; of a refused pair each child is
    its parent, mutated. Where a pair of two tasks is crossed, one child takes each task, so that
    every task has as many children as parents: fixed shapes, and vertical cultural transmission
    (Gupta, Ong, Feng, 2016, doi 10.1109/TEVC.2015.2458037).
    """
    pair_key, mate_key, cross_key, mutate_key = jax.random.split(key, 4)
    order = jax.random.permutation(pair_key, len(parents))
    one, two = order[0::2], order[1::2]
    probability = jnp.where(task[one] == task[two], 1.0, rmp[task[one], task[two]])
    mates = jax.random.uniform(mate_key, one.shape) < probability
    crossed = sbx(cross_key, parents[one], parents[two], crossover_eta)
    children = jnp.zeros_like(parents)
    for rows, child in zip((one, two), crossed, strict=True):
        children = children.at[rows].set(jnp.where(mates[:, None], child, parents[rows]))
    return polynomial_mutation(mutate_key, children, mutation_eta, mutation_rate)
