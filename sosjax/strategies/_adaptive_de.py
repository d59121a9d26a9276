"""Self-adaptive multitask differential evolution with a thinned front: this project's own.

It builds on MTDE-MKTA (Li, Gong, Li, 2024), a differential evolution of many tasks whose rates,
transfer among them, are carried and inherited by the individuals.
"""

from dataclasses import dataclass, replace
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from .._types import Array, Float, Int, Key
from ..space._variation import polynomial_mutation
from ._rank import thinned_order
from ._strategy import AbstractStrategy

STEP = 0.1
"""Standard deviation by which a trait differs from the parent's."""

MODEL_MEMORY = 0.5
"""Share of a task's old mean and spread that is kept in a generation."""


@struct.dataclass
class Params:
    """Numbers that may change without a new compilation.

    Attributes:
      transfer: factor on every individual's own transfer rate, in [0, 1]; 0 separates the tasks.
      proportional_rate: share of children that are made by a proportional step.
      trait_rate: probability that a child draws its scale factor, or its crossover rate, anew.
      transfer_trait_rate: the same for its transfer rate and its kind of transfer.
      mutation_eta: distribution index of polynomial mutation.
      mutation_rate: probability that a gene mutates after all else.
    """

    transfer: Array | float
    proportional_rate: Array | float
    trait_rate: Array | float
    transfer_trait_rate: Array | float
    mutation_eta: Array | float
    mutation_rate: Array | float


@struct.dataclass
class Traits:
    """What an individual carries beside its genes, each [T, N, 1].

    Attributes:
      scale: scale factor F of the difference vector, in [0.2, 1.2].
      crossover: share of genes that are taken from the mutant, in [0, 1].
      transfer: how often another task's individual takes part, in [0, 1].
      kind: above 1/2 it takes part as it is, else moved to this task's distribution; a circle
        [0, 1).
    """

    scale: Array
    crossover: Array
    transfer: Array
    kind: Array


@struct.dataclass
class Memory:
    """What the strategy keeps beside the population.

    Attributes:
      traits: of the individuals.
      asked: of the children that are being evaluated.
      mean: running mean of every task's genes, [T, D].
      spread: running standard deviation, [T, D].
    """

    traits: Traits
    asked: Traits
    mean: Array
    spread: Array


@final
@dataclass(frozen=True, eq=False)
class AdaptiveDE(AbstractStrategy):
    """Differential evolution for many tasks that learns its own rates, transfer among them.

    A child is `x1 + F (x2 - x3)`, crossed with its parent, with `x1` and `x2` drawn by rank from
    its task. Its scale factor, its crossover rate, how often another task's individual stands in
    for `x2`, and whether as it is or moved to this task's distribution, are the parent's,
    disturbed: what survives has good rates, and where transfer does not help it dies out.

    What is new against MTDE-MKTA: the front is thinned to the rows that cover it best (`thin`),
    which spaces them evenly and keeps the pressure on while nobody dominates anybody; and a few
    children are made by a *proportional step*: all genes of an individual are drawn together
    towards 0 or 1, or away, by one factor. Among keep ratios that is the whole network getting
    thinner or wider.

    >>> strategy = AdaptiveDE(40, jnp.zeros(5), tasks=2)
    >>> params, key = strategy.default_params, jax.random.key(0)
    >>> def judge(x):  # the tasks' optimal distance genes differ
    ...     distance = jnp.abs(x[:, 1:] - 0.3 - 0.4 * strategy.skill_factors[:, None]).sum(-1)
    ...     return jnp.stack([x[:, 0] + distance, 1 - x[:, 0] + distance], -1)
    >>> population = strategy.sample(key)
    >>> state = strategy.init(key, population, judge(population), params)
    >>> for step in range(60):
    ...     ask_key, tell_key = jax.random.split(jax.random.fold_in(key, step))
    ...     children, state = strategy.ask(ask_key, state, params)
    ...     state, metrics = strategy.tell(tell_key, children, judge(children), state, params)
    >>> bool((state.fitness.sum(-1) < 1.2).all())
    True
    """

    @property
    def default_params(self) -> Params:
        """Full transfer, a twentieth of proportional steps, and the rates of MTDE-MKTA."""
        return Params(
            transfer=jnp.asarray(1.0),
            proportional_rate=jnp.asarray(0.05),
            trait_rate=jnp.asarray(0.2),
            transfer_trait_rate=jnp.asarray(0.1),
            mutation_eta=jnp.asarray(20.0),
            mutation_rate=jnp.asarray(0.0),
        )

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return thinned_order(costs, keep)

    def _start(self, key: Key[Array, ""], population: Float[Array, "T N D"]) -> Memory:
        scale, crossover, transfer, kind = jax.random.uniform(key, (4, *population.shape[:2], 1))
        traits = Traits(scale + 0.2, crossover, transfer, kind)
        return Memory(traits, traits, population.mean(1), population.std(1))

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Memory, params: Params
    ) -> tuple[Float[Array, "T N D"], Memory]:
        trait_key, pick_key, help_key, cross_key, step_key, mutate_key = jax.random.split(key, 6)
        traits = _inherited(trait_key, memory.traits, params)
        mean = _running(memory.mean, population.mean(1))
        spread = _running(memory.spread, population.std(1))
        best, guide, other = _picked(pick_key, population)
        if self.tasks > 1:
            helper, helped = _helper(help_key, population, mean, spread, traits, params.transfer)
            guide = jnp.where(helped, helper, guide)
            lead = jnp.where(helped, helper, best)
        else:
            lead = best
        mutants = best + traits.scale * (guide - other)
        children = _crossed(cross_key, population, mutants, traits.crossover)
        children = _proportional(step_key, children, lead, params.proportional_rate)
        eta, rate = params.mutation_eta, params.mutation_rate
        children = polynomial_mutation(mutate_key, children, eta, rate, self.genotype.levels)
        return children, Memory(memory.traits, traits, mean, spread)

    def _kept(self, memory: Memory, rows: Int[Array, "T N"], params: Params) -> Memory:
        del params

        def survivors(own: Array, asked: Array) -> Array:
            return jnp.take_along_axis(jnp.concatenate([own, asked], 1), rows[..., None], 1)

        traits = jax.tree.map(survivors, memory.traits, memory.asked)
        return replace(memory, traits=traits)

    def _shown(self, memory: Memory) -> dict[str, Array]:
        traits = memory.traits
        return {
            "scale": traits.scale.mean((1, 2)),
            "crossover": traits.crossover.mean((1, 2)),
            "transfer": traits.transfer.mean((1, 2)),
        }


