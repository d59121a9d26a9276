"""Several multi-objective tasks over one unified genotype."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from .._errors import require, require_number, require_unique
from .._types import Array, Float

Evaluator = Callable[[tuple[int, ...], Array], Array]
"""What a problem is made of: (tasks, values) -> costs, a pure function that jits and vmaps.

`tasks` holds, as plain numbers, the task of each leading row of `values` [T, N, D]. The values are
in its own box, and those behind its dimensions mean nothing. The costs [T, N, K] have as many
columns as the one of these tasks with most objectives, zeros behind a task's own, in the dtype of
the values.
"""


@final
@dataclass(frozen=True, eq=False)
class MultitaskProblem:
    """Tasks to be minimised at once, whose genotypes share one space [0, 1]^D.

    Each task maps the first of its genes linearly to its own box and ignores the others; D is the
    largest number of genes. A problem is compared by identity, so it can be a static argument.

    Attributes:
      name: of the problem.
      tasks: their names.
      boxes: the lowest and highest values [2, D_t] of each task's variables.
      objectives: K_t, how many objectives each task has.
      evaluator: the costs of values in the tasks' boxes.
      fronts: for each task a function that returns points [M, K_t] spread evenly on its true front.
      optima: for each task the last n of its genes [n], in [0, 1], that all its Pareto-optimal
        genotypes share. The others, its position genes, choose a point of the front.

    >>> from sosjax.problems import cec17
    >>> problem = cec17("NIMS")
    >>> problem.tasks, problem.dimensions, problem.objectives
    (('NIMS 1', 'NIMS 2'), (20, 20), (3, 2))
    >>> problem.evaluate(jnp.full((2, 7, 20), 0.5)).shape
    (2, 7, 3)
    >>> problem.front(1).shape
    (10000, 2)

    Raises:
      InputError: the parts differ in number or size, a name occurs twice, or a box is not one.
    """

    name: str
    tasks: tuple[str, ...]
    boxes: tuple[np.ndarray, ...] = field(repr=False)
    objectives: tuple[int, ...]
    evaluator: Evaluator = field(repr=False)
    fronts: tuple[Callable[[], np.ndarray], ...] = field(repr=False)
    optima: tuple[np.ndarray, ...] = field(repr=False)

    def __post_init__(self) -> None:
        require(len(self.tasks) > 0, "`tasks` must name at least one task, got none.")
        require_unique("tasks", self.tasks)
        for part in ("boxes", "objectives", "fronts", "optima"):
            count = len(getattr(self, part))
            require(
                count == len(self.tasks),
                f"`{part}` must be one for each of {len(self.tasks)} tasks, got {count}.",
            )
        for task, objectives, box, optimum in zip(
            self.tasks, self.objectives, self.boxes, self.optima, strict=True
        ):
            require_number(f"objectives of {task}", objectives, 1, whole=True)
            require(
                box.ndim == 2 and len(box) == 2 and box.shape[1] > 0,
                f"`boxes` of {task} must be two rows, lowest and highest, got shape {box.shape}.",
            )
            require(
                np.isfinite(box).all() and (box[0] < box[1]).all(),
                f"`boxes` of {task} must be finite, the lowest below the highest values.",
            )
            require(
                optimum.ndim == 1 and len(optimum) <= box.shape[1],
                f"`optima` of {task} must be one row of at most {box.shape[1]} genes, "
                f"got shape {optimum.shape}.",
            )

    @cached_property
    def dimensions(self) -> tuple[int, ...]:
        """How many genes each task has."""
        return tuple(box.shape[1] for box in self.boxes)

    @property
    def genes(self) -> int:
        """D, the genes of the unified space."""
        return max(self.dimensions)

    def evaluate(self, genotypes: Float[Array, "T N D"]) -> Float[Array, "T N K"]:
        """Return the costs of each task's own individuals.

        Args:
          genotypes: for each task N individuals in [0, 1]^D.

        Returns:
          The costs, all to be minimised, in the dtype of the genotypes; K is the largest number of
          objectives, and columns behind a task's own are zero.

        Raises:
          InputError: the genotypes are of another shape, or not real.
        """
        wanted = (len(self.tasks), self.genes)
        require(
            genotypes.ndim == 3 and (genotypes.shape[0], genotypes.shape[2]) == wanted,
            f"`genotypes` must be of shape [{wanted[0]}, N, {wanted[1]}] for {self.name}, "
            f"got {list(genotypes.shape)}.",
        )
        return self._costs(tuple(range(len(self.tasks))), genotypes)

    def costs(self, task: int, genotypes: Float[Array, "N D"]) -> Float[Array, "N K"]:
        """Return the costs of individuals on one task.

        Args:
          task: its number, from 0.
          genotypes: in [0, 1]; as many genes as the task or the problem has.

        Returns:
          The costs on the task's own objectives.

        Raises:
          InputError: there is no such task, or the genotypes are of another shape or not real.
        """
        self._require_genotypes(task, genotypes)
        own = genotypes[None, :, : self.dimensions[task]]
        return self._costs((task,), own)[0, :, : self.objectives[task]]

    def decode(self, task: int, genotypes: Float[Array, "N D"]) -> Float[Array, "N D_t"]:
        """Return one task's variables in its own box; arguments and errors as `costs`."""
        self._require_genotypes(task, genotypes)
        own = genotypes[None, :, : self.dimensions[task]]
        return self._decoded((task,), own)[0]

    def front(self, task: int) -> np.ndarray:
        """Return points [M, K_t], float64, spread evenly on the true front of one task.

        Raises:
          InputError: there is no such task.
        """
        self._require_task(task)
        return self.fronts[task]()

    def only(self, *tasks: int) -> "MultitaskProblem":
        """Return the problem of some of the tasks, in this order.

        >>> from sosjax.problems import cec17
        >>> cec17("NIMS").only(1).objectives
        (2,)

        Raises:
          InputError: there is no such task, one is named twice, or none is named.
        """
        for task in tasks:
            self._require_task(task)

        def chosen(numbers: tuple[int, ...], values: Array) -> Array:
            return self.evaluator(tuple(tasks[number] for number in numbers), values)

        return MultitaskProblem(
            name=self.name,
            tasks=tuple(self.tasks[task] for task in tasks),
            boxes=tuple(self.boxes[task] for task in tasks),
            objectives=tuple(self.objectives[task] for task in tasks),
            evaluator=chosen,
            fronts=tuple(self.fronts[task] for task in tasks),
            optima=tuple(self.optima[task] for task in tasks),
        )

    def _costs(self, tasks: tuple[int, ...], genotypes: Array) -> Array:
        require(
            jnp.issubdtype(genotypes.dtype, jnp.floating),
            f"`genotypes` must be real numbers, got {genotypes.dtype}.",
        )
        return self.evaluator(tasks, self._decoded(tasks, genotypes))

    def _decoded(self, tasks: tuple[int, ...], genotypes: Array) -> Array:
        """Map [T, N, D] to the boxes, counting from the value nearest to 0.

        There floats are densest and most optima are: -100 + 200 x would round all to 10^-5.
        """
        boxes = np.tile([[0.0], [1.0]], (len(tasks), 1, genotypes.shape[-1]))
        for box, task in zip(boxes, tasks, strict=True):
            box[:, : self.dimensions[task]] = self.boxes[task]
        low, high = boxes[:, 0, None], boxes[:, 1, None]
        origin = np.clip(0, low, high)
        gene = (origin - low) / (high - low)
        parts = (jnp.asarray(part, genotypes.dtype) for part in (origin, gene, high - low))
        origin, gene, width = parts
        return origin + (genotypes - gene) * width

    def _require_task(self, task: Any) -> None:
        require_number("task", task, 0, len(self.tasks) - 1, whole=True)

    def _require_genotypes(self, task: Any, genotypes: Array) -> None:
        self._require_task(task)
        sizes = sorted({self.dimensions[task], self.genes})
        require(
            genotypes.ndim == 2 and genotypes.shape[1] in sizes,
            f"`genotypes` must be of shape [N, {' or '.join(map(str, sizes))}] for "
            f"{self.tasks[task]}, got {list(genotypes.shape)}.",
        )
