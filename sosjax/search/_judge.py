"""The end of a search: validation data chooses the members, then test data is looked at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Calibrated, Kernel
from ..pareto._dominance import nondominated
from ..sets._member import Member, Scores
from ..sets._set_of_sets import TaskSet
from ..tasks._task import Task

GRID = np.geomspace(1 / 64, 1, 13)
"""The keep ratios of the uniform baseline."""


class Candidates(NamedTuple):
    """Sub-networks to judge, M for each task.

    Attributes:
      masks: for each group bool [T, M, size].
      wanted: bool [T, M]; the others are not evaluated.
    """

    masks: list[Array]
    wanted: Array


def judge_fronts(
    kernel: Kernel,
    params: Any,
    tasks: Sequence[Task],
    batches: tuple[TaskBatch, TaskBatch, TaskBatch],
    fronts: Candidates,
    search_errors: Array,
    grids: Candidates,
) -> tuple[TaskSet, ...]:
    """Make the sets of the search's fronts, and judge the baseline in the same way.

    Args:
      kernel: judges.
      params: the full parameters.
      tasks: the tasks.
      batches: for calibration (search data), validation and test.
      fronts: the nondominated individuals of each task.
      search_errors: [T, M], what the search saw of them.
      grids: the baseline, wanted in full.

    Returns:
      A set for every task. A member whose costs are not finite is left out.
    """
    calibration, validation, test = batches
    everything = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, 1), fronts, grids)
    calibrated, errors, jacks = (
        jax.jit(partial(judge, kernel)) for judge in (_calibrated, _errors, _jacks)
    )
    carried, seen = calibrated(params, calibration, validation, everything)
    unseen = errors(params, test, everything, carried)
    jack_errors = np.asarray([jacks(params, batch) for batch in (validation, test)])
    carried, seen, unseen, everything = jax.tree.map(
        np.asarray, (carried, seen, unseen, everything)
    )
    count = fronts.wanted.shape[1]
    sets = []
    for number, task in enumerate(tasks):
        rows = [
            _member(kernel, task, number, row, everything, carried, seen, unseen, search_errors)
            for row in np.flatnonzero(everything.wanted[number] & np.isfinite(seen[number]))
        ]
        found = [member for row, member in rows if row < count]
        require(len(found) > 0, f"`tasks` {task.name} must have a finite candidate, got none.")
        sets.append(
            TaskSet(
                name=task.name,
                classes=task.classes,
                jack=_jack(kernel, task, *(_share(error) for error in jack_errors[:, number])),
                members=tuple(_nondominated(found)),
                uniform=tuple(member.scores for row, member in rows if row >= count),
            )
        )
    return tuple(sets)


def _calibrated(
    kernel: Kernel, params: Any, search: TaskBatch, validation: TaskBatch, rows: Candidates
) -> tuple[Calibrated, Array]:
    """Calibrate every candidate on search data and judge it on validation data."""

    def one(task: TaskBatch, other: TaskBatch, masks: list[Array]) -> tuple[Calibrated, Array]:
        _, carried = kernel.calibrate(params, task, masks)
        return carried, kernel.error(params, other, masks, carried)

    return _visit(one, (search, validation), rows.wanted, (rows.masks,))


def _errors(
    kernel: Kernel, params: Any, batch: TaskBatch, rows: Candidates, carried: Calibrated
) -> Array:
    def one(task: TaskBatch, masks: list[Array], own: Calibrated) -> Array:
        return kernel.error(params, task, masks, own)

    return _visit(one, (batch,), rows.wanted, (rows.masks, carried))


def _visit(one: Any, batches: tuple, wanted: Array, rows: tuple) -> Any:
    """Call `one(*task's batches, *row)` for every wanted row of every task, one at a time."""

    def one_task(task: Any) -> Any:
        own, chosen, members = task

        def guarded(row: Any) -> Any:
            flag, arguments = row
            shapes = jax.eval_shape(one, *own, *arguments)
            nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
            return jax.lax.cond(flag, lambda: one(*own, *arguments), lambda: nothing)

        return jax.lax.map(guarded, (chosen, members))

    return jax.lax.map(one_task, (batches, wanted, rows))


def _jacks(kernel: Kernel, params: Any, batch: TaskBatch) -> Array:
    """Return the whole network's error with its own class rows on every task."""
    full = [jnp.ones(size, bool) for size in kernel.graph.sizes]
    return jax.lax.map(lambda task: kernel.untouched_error(params, task, full), batch)


def _member(
    kernel: Kernel,
    task: Task,
    number: int,
    row: int,
    rows: Candidates,
    carried: Calibrated,
    seen: np.ndarray,
    unseen: np.ndarray,
    search_errors: Array,
) -> tuple[int, Member]:
    masks = tuple(mask[number, row] for mask in rows.masks)
    kept = tuple(int(mask.sum()) for mask in masks)
    searched = row < search_errors.shape[1]
    scores = Scores(
        kept=kept,
        **_whole_costs(kernel, kept, task),
        search_error=_share(search_errors[number, row]) if searched else None,
        validation_error=_share(seen[number, row]),
        test_error=_share(unseen[number, row]),
    )
    classes = len(task.classes)
    own = jax.tree.map(lambda leaf: leaf[number, row], carried)
    kernel_rows, bias = own.head.kernel[:, :classes], own.head.bias[:classes]
    return row, Member(
        task.name, task.classes, scores, masks, own.statistics, kernel_rows, bias
    )


def _jack(kernel: Kernel, task: Task, validation_error: float, test_error: float) -> Scores:
    sizes = kernel.graph.sizes
    return Scores(
        kept=sizes,
        **_whole_costs(kernel, sizes, task),
        search_error=None,
        validation_error=validation_error,
        test_error=test_error,
    )


def _share(error: Any) -> float:
    """Return an error as the number that float32 stood for."""
    return round(float(error), 6)


def _whole_costs(kernel: Kernel, kept: Sequence[int], task: Task) -> dict[str, int]:
    costs = kernel.graph.cost(np.asarray(kept), len(task.classes))
    return {name: int(cost) for name, cost in costs.items()}


def _nondominated(members: list[Member]) -> list[Member]:
    """Keep what no other member beats on validation error and every cost, by rising parameters."""
    rows = [
        [member.scores.validation_error, *member.scores.costs.values()] for member in members
    ]
    kept = np.asarray(nondominated(jnp.asarray(rows, jnp.float32)))
    chosen = [member for member, keep in zip(members, kept, strict=True) if keep]
    return sorted(chosen, key=lambda member: (member.scores.parameters, member.scores.flops))
