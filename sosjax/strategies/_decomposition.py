"""Several objectives and several tasks for an algorithm that knows one cost: decomposition."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from flax import struct

from .._errors import require, require_number
from .._types import Array, Bool, Float, Key
from ..space._genotype import Genotype
from ._archive import best_distinct
from ._evosax import Searcher
from ._scalarisation import View, corners, simplex_directions
from ._subproblem import Subproblem, asked, started, told


@struct.dataclass
class State:
    """What the strategy remembers; rows are sorted by task.

    Attributes:
      population: the best distinct genotypes seen, as many of each task, [P, D].
      fitness: their costs [P, K]; infinite where the individual failed.
      generation_counter: generations told.
      ideal: the best of each task's costs, [T, K].
      nadir: the worst of each task's first front, [T, K].
      subproblems: the T x W algorithms, each leaf [T, W, ...].
    """

    population: Array
    fitness: Array
    generation_counter: Array
    ideal: Array
    nadir: Array
    subproblems: Subproblem


@struct.dataclass
class Params:
    """Numbers that may change without a new compilation.

    Attributes:
      transfer: the probability, each generation and for each algorithm, of an offer from another
        task. With 0 the tasks are searched independently of each other.
      algorithm: the evosax algorithm's own parameters, shared by all T x W.
    """

    transfer: Array
    algorithm: Any


@final
class Decomposition:
    """One evosax algorithm for each task and preference direction, T x W of them, at once.

    An algorithm sees its task's costs as one number: their distance to the task's ideal point
    along its direction. Directions and tasks are vmapped, so that their number costs arithmetic
    only. `init`, `ask` and `tell` follow evosax's population-based contract with costs [P, K] in
    the place of fitness [P]; rows are sorted by task, and within a task by direction.

    What the algorithms remember stays comparable: ideal and nadir move, so the costs behind every
    remembered fitness are kept, and each fitness is computed anew before an algorithm is told.

    Genes stay in [0, 1]. An algorithm that keeps a population is told its children as they were
    judged, confined to [0, 1]: what it keeps becomes a parent. An algorithm that moves a
    distribution is told the rows that it drew, because it rebuilds its noise from them, with the
    fitness of the confined row and a penalty, the mean square of what was cut off, so that it does
    not drift away where all rows look alike (Hansen, 2016, arXiv 1604.00772, B.5).

    Transfer: with the probability `params.transfer` the last row of an algorithm is instead the
    best row, along the same direction, of another task drawn at random, and is judged by the task
    it came to. The population-based family learns from it as from any child. To the other family
    it is foreign, since a row that was not drawn has no noise to rebuild: its place is told with
    the median fitness of the others, which neither pulls nor pushes, and only if it beats every
    row of the algorithm does the mean move to it.

    >>> strategy = Decomposition(32, {"x": jnp.zeros(3)}, tasks=2, algorithm="SNES", directions=2)
    >>> params, key = strategy.default_params, jax.random.key(0)
    >>> def judge(genotypes):  # two objectives of each row's own task
    ...     distance = jnp.abs(genotypes["x"] - strategy.skill_factors[:, None]).mean(-1)
    ...     return jnp.stack([genotypes["x"][:, 0] + distance, 1 - genotypes["x"][:, 0]], -1)
    >>> start = strategy.sample(key)
    >>> state = strategy.init(key, start, judge(start), params)
    >>> for step in range(3):
    ...     ask_key, tell_key = jax.random.split(jax.random.fold_in(key, step))
    ...     children, state = strategy.ask(ask_key, state, params)
    ...     state, metrics = strategy.tell(tell_key, children, judge(children), state, params)
    >>> state.population.shape, int(metrics["generation_counter"])
    ((32, 3), 3)

    Attributes:
      population_size: individuals over all tasks, P.
      tasks: the number of tasks, T.
      skill_factors: the task of every individual, int32 [P].
      genotype: how solutions are written as rows of genes.
      num_dims: the number of genes, D.
      directions: the preference directions [W, K]; rows sum to 1.
      default_params: where to start from; numbers may change without a new compilation.
    """

    def __init__(
        self,
        population_size: int,
        solution: Any,
        tasks: int = 1,
        *,
        algorithm: Any,
        objectives: int = 2,
        directions: int = 1,
        bounds: tuple[Any, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Fix the shapes.

        Args:
          population_size: individuals over all tasks, P: a multiple of tasks x directions. Each
            algorithm has n = P / (T W) of them, at least 2; some want more, or an even number.
          solution: one solution of any pytree structure, as `Genotype` reads it: floats are real
            genes, booleans bits, whole numbers take every value between their bounds.
          tasks: the number of tasks, T.
          algorithm: an evosax algorithm's class, or its name.
          objectives: the number of costs, K.
          directions: preference directions for each task, W; 1 where there is one objective.
          bounds: the lowest and highest value of solutions, numbers or pytrees; None: [0, 1].
          options: further arguments of the algorithm's constructor, such as an `optimizer`.

        Raises:
          InputError: the population cannot be shared out, or the algorithm is none, or does not
            take its share.
        """
        require_number("tasks", tasks, 1, whole=True)
        require_number("population_size", population_size, 0, whole=True)
        towards = simplex_directions(objectives, directions)
        share, rest = divmod(population_size, tasks * directions)
        require(
            share >= 2 and rest == 0,
            f"`population_size` must be a multiple of {tasks} tasks x {directions} directions "
            f"with at least 2 for each, got {population_size}.",
        )
        self.genotype = Genotype(solution, bounds)
        self.num_dims = self.genotype.size
        self._searcher = Searcher(algorithm, share, self.num_dims, options)
        self.population_size, self.tasks = population_size, tasks
        self.directions = jnp.asarray(towards, jnp.float32)
        self.skill_factors = jnp.repeat(
            jnp.arange(tasks, dtype=jnp.int32), population_size // tasks
        )
        self.default_params = Params(
            transfer=jnp.asarray(0.1), algorithm=self._searcher.default_params
        )

    @partial(jax.jit, static_argnames=("self",))
    def sample(self, key: Key[Array, ""]) -> Any:
        """Return a uniform random population: solutions, each leaf with a leading axis P."""
        shape = (self.population_size, self.num_dims)
        return self.genotype.decode(jax.random.uniform(key, shape, self.genotype.dtype))

    @partial(jax.jit, static_argnames=("self",))
    def init(
        self, key: Key[Array, ""], population: Any, fitness: Float[Array, "P K"], params: Params
    ) -> State:
        """Start from an evaluated population whose rows are sorted by task.

        Every algorithm starts from the best rows of its task along its direction.

        Args:
          key: random key.
          population: P genotypes, each leaf with a leading axis P.
          fitness: their costs.
          params: as `default_params`.

        Raises:
          InputError: rows or costs of another number than the population's.
        """
        rows, costs = self._rows(population), self._costs(fitness)
        kept_rows, kept, ideal, nadir = self._kept(self._by_task(rows), self._by_task(costs))

        def start(key: Array, rows: Array, costs: Array, view: View) -> Subproblem:
            return started(self._searcher, key, rows, costs, view, params.algorithm)

        of_task = jax.vmap(start, in_axes=(0, None, None, 0))
        subproblems = jax.vmap(of_task)(
            self._keys(key),
            self._by_task(kept_rows),
            self._by_task(kept),
            self._views(ideal, nadir),
        )
        return State(kept_rows, kept, jnp.zeros((), jnp.int32), ideal, nadir, subproblems)

    @partial(jax.jit, static_argnames=("self",))
    def ask(self, key: Key[Array, ""], state: State, params: Params) -> tuple[Any, State]:
        """Return P children with genes in [0, 1], rows sorted by task, and the next state."""
        search_keys, offer_keys = jnp.moveaxis(self._keys(key, 2), -1, 0)

        def ask(key: Array, problem: Subproblem) -> tuple[Array, Subproblem]:
            return asked(self._searcher, key, problem, params.algorithm)

        children, subproblems = jax.vmap(jax.vmap(ask))(search_keys, state.subproblems)
        if self.tasks > 1:
            offered, offers = self._offers(offer_keys, state, params.transfer)
            last = jnp.where(offered[..., None], offers, children[:, :, -1])
            children = children.at[:, :, -1].set(last)
            subproblems = replace(subproblems, offered=offered)
        children = children.astype(self.genotype.dtype).reshape(self.population_size, -1)
        return self.genotype.decode(children), replace(state, subproblems=subproblems)

    @partial(jax.jit, static_argnames=("self",))
    def tell(
        self,
        key: Key[Array, ""],
        population: Any,
        fitness: Float[Array, "P K"],
        state: State,
        params: Params,
    ) -> tuple[State, dict[str, Array]]:
        """Keep the best rows of each task, and let every algorithm learn from its own children.

        Args:
          key: random key.
          population: the children that `ask` gave.
          fitness: their costs.
          state: the state that `ask` gave.
          params: as `default_params`.

        Returns:
          The next state, and metrics.

        Raises:
          InputError: rows or costs of another number than the population's.
        """
        rows, costs = self._rows(population), self._costs(fitness)
        all_rows, all_costs = (
            jnp.concatenate([self._by_task(old), self._by_task(new)], 1)
            for old, new in ((state.population, rows), (state.fitness, costs))
        )
        kept_rows, kept, ideal, nadir = self._kept(all_rows, all_costs)

        def tell(
            key: Array, problem: Subproblem, rows: Array, costs: Array, view: View
        ) -> Subproblem:
            return told(self._searcher, key, problem, rows, costs, view, params.algorithm)

        subproblems = jax.vmap(jax.vmap(tell))(
            self._keys(key),
            state.subproblems,
            self._by_subproblem(rows),
            self._by_subproblem(costs),
            self._views(ideal, nadir),
        )
        generations = state.generation_counter + 1
        return State(kept_rows, kept, generations, ideal, nadir, subproblems), {
            "generation_counter": generations,
            "finite_children": jnp.isfinite(costs).all(-1).sum(),
        }

    def get_population(self, state: State) -> Any:
        """Return the best genotypes of all tasks, rows sorted by task."""
        return self.genotype.decode(state.population)

    def _kept(
        self, rows: Float[Array, "T R D"], costs: Float[Array, "T R K"]
    ) -> tuple[Array, Array, Array, Array]:
        """Return the best rows of each task and their costs, and each task's ideal and nadir."""
        count = self.population_size // self.tasks
        rows, costs, front = jax.vmap(partial(best_distinct, count=count))(rows, costs)
        ideal, nadir = jax.vmap(corners)(costs, front)
        return rows.reshape(-1, self.num_dims), costs.reshape(-1, costs.shape[-1]), ideal, nadir

    def _offers(
        self, keys: Key[Array, "T W"], state: State, transfer: Float[Array, ""]
    ) -> tuple[Bool[Array, "T W"], Float[Array, "T W D"]]:
        """Return which algorithms get an offer, and every algorithm's offer.

        The best row known to another task, drawn at random, along the algorithm's own direction.
        """
        chance, place = jnp.moveaxis(jax.vmap(jax.vmap(_two_uniforms))(keys), -1, 0)
        costs, rows = self._by_task(state.fitness), self._by_task(state.population)
        along = jax.vmap(lambda view, costs: view(costs), in_axes=(0, None))
        numbers = jax.vmap(along)(self._views(state.ideal, state.nadir), costs)
        best = jax.vmap(lambda rows, best: rows[best])(rows, numbers.argmin(-1))
        step = 1 + jnp.floor(place * (self.tasks - 1)).astype(jnp.int32)
        source = (jnp.arange(self.tasks)[:, None] + step) % self.tasks
        direction = jnp.arange(len(self.directions))
        known = jnp.isfinite(numbers.min(-1))[source, direction]
        offered = known & (chance < transfer)
        return offered, best[source, direction]

    def _views(self, ideal: Float[Array, "T K"], nadir: Float[Array, "T K"]) -> View:
        """Return how each algorithm sees costs, each leaf [T, W, K]."""
        shape = (self.tasks, *self.directions.shape)
        return View(
            jnp.broadcast_to(self.directions, shape),
            jnp.broadcast_to(ideal[:, None], shape),
            jnp.broadcast_to(nadir[:, None], shape),
        )

    def _keys(self, key: Key[Array, ""], *more: int) -> Key[Array, "T W *more"]:
        return jax.random.split(key, (self.tasks, len(self.directions), *more))

    def _rows(self, population: Any) -> Float[Array, "P D"]:
        """Return solutions as rows of genes, refusing another number of them."""
        rows = self.genotype.encode(population)
        require(
            len(rows) == self.population_size,
            f"`population` must have {self.population_size} rows, got {len(rows)}.",
        )
        return rows

    def _costs(self, fitness: Any) -> Float[Array, "P K"]:
        """Return costs as real numbers, refusing another shape."""
        wanted = (self.population_size, self.directions.shape[1])
        require(
            jnp.shape(fitness) == wanted,
            f"`fitness` must have the shape {wanted}, got {jnp.shape(fitness)}.",
        )
        return jnp.asarray(fitness, self.genotype.dtype)

    def _by_task(self, rows: Array) -> Array:
        return rows.reshape(self.tasks, -1, *rows.shape[1:])

    def _by_subproblem(self, rows: Array) -> Array:
        return rows.reshape(self.tasks, len(self.directions), -1, *rows.shape[1:])


def _two_uniforms(key: Key[Array, ""]) -> Float[Array, "2"]:
    return jax.random.uniform(key, (2,))
