"""The contract of a strategy: evosax's `init`, `ask` and `tell`, for many tasks and objectives."""

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from .._errors import require, require_number
from .._types import Array, Bool, Float, Int, Key
from ..pareto._dominance import nondominated
from ..space._genotype import Genotype
from ..space._variation import snap


@struct.dataclass
class State:
    """What a strategy remembers; every array follows the strategy's `skill_factors`.

    Attributes:
      population: genotypes in the unified space [P, D]; those of a task from the best to the worst.
      fitness: their costs [P, K], minimised; infinite for a failed individual.
      generation_counter: generations told.
      memory: what the strategy keeps besides, a pytree; None for most.
    """

    population: Array
    fitness: Array
    generation_counter: Array
    memory: Any = None


@dataclass(frozen=True, eq=False)
class AbstractStrategy(ABC):
    """One population for many tasks; each individual is evaluated on its own task alone.

    P individuals are shared out evenly among T tasks. Fitness is an array [P, K] of minimised
    costs; [P] is taken as [P, 1]. A row with NaN or an infinity is a failed individual: it ranks
    behind all others. A task with fewer objectives fills its columns up with a constant.

    Attributes:
      population_size: individuals over all tasks, P: an even multiple of `tasks`.
      solution: one solution of any pytree structure, of which shapes and dtypes are read: floats
        are real genes, booleans bits, whole numbers take every value between their bounds.
      tasks: the number of tasks, T.
      bounds: the lowest and the highest value of solutions, each a number or a pytree as the
        solution; None: 0 and 1.
      skill_factors: the task of every individual, int32 [P], each task equally often; None: sorted.

    Raises:
      InputError: something does not fit.
    """

    population_size: int
    solution: Any
    tasks: int = 1
    _: KW_ONLY
    bounds: Any = None
    skill_factors: Any = None

    def __post_init__(self) -> None:
        require_number("tasks", self.tasks, 1, whole=True)
        require_number("population_size", self.population_size, 0, whole=True)
        require(
            self.population_size >= 2 * self.tasks
            and self.population_size % self.tasks == 0
            and self.population_size % 2 == 0,
            f"`population_size` must be an even multiple of {self.tasks} tasks with at least 2 for "
            f"each, got {self.population_size}.",
        )
        factors = _skill_factors(self.skill_factors, self.population_size, self.tasks)
        factors.flags.writeable = False  # compiled in with the first call
        object.__setattr__(self, "skill_factors", factors)
        assert self.genotype.size > 0  # reads the solution and its bounds, or refuses them

    @cached_property
    def genotype(self) -> Genotype:
        """How solutions are written as rows of genes."""
        return Genotype(self.solution, self.bounds)

    @property
    def num_dims(self) -> int:
        """The number of genes, D."""
        return self.genotype.size

    @property
    @abstractmethod
    def default_params(self) -> Any:
        """The numbers that may change without a new compilation."""

    @abstractmethod
    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        """Return the `keep` best rows of one task, the best first."""

    @abstractmethod
    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Any
    ) -> tuple[Float[Array, "T N D"], Any]:
        """Return children of a population that is sorted from best to worst, and the memory."""

    def _start(self, key: Key[Array, ""], population: Float[Array, "T N D"]) -> Any:
        """Return the memory of a first population."""
        del key, population

    def _kept(self, memory: Any, rows: Int[Array, "T N"], params: Any) -> Any:
        """Return the memory after selection; rows >= N of a task are its children."""
        del rows, params
        return memory

    def _shown(self, memory: Any) -> dict[str, Array]:
        """Return metrics of the memory."""
        del memory
        return {}

    @partial(jax.jit, static_argnames=("self",))
    def sample(self, key: Key[Array, ""]) -> Any:
        """Return a uniform random population: solutions, each leaf with a leading axis P."""
        shape = (self.population_size, self.num_dims)
        return self.genotype.decode(jax.random.uniform(key, shape, self.genotype.dtype))

    @partial(jax.jit, static_argnames=("self",))
    def init(self, key: Key[Array, ""], population: Any, fitness: Array, params: Any) -> State:
        """Start from an evaluated population.

        Args:
          key: random key.
          population: P solutions, each leaf with a leading axis P.
          fitness: their costs [P, K].
          params: as `default_params`.

        Raises:
          InputError: shapes do not fit.
        """
        del params
        rows = self._by_task(self._rows(population))
        costs = self._by_task(self._costs(fitness, None))
        order = jax.vmap(partial(self._best_first, keep=rows.shape[1]))(costs)
        rows, costs = (jnp.take_along_axis(one, order[..., None], 1) for one in (rows, costs))
        return State(
            population=self._by_row(rows),
            fitness=self._by_row(costs),
            generation_counter=jnp.zeros((), jnp.int32),
            memory=self._start(key, rows),
        )

    @partial(jax.jit, static_argnames=("self",))
    def ask(self, key: Key[Array, ""], state: State, params: Any) -> tuple[Any, State]:
        """Return P children to evaluate on their skill factors' tasks, and the state.

        Args:
          key: random key.
          state: of `init` or `tell`.
          params: as `default_params`.
        """
        population = self._by_task(state.population)
        children, memory = self._children(key, population, state.memory, params)
        children = self._by_row(snap(children, self.genotype.levels))
        return self.genotype.decode(children), replace(state, memory=memory)

    @partial(jax.jit, static_argnames=("self",))
    def tell(
        self, key: Key[Array, ""], population: Any, fitness: Array, state: State, params: Any
    ) -> tuple[State, dict[str, Array]]:
        """Keep the best of parents and children, for each task by itself.

        Args:
          key: not used; evosax's contract has it.
          population: the children that `ask` gave, repaired if need be.
          fitness: their costs [P, K].
          state: the state that `ask` gave.
          params: as `default_params`.

        Returns:
          The next state, and metrics: `generation_counter`, `finite_children`, and what the
          strategy learnt.

        Raises:
          InputError: shapes do not fit.
        """
        del key
        costs = self._costs(fitness, state.fitness.shape[1])
        genes = self._by_task(state.population), self._by_task(self._rows(population))
        told = self._by_task(state.fitness), self._by_task(costs)
        genes, told = (jnp.concatenate(pair, 1) for pair in (genes, told))
        keep = genes.shape[1] // 2
        rows = jax.vmap(partial(self._best_first, keep=keep))(told)
        kept = (jnp.take_along_axis(one, rows[..., None], 1) for one in (genes, told))
        next_state = State(
            *map(self._by_row, kept),
            generation_counter=state.generation_counter + 1,
            memory=self._kept(state.memory, rows, params),
        )
        finite = jnp.isfinite(costs).all(-1).sum()
        counted = {"generation_counter": next_state.generation_counter, "finite_children": finite}
        return next_state, counted | self._shown(next_state.memory)

    def get_population(self, state: State) -> Any:
        """Return the individuals as solutions, each leaf with a leading axis P."""
        return self.genotype.decode(state.population)

    def nondominated(self, state: State) -> Bool[Array, " P"]:
        """Return which individuals no other of their task dominates: every task's answer."""
        return self._by_row(jax.vmap(nondominated)(self._by_task(state.fitness)))

    def _rows(self, population: Any) -> Array:
        rows = self.genotype.encode(population)
        require(
            len(rows) == self.population_size,
            f"`population` must have {self.population_size} individuals, got {len(rows)}.",
        )
        return rows

    def _costs(self, fitness: Array, objectives: int | None) -> Array:
        """Return fitness as costs [P, K] in which failed rows are infinite."""
        shape = jnp.shape(fitness)
        fitness = jnp.asarray(fitness, jnp.result_type(fitness, jnp.float32))
        costs = fitness[:, None] if fitness.ndim == 1 else fitness
        known = costs.shape[1:] == ((objectives,) if objectives else costs.shape[1:2])
        require(
            costs.ndim == 2 and len(costs) == self.population_size and known and costs.size > 0,
            f"`fitness` must have shape [{self.population_size}, {objectives or 'K'}], got "
            f"{list(shape)}.",
        )
        failed = ~jnp.isfinite(costs).all(-1, keepdims=True)
        return jnp.where(failed, jnp.inf, costs)

    def _by_task(self, rows: Array) -> Array:
        """Return rows [P, ...] as [T, N, ...]."""
        order = np.argsort(self.skill_factors, kind="stable")
        rows = rows if _is_sorted(order) else rows[order]
        return rows.reshape(self.tasks, -1, *rows.shape[1:])

    def _by_row(self, blocks: Array) -> Array:
        """Return blocks [T, N, ...] as rows [P, ...]; the inverse of `_by_task`."""
        rows = blocks.reshape(-1, *blocks.shape[2:])
        order = np.argsort(self.skill_factors, kind="stable")
        return rows if _is_sorted(order) else rows[np.argsort(order)]


def _is_sorted(order: np.ndarray) -> bool:
    return bool((order == np.arange(len(order))).all())


def _skill_factors(given: Any, count: int, tasks: int) -> np.ndarray:
    if given is None:
        return np.repeat(np.arange(tasks, dtype=np.int32), count // tasks)
    factors = np.asarray(given)
    require(
        factors.shape == (count,) and factors.dtype.kind in "iu",
        f"`skill_factors` must be {count} whole numbers, got an array of {factors.dtype} of shape "
        f"{list(factors.shape)}.",
    )
    require(
        bool(((factors >= 0) & (factors < tasks)).all()),
        f"`skill_factors` must lie from 0 to {tasks - 1}, got {factors.min()} to {factors.max()}.",
    )
    often = np.bincount(factors, minlength=tasks)
    require(
        bool((often == count // tasks).all()),
        f"`skill_factors` must have each of {tasks} tasks {count // tasks} times, "
        f"got {often.tolist()} times.",
    )
    return factors.astype(np.int32)