def _running(old: Array, new: Array) -> Array:
    return MODEL_MEMORY * old + (1 - MODEL_MEMORY) * new


def _inherited(key: Key[Array, ""], parents: Traits, params: Params) -> Traits:
    """Return the children's traits: their parents', disturbed and now and then drawn anew."""
    noise_key, renew_key, draw_key = jax.random.split(key, 3)
    shape = (4, *parents.scale.shape)
    noise = STEP * jax.random.normal(noise_key, shape)
    fresh = jax.random.uniform(draw_key, shape)
    rates = jnp.stack([params.trait_rate] * 2 + [params.transfer_trait_rate] * 2)
    renewed = jax.random.uniform(renew_key, shape) < rates.reshape(4, 1, 1, 1)
    return Traits(
        scale=jnp.where(renewed[0], fresh[0] + 0.2, jnp.clip(parents.scale + noise[0], 0.2, 1.2)),
        crossover=jnp.where(renewed[1], fresh[1], jnp.clip(parents.crossover + noise[1], 0, 1)),
        transfer=jnp.where(renewed[2], fresh[2], jnp.clip(parents.transfer + noise[2], 0, 1)),
        kind=jnp.where(renewed[3], fresh[3], (parents.kind + noise[3]) % 1.0),
    )


def _picked(key: Key[Array, ""], population: Float[Array, "T N D"]) -> list[Array]:
    """Return for every parent two rows of its task, better ones more often, and a third, any."""
    tasks, count, _ = population.shape
    draws = jax.random.uniform(key, (3, tasks, count))
    # The chance of rank r is proportional to count - r.
    draws = draws.at[:2].set(1 - jnp.sqrt(1 - draws[:2]))
    rows = jnp.minimum((draws * count).astype(jnp.int32), count - 1)
    return [jnp.take_along_axis(population, one[..., None], 1) for one in rows]


def _helper(
    key: Key[Array, ""],
    population: Float[Array, "T N D"],
    mean: Float[Array, "T D"],
    spread: Float[Array, "T D"],
    traits: Traits,
    transfer: Array | float,
) -> tuple[Float[Array, "T N D"], Array]:
    """Return an individual of another task for every parent, and which parents take it."""
    tasks, count, _ = population.shape
    draws = jax.random.uniform(key, (3, tasks, count))
    step = 1 + (draws[0] * (tasks - 1)).astype(jnp.int32)
    task = (np.arange(tasks, dtype=np.int32)[:, None] + step) % tasks
    row = jnp.minimum((draws[1] * count).astype(jnp.int32), count - 1)
    there = population[task, row]
    relative = (there - mean[task]) / jnp.maximum(spread[task], 1e-20)
    moved = jnp.clip(mean[:, None] + spread[:, None] * relative, 0, 1)
    helped = draws[2][..., None] < traits.transfer * transfer
    return jnp.where(traits.kind > 0.5, there, moved), helped


def _crossed(
    key: Key[Array, ""],
    parents: Float[Array, "T N D"],
    mutants: Float[Array, "T N D"],
    rate: Float[Array, "T N 1"],
) -> Float[Array, "T N D"]:
    """Return binomial crossovers: each gene with that rate, one at least, from the mutant."""
    share_key, one_key = jax.random.split(key)
    genes = parents.shape[-1]
    one = jax.random.randint(one_key, (*parents.shape[:2], 1), 0, genes)
    taken = (jax.random.uniform(share_key, parents.shape) < rate) | (np.arange(genes) == one)
    return jnp.clip(jnp.where(taken, mutants, parents), 0, 1)


def _proportional(
    key: Key[Array, ""],
    children: Float[Array, "T N D"],
    lead: Float[Array, "T N D"],
    rate: Array | float,
) -> Float[Array, "T N D"]:
    """Replace some children by all genes of a lead drawn to one end of [0, 1], or away from it.

    The distance from the end is multiplied by one number for all genes, uniform in [0, 2].
    """
    chosen, end, factor = jax.random.uniform(key, (3, *children.shape[:2], 1))
    factor = 2 * factor
    steps = jnp.where(end < 0.5, factor * lead, 1 - factor * (1 - lead))
    return jnp.where(chosen < rate, jnp.clip(steps, 0, 1), children)
