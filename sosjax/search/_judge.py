"""The end of a search: calibrate, choose on validation data, report on test data."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Calibrated, Kernel
from ..fitness._placement import everywhere, fetched, population_mesh, spread, together
from ..graph._cost import COSTS
from ..pareto._dominance import nondominated
from ..sets._member import Member, Scores
from ..space._encoding import AbstractEncoding
from ..tasks._task import Task
from ._problem import Problem


class Candidates(NamedTuple):
    """Sub-networks to judge, M for each task.

    Attributes:
      masks: for each group bool [T, M, size].
      wanted: bool [T, M]; the others are not evaluated.
    """

    masks: list[Array]
    wanted: Array


def candidates(
    encoding: AbstractEncoding, genotypes: Array, rankings: list[Array], wanted: Array
) -> Candidates:
    """Decode genotypes [T, M, D] over each task's rankings."""
    by_row = jax.vmap(encoding.decode, in_axes=(0, None))
    return Candidates(jax.jit(jax.vmap(by_row))(genotypes, rankings), wanted)


def judge(
    problem: Problem, sources: Sequence[Candidates]
) -> list[tuple[Scores, list[dict[int, Member]]]]:
    """Calibrate candidates on search data, choose on validation data, report on test data.

    Of every source and task those remain that no other of that source beats on validation error
    and every cost. Test data is looked at after that, and by the remaining ones alone.

    Args:
      problem: the network and the examples.
      sources: what is compared, the fronts of a search and a baseline, say.

    Returns:
      For each task the scores of the Jack, with its own statistics and class rows, and for each
      source the remaining members by their row. An error that is not finite remains nowhere.
    """
    rows = _joined(*sources)
    carried = _spread(_calibrated, problem, problem.calibration, rows)
    rows, carried = _joined((rows, carried), _jacks(problem))
    seen = np.asarray(_spread(_errors, problem, problem.validation, rows, carried))
    kept = np.stack([np.asarray(mask.sum(-1)) for mask in rows.masks], -1)
    ends = np.cumsum([0, *(source.wanted.shape[1] for source in sources)])
    parts = list(pairwise(ends.tolist()))
    finite = np.asarray(rows.wanted) & np.isfinite(seen)
    chosen = _chosen(problem, seen, kept, finite, parts)
    rows = rows._replace(wanted=chosen)
    unseen = np.asarray(_spread(_errors, problem, problem.test, rows, carried))
    made = _maker(problem, rows, carried)

    def member(number: int, row: int) -> Member:
        return made(number, row, seen[number, row], unseen[number, row])

    return [
        (
            member(number, -1).scores,
            [
                {
                    row - start: member(number, row)
                    for row in range(start, end)
                    if chosen[number, row]
                }
                for start, end in parts
            ],
        )
        for number in range(len(problem.tasks))
    ]


def calibrated(problem: Problem, rows: Candidates) -> list[list[Member]]:
    """Calibrate candidates on search data and look at validation data, not at test data.

    Returns:
      For each task the wanted candidates whose error is finite; their test error is yet NaN.
    """
    carried = _spread(_calibrated, problem, problem.calibration, rows)
    errors = _spread(_errors, problem, problem.validation, rows, carried)
    finite = np.asarray(rows.wanted) & np.isfinite(errors)
    made, seen = _maker(problem, rows, carried), np.asarray(errors)
    return [
        [made(number, row, seen[number, row], np.nan) for row in np.flatnonzero(own).tolist()]
        for number, own in enumerate(finite)
    ]


def _maker(problem: Problem, rows: Candidates, carried: Calibrated) -> Callable[..., Member]:
    """Return what makes a row of a task a member, given its two errors."""
    graph, params = problem.jat.graph, problem.jat.params
    masks, carried = jax.tree.map(np.asarray, (rows.masks, carried))

    def made(number: int, row: int, seen: Any, unseen: Any) -> Member:
        own = [mask[number, row] for mask in masks]
        weights = _weights(problem.kernel, params, problem.calibration, jnp.int32(number), own)
        return _member(
            problem.tasks[number],
            own,
            jax.tree.map(lambda leaf: leaf[number, row], carried),
            _scores(problem, number, np.array([mask.sum() for mask in own]), seen, unseen),
            graph.cut_leaves(params, weights, own),
        )

    return made


def _chosen(
    problem: Problem,
    seen: np.ndarray,
    kept: np.ndarray,
    finite: np.ndarray,
    parts: Sequence[tuple[int, int]],
) -> np.ndarray:
    """Return which rows [T, M] no other of their part beats, and the Jack's."""
    chosen = np.zeros(seen.shape, bool)
    chosen[:, -1] = True
    for number in range(len(problem.tasks)):
        costs = problem.cost(number, kept[number])
        rows = np.stack([np.where(finite[number], seen[number], np.inf), *costs.values()], -1)
        for start, end in parts:
            best = nondominated(jnp.asarray(rows[start:end], jnp.float32))
            chosen[number, start:end] = np.asarray(best)
    return chosen


