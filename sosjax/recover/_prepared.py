"""What sub-networks are as they come to be trained, told in the full network for all of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._tree import named_leaves, with_leaves
from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Calibrated, Kernel
from ..fitness._ridge import RidgeHead
from ..search._problem import Problem
from ._bucket import widened
from ._case import Case
from ._course import Course
from ._sharpness import CHOSEN_ON, sharpness


def prepared(
    problem: Problem, course: Course, cases: Sequence[Case]
) -> tuple[list[Case], list[tuple[float, float]]]:
    """Return sub-networks with heads whose outputs are log odds, and their marks.

    Marks are validation errors and losses. One program serves all: in the arrays of its bucket,
    each would cost a compilation more.

    Args:
      problem: the network.
      course: the examples.
      cases: the sub-networks.
    """
    sharpens = problem.kind == "classes" and problem.jat.graph.head is not None
    batches = course.lessons.batch, course.validation
    outputs = course.validation.valid.shape[1]
    found, marks = [], []
    for case in cases:
        number = jnp.int32(case.task)
        own = kernel_arguments(problem, case, outputs)
        error, loss, factor = _judged(problem.kernel, sharpens, batches, number, *own)
        found.append(replace(case, sharpness=float(factor)))
        marks.append((float(error), float(loss)))
    return found, marks


def kernel_arguments(
    problem: Problem, case: Case, outputs: int
) -> tuple[Any, list[Array], Calibrated]:
    """Return full parameters, masks and what the sub-network carries, as the kernel takes them.

    Args:
      problem: the network.
      case: the sub-network.
      outputs: of the task with the most.
    """
    jat, head = problem.jat, problem.jat.graph.head
    leaves = named_leaves(widened(case.params(jat), head, outputs))
    own = None
    if head is not None:
        own = RidgeHead(jnp.asarray(leaves[head.kernel]), jnp.asarray(leaves[head.bias]))
        whole = named_leaves(jat.params)
        leaves |= {name: whole[name] for name in (head.kernel, head.bias)}
    params = jax.tree.map(jnp.asarray, with_leaves(jat.params, leaves))
    statistics = {name: named_leaves(params)[name] for name in jat.graph.buffers}
    masks = [jnp.asarray(np.asarray(mask)) for mask in case.masks]
    return params, masks, Calibrated(statistics, own)


# Examples are handed over: closed over, they would be written into the program.
@partial(jax.jit, static_argnums=(0, 1))
def _judged(
    kernel: Kernel,
    sharpens: bool,
    batches: tuple[TaskBatch, TaskBatch],
    number: Array,
    params: Any,
    masks: list[Array],
    own: Calibrated,
) -> tuple[Array, Array, Array]:
    """Return a sub-network's validation error and loss, and how sharp its outputs are."""
    task, validation = (batch.task(number) for batch in batches)
    if not sharpens:
        return *kernel.marks(params, validation, masks, own), jnp.ones(())
    assert own.head is not None
    features, _ = kernel.graph.features(params, task.inputs[:CHOSEN_ON], masks, False)
    outputs = features @ own.head.kernel + own.head.bias
    factor = sharpness(outputs, task.targets, task.valid, task.real)
    # Training sets out from log odds.
    own = own._replace(head=jax.tree.map(lambda leaf: factor * leaf, own.head))
    return *kernel.marks(params, validation, masks, own), factor
