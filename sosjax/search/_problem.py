"""A network, its tasks and their examples, laid out once for everything that judges."""

from collections.abc import Sequence
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._batch import TaskBatch, task_batch
from ..fitness._compensation import Moments, factorised
from ..fitness._kernel import JUDGEMENTS, OBJECTIVES, Kernel
from ..models._jat import Jat
from ..space._encoding import make_encoding
from ..space._importance import magnitude, ranking
from ..tasks._dataset import Dataset, Split
from ..tasks._task import Task, data_of
from ._asked import check_fitness
from ._settings import Settings

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
      dense: the whole network's costs among the objectives, for each task's head, [T, costs].
    """

    def __init__(
        self, jat: Jat, data: Dataset | None, tasks: Sequence[Task], settings: Settings
    ) -> None:
        """Draw the examples; `check_asked` has found that all fits.

        Raises:
          InputError: the fitness is not one for this network and these examples.
        """
        self.jat, self.settings = jat, settings
        self.tasks = tuple(task.on(data) for task in tasks)
        check_fitness(jat, self.tasks, settings)
        self.encoding = make_encoding(
            settings.encoding,
            jat.graph.sizes,
            jat.graph.rules.granularity,
            len(jat.graph.blocks) if settings.depth else 0,
        )
        own = [self._has_own_head(task) for task in self.tasks]
        kind, chunk = self.kind, settings.chunk
        self.kernel = Kernel(
            jat.graph,
            self.encoding,
            settings.fitness,
            kind,
            any(own),
            compare="divergence" in settings.objectives,
            chunk=chunk,
        )
        gathered = partial(self._gathered, own)
        # Heads from the larger draw; each draw has the penalty that suits its size.
        self.search, self.calibration = (
            self._with_heads(gathered("search", limit=limit, seed=settings.seed), own)
            for limit in (settings.images, settings.calibration)
        )
        solved, known = self.calibration.solved, self._moments()
        self.calibration = self.calibration._replace(known=known)
        self.search = self.search._replace(solved=solved, known=known)
        if self.kernel.compare:
            said = jax.jit(self.kernel.jacks)(jat.params, self.search)
            self.search = self.search._replace(jack=said)
        self.validation, self.test = (
            gathered(part, multiple=PADDING)._replace(solved=solved, known=known)
            for part in ("validation", "test")
        )
        self.dense = np.array([self._dense(task) for task in self.tasks], np.float32)
        self._columns = np.array([OBJECTIVES.index(name) for name in settings.objectives])
        self._judgements = sum(name in JUDGEMENTS for name in settings.objectives)

    @property
    def kind(self) -> str:
        """What all tasks ask: `"classes"`, `"values"` or `"tokens"`."""
        return data_of(self.tasks[0]).kind

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

    def _dense(self, task: Task) -> list[int]:
        graph = self.jat.graph
        costs = graph.cost(np.asarray(graph.sizes), len(task.classes))
        return [int(costs[name]) for name in self.settings.objectives if name not in JUDGEMENTS]

    def _moments(self) -> dict[str, Moments] | None:
        """Return what compensation knows of every site, from the larger draw, by its leaf."""
        if self.kernel.mode != "compensated":
            return None
        key, moments = jax.random.key(self.settings.seed), jax.jit(self.kernel.moments)

        def one(number: int) -> dict[str, Moments]:
            # One task at a time: a network's moments are larger than its weights.
            task = jax.tree.map(lambda leaf: leaf[number], self.calibration)
            found = jax.device_get(moments(self.jat.params, task, key))
            return {leaf: factorised(one) for leaf, one in found.items()}

        rows = [one(number) for number in range(len(self.tasks))]
        return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))

    def rankings(self, kind: str = "taylor") -> list[Array]:
        """Rank the units of every group for every task, int32 [T, size] each.

        Args:
          kind: `"taylor"`, or `"magnitude"`, which is the same for all tasks.
        """
        if kind == "taylor":
            return jax.jit(self.kernel.rankings)(self.jat.params, self.search)
        places = ranking(magnitude(self.jat.graph, self.jat.params))
        return [jnp.broadcast_to(place, (len(self.tasks), *place.shape)) for place in places]

    def objectives(self, params: Any, search: Any, rankings: list[Array], rows: Array) -> Array:
        """Judge genotypes [T, N, D]; return their objectives [T, N, K].

        Costs are in decades, so that crowding distance spreads a front evenly over them.
        """
        chosen = self.kernel.costs(params, search, rankings, rows)[..., self._columns]
        shares, costs = jnp.split(chosen, [self._judgements], -1)
        return jnp.concatenate([shares, jnp.log10(costs)], -1)

    def plain(self, objectives: Array) -> Array:
        """Return objectives [..., K] as the first share and costs that are no logarithms."""
        costs = 10 ** objectives[..., self._judgements :]
        return jnp.concatenate([objectives[..., :1], costs], -1)