def unbeaten(
    problem: Problem, number: int, scores: Sequence[Scores], errors: Sequence[float] | np.ndarray
) -> list[int]:
    """Return which sub-networks of one task no other beats on error and every cost; of equals one.

    Args:
      problem: knows the costs.
      number: of the task.
      scores: what they keep.
      errors: what is told of each.
    """
    if not scores:
        return []
    costs = problem.cost(number, np.array([one.kept for one in scores]))
    rows = np.stack([np.asarray(errors), *costs.values()], -1)
    return np.flatnonzero(nondominated(jnp.asarray(rows, jnp.float32))).tolist()


def share(error: Any) -> float:
    """Return a float32 share as the short number it stands for; 1 if an output was not finite."""
    return round(min(float(error), 1.0), 6)


def _spread(program: Callable[..., Any], problem: Problem, batch: TaskBatch, *rows: Any) -> Any:
    """Run a program whose rows all devices share out."""
    mesh = population_mesh()
    given = everywhere((problem.jat.params, batch, *rows), mesh)
    with together():
        return fetched(program(problem.kernel, *given), mesh)


# Compiled once for a kernel and shapes, however often members are judged: rounds of recovery do.
@partial(jax.jit, static_argnums=0)
def _calibrated(kernel: Kernel, params: Any, search: TaskBatch, rows: Candidates) -> Calibrated:
    def one(params: Any, task: TaskBatch, masks: list[Array]) -> Calibrated:
        return kernel.calibrate(params, task, masks)[1]

    return _visit(one, params, search, rows.wanted, (rows.masks,))


@partial(jax.jit, static_argnums=0)
def _weights(
    kernel: Kernel, params: Any, batch: TaskBatch, number: Array, masks: list[Array]
) -> dict[str, Array]:
    return kernel.weights(params, batch.task(number), masks)


def _jacks(problem: Problem) -> tuple[Candidates, Calibrated]:
    """Return the whole network as one more candidate of every task."""
    tasks = len(problem.tasks)
    masks = [jnp.asarray(np.ones((tasks, 1, size), bool)) for size in problem.mask_sizes]
    untouched = _untouched(problem.kernel, problem.jat.params, problem.search)
    return Candidates(masks, jnp.asarray(np.ones((tasks, 1), bool))), untouched


@partial(jax.jit, static_argnums=0)
def _untouched(kernel: Kernel, params: Any, batch: TaskBatch) -> Calibrated:
    """Return what the whole network carries, [T, 1, ...]."""
    found = jax.vmap(partial(kernel.untouched, params))(batch)
    return jax.tree.map(lambda leaf: leaf[:, None], found)


@jax.jit
def _joined(*rows: Any) -> Any:
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves, 1), *rows)


@partial(jax.jit, static_argnums=0)
def _errors(
    kernel: Kernel, params: Any, batch: TaskBatch, rows: Candidates, carried: Calibrated
) -> Array:
    def one(params: Any, task: TaskBatch, masks: list[Array], own: Calibrated) -> Array:
        return kernel.error(kernel.adapted(params, task, masks), task, masks, own)

    return _visit(one, params, batch, rows.wanted, (rows.masks, carried))


def _visit(one: Any, params: Any, batch: TaskBatch, wanted: Array, rows: tuple) -> Any:
    """Call `one(params, task, *row)` for every wanted row of every task, one at a time."""

    def all_tasks(params: Any, batch: TaskBatch, wanted: Array, rows: tuple) -> Any:
        def one_task(task: Any) -> Any:
            own, chosen, members = task

            def guarded(row: Any) -> Any:
                flag, arguments = row
                shapes = jax.eval_shape(one, params, own, *arguments)
                nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
                return jax.lax.cond(flag, lambda: one(params, own, *arguments), lambda: nothing)

            return jax.lax.map(guarded, (chosen, members))

        return jax.lax.map(one_task, (batch, wanted, rows))

    return spread(all_tasks, (params, batch), (wanted, rows), population_mesh())


def _member(
    task: Task,
    masks: list[np.ndarray],
    carried: Calibrated,
    scores: Scores,
    weights: dict[str, np.ndarray],
) -> Member:
    classes = len(task.classes)
    nothing = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
    kernel, bias = nothing if carried.head is None else map(np.asarray, carried.head)
    return Member(
        task=task.name,
        classes=tuple(task.classes),
        scores=scores,
        masks=tuple(masks),
        statistics={name: np.asarray(leaf) for name, leaf in carried.statistics.items()},
        kernel=kernel[:, :classes],
        bias=bias[:classes],
        weights=weights,
    )


def _scores(problem: Problem, number: int, kept: np.ndarray, seen: Any, unseen: Any) -> Scores:
    counted = problem.cost(number, kept)
    costs: dict[str, Any] = {name: int(counted[name]) for name in COSTS}
    return Scores(
        kept=tuple(kept.tolist()),
        **costs,
        search_error=None,
        validation_error=share(seen),
        test_error=float("nan") if np.isnan(unseen) else share(unseen),
    )
