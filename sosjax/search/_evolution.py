"""Generations as pure functions of states, traced once for all searches that ask the same."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._kernel import OBJECTIVES, Kernel
from ..fitness._placement import population_mesh, spread
from ..pareto._indicators import log_hypervolume
from ..space._encoding import AbstractEncoding
from ..strategies import AbstractStrategy
from ..strategies._rank import pareto_order
from ..strategies._strategy import State
from ._problem import Problem
from ._settings import Settings
from ._strategies import make_strategy
from ._uniform import uniform_genotypes

if TYPE_CHECKING:
    from ..strategies import Decomposition


class Progressed(NamedTuple):
    """All that a resumed search needs.

    Attributes:
      strategy: the strategy's state.
      rankings: of the problem: for each group places [T, size], or scores [T, R, size].
      generation: generations done, the initial population counted as one.
      known: genotypes that the initial population of every task holds, [N, D].
    """

    strategy: State
    rankings: list[Array]
    generation: Array
    known: Array


@final
@dataclass(frozen=True)
class Evolution:
    """How generations follow each other.

    Those that differ in seed, examples or number of generations are equal, so that JAX traces and
    compiles one program for all of them.

    Attributes:
      kernel: judges.
      settings: of the search; seed and number of generations are left at zero.
      dense: the whole network's costs among the objectives, for each task.
    """

    kernel: Kernel
    settings: Settings
    dense: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, problem: Problem) -> "Evolution":
        """Return how a problem's generations follow each other."""
        settings, kernel = replace(problem.settings, seed=0, generations=0), problem.kernel
        if settings.precision == "bfloat16":
            kernel = replace(kernel, graph=kernel.graph.halved)
        return cls(kernel, settings, tuple(map(tuple, problem.dense.tolist())))

    @property
    def encoding(self) -> AbstractEncoding:
        """What a genotype means."""
        return self.kernel.encoding

    @cached_property
    def _strategy(self) -> "tuple[AbstractStrategy | Decomposition, Any]":
        """The strategy and its parameters."""
        tasks, genes = len(self.dense), self.encoding.dimensions
        return make_strategy(self.settings, tasks, genes, self._sample)

    def start(
        self, rankings: list[Array], seed: int, known: np.ndarray | None = None
    ) -> Progressed:
        """Return the state before the first generation, in which nothing has been evaluated."""
        rows, objectives = self.settings.population * len(self.dense), len(self.settings.objectives)
        strategy, numbers = self._strategy
        nothing = strategy.init(
            jax.random.key(seed),
            jnp.zeros((rows, self.encoding.dimensions)),
            jnp.full((rows, objectives), jnp.inf),
            numbers,
        )
        first = jnp.zeros((0, self.encoding.dimensions)) if known is None else jnp.asarray(known)
        return Progressed(nothing, rankings, jnp.zeros((), jnp.int32), first)

    def steps(
        self, params: Any, batch: TaskBatch, key: Array, last: Array, state: Progressed
    ) -> tuple[Progressed, Array]:
        """Run up to `checkpoint_every` generations.

        Args:
          params: of the network.
          batch: the search examples.
          key: of the search.
          last: no generation follows this one.
          state: as it is.

        Returns:
          The state after them, and the hypervolumes of each [generations, T].
        """

        def step(state: Progressed, _: None) -> tuple[Progressed, Array]:
            return jax.lax.cond(
                state.generation <= last,
                lambda: self._generation(params, batch, key, state),
                lambda: (state, jnp.zeros(len(self.dense))),
            )

        return jax.lax.scan(step, state, length=self.settings.checkpoint_every)

    advance = partial(jax.jit, static_argnums=0)(steps)
    """`steps`, compiled."""

    def judged(self, params: Any, batch: TaskBatch, rankings: list[Array], rows: Array) -> Array:
        """Judge genotypes [T, N, D] by looks at more and more examples, if that is asked.

        Returns:
          Their objectives [T, N, K]; infinite for those that do not come to the last look.
        """
        shape, tasks = rows.shape[:2], np.arange(len(rows))[:, None]
        places = jnp.broadcast_to(np.arange(shape[1]), shape)
        for images in self.settings.halving:
            seen = self.objectives(params, batch.first(images), rankings, rows)
            best = jax.vmap(partial(pareto_order, keep=-(-rows.shape[1] // 2)))(seen)
            rows, places = rows[tasks, best], places[tasks, best]
        found = self.objectives(params, batch, rankings, rows)
        nothing = jnp.full((*shape, found.shape[-1]), jnp.inf, found.dtype)
        return nothing.at[tasks, places].set(found)

    def objectives(
        self, params: Any, batch: TaskBatch, rankings: list[Array], rows: Array
    ) -> Array:
        """Judge genotypes [T, N, D]; return their objectives [T, N, K].

        Costs are in decades, so that crowding distance spreads a front evenly over them.
        """
        columns = np.array([OBJECTIVES.index(name) for name in self.settings.objectives])
        found = spread(self.kernel.costs, (params, batch, rankings), (rows,), population_mesh())
        chosen = found[..., columns]
        shares, costs = jnp.split(chosen, [self._judgements], -1)
        return jnp.concatenate([shares, jnp.log10(costs)], -1)

    @property
    def _judgements(self) -> int:
        return len(self.settings.objectives) - len(self.settings.costs)

    def _plain(self, objectives: Array) -> Array:
        """Return objectives [..., K] as the first share and costs that are no logarithms."""
        costs = 10 ** objectives[..., self._judgements :]
        return jnp.concatenate([objectives[..., :1], costs], -1)

    def _sample(self, key: Array, count: int) -> Array:
        return self.encoding.sample(key, count, self.settings.low, self.settings.high)

    def _first(self, key: Array, count: int, known: Array) -> Array:
        """Return the first genotypes of all tasks, each task's together; those known come first."""
        first, settings = self._sample(key, count), self.settings
        if settings.uniform:
            shares = uniform_genotypes(self.kernel, settings.uniform, settings.low, settings.high)
            known = jnp.concatenate([shares, known])
        rows = first.reshape(len(self.dense), -1, first.shape[-1])
        return rows.at[:, : len(known)].set(known).reshape(first.shape)

    def _generation(
        self, params: Any, batch: TaskBatch, key: Array, state: Progressed
    ) -> tuple[Progressed, Array]:
        key = jax.random.fold_in(key, state.generation)
        sample_key, ask_key, tell_key = jax.random.split(key, 3)
        strategy, numbers = self._strategy
        children, memory = strategy.ask(ask_key, state.strategy, numbers)
        first = self._first(sample_key, len(children), state.known)
        children = jnp.where(state.generation == 0, first, children)
        rows = children.reshape(len(self.dense), -1, children.shape[-1])
        fitness = self.judged(params, batch, state.rankings, rows).reshape(len(children), -1)
        memory = jax.lax.cond(
            state.generation == 0,
            lambda: strategy.init(tell_key, children, fitness, numbers),
            lambda: strategy.tell(tell_key, children, fitness, memory, numbers)[0],
        )
        front = memory.fitness.reshape(len(self.dense), -1, fitness.shape[-1])
        volumes = jax.vmap(log_hypervolume)(self._plain(front), jnp.asarray(self.dense))
        return state._replace(strategy=memory, generation=state.generation + 1), volumes
