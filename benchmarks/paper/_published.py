"""The search as published: a gene for each quarter of a filter, weights and moments as they are.

A gene switches off a quarter of the weights of one filter, those over a quarter of its input
channels. All convolutions but the stem have such genes: 18,944 in a ResNet-18 (the paper's number,
which fits this reading and no other that we found). Nothing can be removed by it: what counts as
the size is the number of parameters that are not switched off.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sosjax._tree import named_leaves, with_leaves
from sosjax.fitness._batch import TaskBatch
from sosjax.fitness._error import error_rate
from sosjax.pareto import log_hypervolume
from sosjax.space._encoding import Bits
from sosjax.strategies import MOMFEA

PARTS = 4
STEM = "stem/kernel"
SIDE_BY_SIDE = 256
"""Images that go through the network at once."""


@dataclass(frozen=True)
class Quarters:
    """What the genes of one network mean.

    Attributes:
      apply: `apply(params, images)`, the network's logits.
      shapes: of the kernels that have genes, by their path: [height, width, inputs, filters].
    """

    apply: Callable[..., Any]
    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def genes(self) -> int:
        """The number of genes: four for each filter."""
        return sum(PARTS * shape[-1] for _, shape in self.shapes)

    @property
    def weights(self) -> int:
        """The number of weights that the genes switch."""
        return sum(int(np.prod(shape)) for _, shape in self.shapes)

    def masked(self, params: Any, bits: jax.Array) -> Any:
        """Return the parameters with zeros where a gene of bits [D] is off."""
        leaves = named_leaves(params)
        changed = {
            path: leaves[path] * mask.astype(leaves[path].dtype) for path, mask in self._masks(bits)
        }
        return with_leaves(params, leaves | changed)

    def left(self, bits: jax.Array) -> jax.Array:
        """Return how many weights the genes of bits [D] leave on."""
        counts = [
            mask.sum() * int(np.prod(shape[:2]))
            for (_, mask), (_, shape) in zip(self._masks(bits), self.shapes, strict=True)
        ]
        return jnp.stack(counts).sum()

    def _masks(self, bits: jax.Array) -> list[tuple[str, jax.Array]]:
        """Return a mask [inputs, filters] for each kernel."""
        masks, start = [], 0
        for path, (_, _, inputs, filters) in self.shapes:
            own = bits[start : start + PARTS * filters].reshape(PARTS, filters)
            masks.append((path, own[np.arange(inputs) * PARTS // inputs]))
            start += PARTS * filters
        return masks


def quarters_of(apply: Callable[..., Any], params: Any) -> Quarters:
    """Find the kernels that have genes: of all convolutions but the stem."""
    kernels = {
        path: leaf.shape
        for path, leaf in named_leaves(params).items()
        if leaf.ndim == 4 and path != STEM
    }
    return Quarters(apply, tuple(kernels.items()))


def error(quarters: Quarters, params: Any, task: TaskBatch, bits: jax.Array) -> jax.Array:
    """Return the error of bits [D] on a task, by the Jack's own rows for its classes."""
    masked = quarters.masked(params, bits)

    def one(image: jax.Array) -> jax.Array:
        return quarters.apply(masked, image[None])[0]

    if len(task.inputs) <= SIDE_BY_SIDE:
        logits = quarters.apply(masked, task.inputs)
    else:
        logits = jax.lax.map(one, task.inputs, batch_size=SIDE_BY_SIDE)
    return error_rate(logits[:, task.classes], task.targets, task.valid, task.real)


@partial(jax.jit, static_argnums=0)
def errors(quarters: Quarters, params: Any, task: TaskBatch, rows: jax.Array) -> jax.Array:
    """Return the errors [M] of rows of bits [M, D] on a task."""
    return jax.lax.map(partial(error, quarters, params, task), rows)


@dataclass(frozen=True)
class Evolution:
    """What is searched and how, compiled as one program.

    Attributes:
      quarters: what the genes mean.
      population: individuals for each task.
      generations: how often children follow the first population.
      low: lowest share of genes that are on in the first population.
      high: highest share.
      lanes: candidates side by side; `None`: one after the other.
    """

    quarters: Quarters
    population: int
    generations: int
    low: float = 0.0
    high: float = 1.0
    lanes: int | None = None

    @partial(jax.jit, static_argnums=0)
    def run(
        self, key: jax.Array, params: Any, batch: TaskBatch, dense: jax.Array, rmp: float
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Search from the first population to the last by MO-MFEA.

        Args:
          key: random key.
          params: the Jack's.
          batch: search data of T tasks.
          dense: parameters of the Jack with the head of each task, [T].
          rmp: random mating probability.

        Returns:
          The last population bool [T, N, D], its error and parameters [T, N, 2], and the
          hypervolume at every generation [G + 1, T].
        """
        genes, tasks = self.quarters.genes, len(batch.inputs)
        strategy = MOMFEA(tasks * self.population, jnp.zeros(genes, bool), tasks=tasks)
        numbers = replace(strategy.default_params, rmp=jnp.full((tasks, tasks), rmp))
        first_key, start_key, key = jax.random.split(key, 3)
        densities = Bits((genes,)).sample(first_key, strategy.population_size, self.low, self.high)
        population = densities >= 0.5
        judge = partial(self._costs, params, batch, dense)
        state = strategy.init(start_key, population, judge(population), numbers)

        def volumes(fitness: jax.Array) -> jax.Array:
            plain = jnp.stack([fitness[:, 0], 10 ** fitness[:, 1]], -1)
            return jax.vmap(log_hypervolume)(plain.reshape(tasks, -1, 2), dense[:, None])

        def generation(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            ask_key, tell_key = jax.random.split(key)
            children, state = strategy.ask(ask_key, state, numbers)
            state, _ = strategy.tell(tell_key, children, judge(children), state, numbers)
            return state, volumes(state.fitness)

        start = volumes(state.fitness)[None]
        state, rest = jax.lax.scan(generation, state, jax.random.split(key, self.generations))
        bits = strategy.get_population(state).reshape(tasks, -1, genes)
        costs = jnp.stack([state.fitness[:, 0], 10 ** state.fitness[:, 1]], -1)
        return bits, costs.reshape(tasks, -1, 2), jnp.concatenate([start, rest])

    def _costs(
        self, params: Any, batch: TaskBatch, dense: jax.Array, population: jax.Array
    ) -> jax.Array:
        """Return error and log10 of the parameters of a population [P, D], [P, 2]."""

        def one_task(row: Any) -> jax.Array:
            task, whole, rows = row

            def one(bits: jax.Array) -> jax.Array:
                left = whole - self.quarters.weights + self.quarters.left(bits)
                return jnp.stack([error(self.quarters, params, task, bits), jnp.log10(left)])

            return jax.lax.map(one, rows, batch_size=self.lanes)

        rows = population.reshape(len(batch.inputs), -1, population.shape[-1])
        return jax.lax.map(one_task, (batch, dense, rows)).reshape(-1, 2)
