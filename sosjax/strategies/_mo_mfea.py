"""MO-MFEA (Gupta, Ong, Feng, Tan, 2017, doi 10.1109/TCYB.2016.2554622), as an evosax algorithm."""

from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from evosax.algorithms.population_based.base import PopulationBasedAlgorithm
from flax import struct

from .._errors import require, require_number
from .._tree import concatenate, take
from .._types import Array, Float, Key
from ._multifactorial import assortative_mating, ranks, tournament


@struct.dataclass
class State:
    """What the strategy remembers; rows are sorted by task.

    Attributes:
      population: flat genotypes [P, D].
      fitness: their costs [P, K], minimised.
      generation_counter: generations told.
    """

    population: Array
    fitness: Array
    generation_counter: Array


@struct.dataclass
class Params:
    """Numbers that may change without a new compilation.

    Attributes:
      rmp: random mating probability between tasks, [T, T]; its diagonal is not read.
      crossover_eta: distribution index of SBX.
      mutation_eta: distribution index of polynomial mutation.
      mutation_rate: probability that a gene mutates.
    """

    rmp: Array
    crossover_eta: Array
    mutation_eta: Array
    mutation_rate: Array


@final
class MOMFEA(PopulationBasedAlgorithm):
    """One population, many tasks, many objectives; follows evosax's `init`, `ask`, `tell`.

    Individual i has the skill factor `skill_factors[i]`: it is only ever evaluated on that task.
    Each task has the same number of individuals and of children. Parents are chosen by binary
    tournaments within each task; the paper's tournaments over the whole population choose, in
    expectation, as many from each task, since scalar fitness is the same function of rank in all.

    `fitness` is an array [P, K] of minimised costs. Rows that are not finite rank last and never
    displace a finite one.

    >>> strategy = MOMFEA(8, {"x": jnp.zeros(3)}, tasks=2)
    >>> params, key = strategy.default_params, jax.random.key(0)
    >>> children = {"x": jax.random.uniform(key, (8, 3))}
    >>> def judge(genotypes, skill_factors):  # two objectives of each row's own task
    ...     distance = jnp.abs(genotypes["x"][:, 1:] - skill_factors[:, None]).sum(-1)
    ...     return jnp.stack([genotypes["x"][:, 0] + distance, 1 - genotypes["x"][:, 0]], -1)
    >>> state = strategy.init(key, children, judge(children, strategy.skill_factors), params)
    >>> for step in range(3):
    ...     ask_key, tell_key = jax.random.split(jax.random.fold_in(key, step))
    ...     children, state = strategy.ask(ask_key, state, params)
    ...     costs = judge(children, strategy.skill_factors)
    ...     state, metrics = strategy.tell(tell_key, children, costs, state, params)
    >>> state.population.shape, int(metrics["generation_counter"])
    ((8, 3), 3)

    Attributes:
      tasks: the number of tasks, T.
      skill_factors: the task of every individual, int32 [P].
    """

    def __init__(self, population_size: int, solution: Any, tasks: int = 1) -> None:
        """Fix the shapes.

        Args:
          population_size: individuals over all tasks, P: an even multiple of `tasks`.
          solution: a genotype of any pytree structure, with genes in [0, 1].
          tasks: the number of tasks.

        Raises:
          InputError: the population cannot be shared out evenly, or holds fewer than two for a
            task.
        """
        require_number("tasks", tasks, 1, whole=True)
        require_number("population_size", population_size, 0, whole=True)
        require(
            population_size >= 2 * tasks
            and population_size % tasks == 0
            and population_size % 2 == 0,
            f"`population_size` must be an even multiple of {tasks} tasks with at least 2 for "
            f"each, got {population_size}.",
        )
        super().__init__(population_size, solution, metrics_fn=_metrics)
        self.tasks = tasks
        self.skill_factors = jnp.repeat(
            jnp.arange(tasks, dtype=jnp.int32), population_size // tasks
        )

    @property
    def _default_params(self) -> Params:
        """The paper's numbers, and one mutated gene for each child in expectation."""
        return Params(
            rmp=jnp.full((self.tasks, self.tasks), 0.4),
            crossover_eta=jnp.asarray(10.0),
            mutation_eta=jnp.asarray(10.0),
            mutation_rate=jnp.asarray(1.0 / self.num_dims),
        )

    @partial(jax.jit, static_argnames=("self",))
    def init(
        self, key: Key[Array, ""], population: Any, fitness: Float[Array, "P K"], params: Params
    ) -> State:
        """Start from an evaluated population whose rows are sorted by task.

        Args:
          key: not used; evosax's contract has it.
          population: P genotypes, each leaf with a leading axis P.
          fitness: their costs.
          params: as `default_params`.
        """
        del key, params
        return State(
            population=jax.vmap(self._ravel_solution)(population),
            fitness=fitness,
            generation_counter=jnp.zeros((), jnp.int32),
        )

    def _ask(self, key: Key[Array, ""], state: State, params: Params) -> tuple[Array, State]:
        select_key, mate_key = jax.random.split(key)
        rank = jax.vmap(ranks)(self._by_task(state.fitness))
        chosen = jax.vmap(tournament)(jax.random.split(select_key, self.tasks), rank)
        parents = jax.vmap(take)(self._by_task(state.population), chosen)
        children = assortative_mating(
            mate_key,
            parents.reshape(state.population.shape),
            self.skill_factors,
            params.rmp,
            params.crossover_eta,
            params.mutation_eta,
            params.mutation_rate,
        )
        return children, state

    @partial(jax.jit, static_argnames=("self",))
    def tell(
        self,
        key: Key[Array, ""],
        population: Any,
        fitness: Float[Array, "P K"],
        state: State,
        params: Params,
    ) -> tuple[State, dict[str, Array]]:
        """Keep the best of parents and children, for each task by itself.

        Args:
          key: handed to the metrics.
          population: the children that `ask` gave.
          fitness: their costs.
          state: the state that `ask` gave.
          params: as `default_params`.

        Returns:
          The next state, and metrics.
        """
        children = jax.vmap(self._ravel_solution)(population)

        def survive(parents: Any, offspring: Any) -> Any:
            united = concatenate(parents, offspring)
            return take(united, jnp.argsort(ranks(united[1]))[: len(parents[1])])

        kept = jax.vmap(survive)(
            jax.tree.map(self._by_task, (state.population, state.fitness)),
            jax.tree.map(self._by_task, (children, fitness)),
        )
        rows, costs = jax.tree.map(lambda leaf: leaf.reshape(-1, leaf.shape[-1]), kept)
        state = State(rows, costs, state.generation_counter + 1)
        return state, self.metrics_fn(key, children, fitness, state, params)

    def get_best_solution(self, state: Any) -> Any:
        """Refuse: there is no one best of several objectives; see `get_population`.

        Raises:
          NotImplementedError: always.
        """
        raise NotImplementedError("MOMFEA has no one best solution: take a front of the population")

    def _by_task(self, rows: Array) -> Array:
        return rows.reshape(self.tasks, -1, *rows.shape[1:])


def _metrics(key: Any, population: Any, fitness: Any, state: State, params: Any) -> dict[str, Any]:
    del key, population, params
    return {
        "generation_counter": state.generation_counter,
        "finite_children": jnp.isfinite(fitness).all(-1).sum(),
    }
