"""The driver: one pass over all tasks, in blocks of generations between two checkpoints."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..environments._environment import Environment
from ..fitness._batch import task_batch
from ..fitness._kernel import OBJECTIVES, Kernel
from ..models._jat import Jat
from ..pareto._dominance import nondominated
from ..pareto._indicators import log_hypervolume
from ..sets._set_of_sets import SetOfSets
from ..sets._store import JSON_NAME, load_sets, save_sets
from ..space._encoding import Ratios, make_encoding
from ..strategies._mo_mfea import MOMFEA, State
from ..strategies._random import RandomSearch
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ._asked import asked_of, check_asked
from ._checkpoint import load_checkpoint, save_checkpoint
from ._judge import GRID, Candidates, judge_fronts
from ._run_folder import RunFolder
from ._settings import Settings

Progress = Callable[[dict[str, Any]], None]


class _Progressed(NamedTuple):
    """All that a resumed search needs.

    Attributes:
      strategy: the strategy's state.
      rankings: for each group, [T, size].
      generation: generations done, the initial population counted as one.
    """

    strategy: State
    rankings: list[Array]
    generation: Array


def search(
    jat: Jat,
    data: Dataset,
    tasks: Sequence[Task],
    environments: Sequence[Environment] = (),
    settings: Settings = Settings(),
    *,
    folder: str | Path | None = None,
    config: str | None = None,
    progress: Progress | None = None,
) -> SetOfSets:
    """Find a Set of Sets in one pass.

    Args:
      jat: the pretrained network.
      data: what to judge on.
      tasks: one or more.
      environments: where members will run; the sets serve others too.
      settings: how to search.
      folder: a run folder to make, with a journal, checkpoints and the sets; `None` keeps nothing.
      config: text to keep in the run folder as `config.toml`.
      progress: called with a dict for each generation (`generation`, `generations`,
        `evaluations`, `hypervolume` by task, `seconds`) and for each event (`event`: a sentence).

    Returns:
      For every task the members that no other beats on validation error and costs.

    Raises:
      InputError: something does not fit, before anything is compiled; or the folder exists.
    """
    check_asked(jat, data, tasks, environments)
    asked = asked_of(jat, data, tasks, environments, settings)
    run = RunFolder.create(Path(folder), asked, config) if folder is not None else None
    return _Search(jat, data, tasks, environments, settings, progress or _silent).run(run)


def resume(
    jat: Jat,
    data: Dataset,
    tasks: Sequence[Task],
    environments: Sequence[Environment],
    settings: Settings,
    folder: str | Path,
    progress: Progress | None = None,
) -> SetOfSets:
    """Go on with a search that was interrupted; ends with the sets of one that was not.

    Args:
      jat: as for `search`, and likewise the next four.
      data: the same data.
      tasks: the same tasks.
      environments: the same environments.
      settings: the same settings.
      folder: the run folder.
      progress: as for `search`.

    Raises:
      InputError: the folder is no run of these, or of another version.
    """
    check_asked(jat, data, tasks, environments)
    asked = asked_of(jat, data, tasks, environments, settings)
    run = RunFolder.open(Path(folder), asked)
    if (run.path / JSON_NAME).exists():
        return load_sets(run.path)
    return _Search(jat, data, tasks, environments, settings, progress or _silent).run(run)


def _silent(line: dict[str, Any]) -> None:
    del line


class _Search:
    """The parts of one search, put together once."""

    def __init__(
        self,
        jat: Jat,
        data: Dataset,
        tasks: Sequence[Task],
        environments: Sequence[Environment],
        settings: Settings,
        progress: Progress,
    ) -> None:
        self.jat, self.data, self.settings, self.progress = jat, data, settings, progress
        self.tasks, self.environments = tuple(tasks), tuple(environments)
        self.encoding = make_encoding(settings.encoding, jat.graph.sizes)
        self.kernel = Kernel(jat.graph, self.encoding, settings.fitness, chunk=settings.chunk)
        self.labels = [task.labels(data) for task in tasks]
        self.batch = task_batch(data.search, "search", self.labels, settings.images, settings.seed)
        self.calibration = task_batch(
            data.search, "search", self.labels, settings.calibration, settings.seed
        )
        self.validation = task_batch(data.validation, "validation", self.labels, None)
        self.test = task_batch(data.test, "test", self.labels, None)
        self.strategy = self._strategy()
        self.params = self.strategy.default_params.replace(
            rmp=jnp.full((len(tasks), len(tasks)), settings.rmp)
        )
        self.columns = np.array([OBJECTIVES.index(name) for name in settings.objectives])
        self.dense = jnp.asarray(self._dense_costs())

    def _strategy(self) -> MOMFEA | RandomSearch:
        count, tasks = self.settings.population * len(self.tasks), len(self.tasks)
        genotype = jnp.zeros(self.encoding.dimensions)
        if self.settings.strategy == "mo-mfea":
            return MOMFEA(count, genotype, tasks)
        return RandomSearch(count, genotype, tasks, self._sample)

    def _sample(self, key: Array, count: int) -> Array:
        return self.encoding.sample(key, count, self.settings.low, self.settings.high)

    def _dense_costs(self) -> np.ndarray:
        """The whole network's objectives but the error, for each task's head, [T, K - 1]."""
        costs = [
            self.jat.graph.cost(np.asarray(self.jat.graph.sizes), len(task.classes))
            for task in self.tasks
        ]
        names = self.settings.objectives[1:]
        return np.array([[cost[name] for name in names] for cost in costs], np.float32)

    def run(self, run: RunFolder | None) -> SetOfSets:
        """Search from the newest checkpoint, or from the start, to the sets."""
        settings, last = self.settings, self.settings.generations + 1
        start, state = time.monotonic(), self._start(run)
        seconds = self._seconds_before(run, int(state.generation))
        advance = jax.jit(self._advance)
        while (done := int(state.generation)) < last:
            state, volumes = advance(self.jat.params, self.batch, state)
            elapsed = seconds + time.monotonic() - start
            lines = [
                self._line(done + index, volume, elapsed)
                for index, volume in enumerate(np.asarray(volumes)[: last - done])
            ]
            if run is not None:
                # The journal first: a resumed run drops the lines after its checkpoint.
                run.append_journal(lines)
                save_checkpoint(run.checkpoints, int(state.generation), state)
            for line in lines:
                self.progress(line | {"generations": settings.generations})
        self.progress({"event": "judging the sets on validation and test data"})
        sets = SetOfSets(self._sets(state), self.environments, self._facts())
        if run is not None:
            save_sets(sets, run.path)
        return sets

    def _start(self, run: RunFolder | None) -> _Progressed:
        groups, tasks = self.jat.graph.sizes, len(self.tasks)
        rows = self.settings.population * tasks
        like = _Progressed(
            State(
                jax.ShapeDtypeStruct((rows, self.encoding.dimensions), jnp.float32),
                jax.ShapeDtypeStruct((rows, len(self.columns)), jnp.float32),
                jax.ShapeDtypeStruct((), jnp.int32),
            ),
            [jax.ShapeDtypeStruct((tasks, size), jnp.int32) for size in groups],
            jax.ShapeDtypeStruct((), jnp.int32),
        )
        if run is not None:
            state, warnings = load_checkpoint(run.checkpoints, like)
            for warning in warnings:
                self.progress({"event": warning})
            if state is not None:
                return jax.tree.map(jnp.asarray, state)
        rankings = jax.jit(self.kernel.rankings)(self.jat.params, self.batch)
        empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like.strategy)
        # Nothing has been evaluated: any child displaces a parent that is not finite.
        empty = empty.replace(fitness=jnp.full_like(empty.fitness, jnp.inf))
        return _Progressed(empty, rankings, jnp.zeros((), jnp.int32))

    def _seconds_before(self, run: RunFolder | None, generation: int) -> float:
        lines = run.rewind_journal(generation - 1) if run is not None else []
        return lines[-1]["seconds"] if lines else 0.0

    def _advance(self, params: Any, batch: Any, state: _Progressed) -> tuple[_Progressed, Array]:
        """Run up to `checkpoint_every` generations; the last block stops early."""

        def step(state: _Progressed, _: None) -> tuple[_Progressed, Array]:
            unfinished = state.generation <= self.settings.generations
            return jax.lax.cond(
                unfinished,
                lambda: self._generation(params, batch, state),
                lambda: (state, jnp.zeros(len(self.tasks))),
            )

        return jax.lax.scan(step, state, length=self.settings.checkpoint_every)

    def _generation(
        self, params: Any, batch: Any, state: _Progressed
    ) -> tuple[_Progressed, Array]:
        key = jax.random.fold_in(jax.random.key(self.settings.seed), state.generation)
        sample_key, ask_key, tell_key = jax.random.split(key, 3)
        children, memory = self.strategy.ask(ask_key, state.strategy, self.params)
        first = self._sample(sample_key, len(children))
        children = jnp.where(state.generation == 0, first, children)
        tasks = len(self.tasks)
        rows = children.reshape(tasks, -1, children.shape[-1])
        costs = self._objectives(self.kernel.costs(params, batch, state.rankings, rows))
        fitness = costs.reshape(-1, costs.shape[-1])
        memory, _ = self.strategy.tell(tell_key, children, fitness, memory, self.params)
        front = memory.fitness.reshape(tasks, -1, fitness.shape[-1])
        volumes = jax.vmap(log_hypervolume)(self._plain(front), self.dense)
        return _Progressed(memory, state.rankings, state.generation + 1), volumes

    def _objectives(self, costs: Array) -> Array:
        """Costs in decades, so that crowding distance spreads a front evenly over them."""
        chosen = costs[..., self.columns]
        return jnp.concatenate([chosen[..., :1], jnp.log10(chosen[..., 1:])], -1)

    def _plain(self, objectives: Array) -> Array:
        return jnp.concatenate([objectives[..., :1], 10 ** objectives[..., 1:]], -1)

    def _line(self, generation: int, volumes: np.ndarray, seconds: float) -> dict[str, Any]:
        evaluations = (generation + 1) * self.settings.population * len(self.tasks)
        names = [task.name for task in self.tasks]
        return {
            "generation": generation,
            "evaluations": evaluations,
            "hypervolume": {
                name: round(float(volume), 6) for name, volume in zip(names, volumes, strict=True)
            },
            "seconds": round(seconds, 3),
        }

    def _sets(self, state: _Progressed) -> tuple:
        tasks = len(self.tasks)
        genotypes = state.strategy.population.reshape(tasks, -1, self.encoding.dimensions)
        fitness = state.strategy.fitness.reshape(tasks, *genotypes.shape[1:2], -1)
        grid = Ratios(self.jat.graph.sizes)
        uniform = jnp.broadcast_to(
            grid.uniform(GRID), (tasks, len(GRID), len(self.jat.graph.sizes))
        )
        fronts = Candidates(
            self._masks(self.encoding, genotypes, state.rankings), jax.vmap(nondominated)(fitness)
        )
        grids = Candidates(
            self._masks(grid, uniform, state.rankings), jnp.ones(uniform.shape[:2], bool)
        )
        batches = (self.calibration, self.validation, self.test)
        return judge_fronts(
            self.kernel, self.jat.params, self.tasks, batches, fronts, fitness[..., 0], grids
        )

    def _masks(self, encoding: Any, genotypes: Array, rankings: list[Array]) -> list[Array]:
        by_row = jax.vmap(encoding.decode, in_axes=(0, None))
        return jax.jit(jax.vmap(by_row))(genotypes, rankings)

    def _facts(self) -> dict[str, Any]:
        graph, data = self.jat.graph, self.data
        dense = graph.cost(np.asarray(graph.sizes), graph.classes)
        sizes = {part: len(getattr(data, part)) for part in ("search", "validation", "test")}
        return {
            "network": {
                "name": self.jat.name,
                "architecture": self.jat.architecture,
                "groups": [{"name": group.name, "size": group.size} for group in graph.groups],
                **{name: int(cost) for name, cost in dense.items()},
            },
            "data": {"name": data.name, "classes": list(data.classes), "sizes": sizes},
            **asdict(self.settings),
        }
