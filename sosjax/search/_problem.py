"""A network, its tasks and their examples, laid out once for everything that judges."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..environments._environment import Environment
from ..fitness._batch import TaskBatch, task_batch
from ..fitness._compensation import FITS
from ..fitness._kernel import CHUNK, Kernel
from ..models._jat import Jat
from ..space._encoding import make_encoding
from ..space._importance import SURGEON, mixture, normalised, ranking
from ..tasks._dataset import Dataset, Split
from ..tasks._task import Task, data_of
from ._asked import check_fitness
from ._ranked import check_scores, shared, unit_scores
from ._settings import Settings
from ._study import Study, study

PADDING = 256
"""Validation and test examples are padded to a multiple of this: mostly one program serves both."""


@final
class Problem:
    """What is judged, and on which examples.

    Attributes:
      jat: the network.
      tasks: the tasks.
      settings: how to search.
      encoding: what a genotype means.
      kernel: judges sub-networks.
      search: the examples that fitness and rankings look at, a draw from the search split.
      calibration: a larger draw from the search split, for the final members.
      validation: all of the tasks' validation examples.
      test: all of their test examples.
      whole: the whole network's costs by name, for each task's head.
      dense: those among the objectives, [T, costs].
    """

    def __init__(
        self, jat: Jat, data: Dataset | None, tasks: Sequence[Task], settings: Settings
    ) -> None:
        """Draw the examples; `check_asked` has found that all fits.

        Raises:
          InputError: the fitness is not one for this network and these examples.
        """
        settings = settings.suited(jat.graph)
        assert settings.fitness is not None
        self.jat, self.settings = jat, settings
        self.tasks = tuple(task.on(data) for task in tasks)
        check_fitness(jat, self.tasks, settings)
        self.encoding = make_encoding(
            settings.encoding,
            jat.graph.sizes,
            jat.graph.rules.granularity,
            len(jat.graph.blocks) if settings.depth else 0,
            len(settings.rankings),
        )
        own = [self._has_own_head(task) for task in self.tasks]
        self.kernel = Kernel(
            jat.graph,
            self.encoding,
            settings.fitness,
            self.kind,
            any(own),
            compare="divergence" in settings.objectives,
            chunk=settings.chunk or CHUNK,
        )
        gathered = partial(self._gathered, own)
        # Heads from the larger draw; each draw has the penalty that suits its size.
        self.search, self.calibration = (
            self._with_heads(gathered("search", limit=limit, seed=settings.seed), own)
            for limit in (settings.images, settings.calibration)
        )
        solved, known = self.calibration.solved, self._study.known
        self.calibration = self.calibration._replace(known=known)
        self.search = self.search._replace(solved=solved, known=known)
        if self.kernel.compare:
            said = jax.jit(self.kernel.jacks)(jat.params, self.search)
            self.search = self.search._replace(jack=said)
        self.validation, self.test = (
            gathered(part, multiple=PADDING)._replace(solved=solved, known=known)
            for part in ("validation", "test")
        )
        sizes = np.array(jat.graph.sizes)
        self.whole = [
            {name: cost.item() for name, cost in self.cost(number, sizes).items()}
            for number in range(len(self.tasks))
        ]
        self.dense = np.array(
            [[costs[name] for name in settings.costs] for costs in self.whole], np.float32
        )

    @property
    def kind(self) -> str:
        """What all tasks ask: `"classes"`, `"values"` or `"tokens"`."""
        return data_of(self.tasks[0]).kind

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        """The sizes of a sub-network's masks: of groups, then 1 for each block."""
        return (*self.encoding.sizes, *[1] * self.encoding.blocks)

    def units(self) -> dict[str, dict[str, float]]:
        """Return what an error of 1 is for each task and part, where errors have a unit.

        The variance of the value, if a task asks one: an error times it is the mean squared error.
        For tokens `ln V` nats: an error times it is the cross-entropy.
        """
        if self.kind == "tokens":
            graph = self.jat.graph.graph
            shape = jax.eval_shape(graph.apply, graph.shapes, *graph.inputs).shape
            each = {part: round(float(np.log(shape[-1])), 6) for part in ("validation", "test")}
            return {task.name: each for task in self.tasks}
        found = {}
        for task in self.tasks if self.kind == "values" else ():
            data = data_of(task)
            if len(task.classes) == 1:
                (column,) = task.labels(data)
                parts = {"validation": data.validation, "test": data.test}
                found[task.name] = {
                    part: float(split.labels[:, column].var()) for part, split in parts.items()
                }
        return found

    def training(self, limit: int | None) -> TaskBatch:
        """Return search examples to train on, shuffled: so many for each task, or all of them.

        The first of them stand for all, also where a data set is in the order of its classes.
        """
        own = [self._has_own_head(task) for task in self.tasks]
        limit = limit or max(len(data_of(task).search) for task in self.tasks)
        batch = self._gathered(own, "search", limit=limit, seed=self.settings.seed)
        return batch._replace(solved=self.calibration.solved)

    def _gathered(self, own: Sequence[bool], part: str, **how: Any) -> TaskBatch:
        splits: list[Split] = [getattr(data_of(task), part) for task in self.tasks]
        outputs = [task.labels(data_of(task)) for task in self.tasks]
        return task_batch(splits, part, outputs, kind=self.kind, own=own, **how)

    def _has_own_head(self, task: Task) -> bool:
        return self.jat.own_head and task.head == "own"

    def _with_heads(self, batch: TaskBatch, own: Sequence[bool]) -> TaskBatch:
        """Solve the heads that the network does not have."""
        if self.kind == "tokens" or all(own):
            return batch
        return jax.jit(self.kernel.solved)(self.jat.params, batch)

    @cached_property
    def _study(self) -> Study:
        """What is found out of the whole network once, on the larger draw, if it is asked."""
        known, scores = self.kernel.mode in FITS, SURGEON in self.settings.rankings
        if not (known or scores):
            return Study(None, None)
        seed = self.settings.seed
        return study(self.kernel, self.jat.params, self.calibration, seed, known, scores)

    @cached_property
    def scores(self) -> list[Array]:
        """The units' scores in the settings' rankings, float32 [T, R, size] for each group.

        Raises:
          InputError: a ranking has nothing to say of a group; see `check_scores`.
        """
        settings, graph = self.settings, self.jat.graph
        params, names = self.jat.params, settings.rankings
        surgeon = self._study.scores
        found = unit_scores(self.kernel, params, self.search, names, settings.seed, surgeon)
        groups = [group.name for group in graph.groups]
        check_scores(found, groups, [task.name for task in self.tasks])
        if settings.shared_ranking:
            found = {name: shared(each) for name, each in found.items()}
        return [jnp.stack(each, 1) for each in zip(*found.values(), strict=True)]

    def rankings(self) -> list[Array]:
        """Return what the encoding decodes over, for each group and all tasks.

        Returns:
          Places, int32 [T, size]; or scores of mean 1, float32 [T, R, size], if it mixes them.
        """
        return normalised(self.scores) if self.encoding.rankings > 1 else self.one_ranking()

    def one_ranking(self) -> list[Array]:
        """Return one ranking of each group, int32 [T, size]: of several, the even mixture."""
        if len(self.settings.rankings) == 1:
            return ranking([score[:, 0] for score in self.scores])
        return ranking(mixture(normalised(self.scores)))

    def unranked(self) -> list[Array]:
        """Return zeros in the place of `rankings`."""
        tasks, mixed, sizes = len(self.tasks), self.encoding.rankings, self.encoding.sizes
        if mixed > 1:
            return [jnp.zeros((tasks, mixed, size), jnp.float32) for size in sizes]
        return [jnp.zeros((tasks, size), jnp.int32) for size in sizes]

    def cost(self, number: int, kept: np.ndarray) -> dict[str, np.ndarray]:
        """Return the exact costs of sub-networks for the task of that number; see `Subject.cost`.

        Args:
          number: of the task.
          kept: whole numbers [..., G] or [..., G + blocks].
        """
        return self.jat.graph.cost(kept, len(self.tasks[number].classes))

    def share(self, number: int, kept: Sequence[int]) -> float:
        """Return a sub-network's share of the whole network's parameters, in (0, 1]."""
        own = int(self.cost(number, np.array(kept))["parameters"])
        return own / self.whole[number]["parameters"]

    @property
    def outputs(self) -> tuple[int, ...]:
        """Outputs of each task's head, as many as it has classes."""
        return tuple(len(task.classes) for task in self.tasks)

    def excess(
        self, number: int, kept: np.ndarray, environments: Sequence[Environment]
    ) -> np.ndarray:
        """Return by how much sub-networks exceed limits, exactly, [E, N]; see `Environment.excess`.

        Args:
          number: of the task.
          kept: whole numbers [N, G + blocks].
          environments: those whose limits they are.
        """
        costs, outputs = self.cost(number, kept), self.outputs[number]
        found = [one.excess(one.each_costs(costs, kept, outputs, np), np) for one in environments]
        return np.reshape(found, (len(environments), len(kept)))

    def costs_of(self, kept: Array, task: Array) -> dict[str, Array]:
        """Return all costs of sub-networks by name, in their own units, [P] each, inside jit.

        Args:
          kept: counts of groups and blocks, [P, G + blocks].
          task: the number of the task that they are for.
        """
        graph = self.jat.graph
        outputs = jnp.asarray(self.outputs)[task]
        return graph.costs.approximate(graph.counts(kept, outputs, jnp))
