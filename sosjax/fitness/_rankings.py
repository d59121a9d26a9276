"""Scores of units from examples of a task: one pass over them, whatever is asked."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp

from .._types import Array, Float
from ..graph._subject import Subject
from ..graph._watch import watched_features
from ..space._importance import example_scores
from ._batch import TaskBatch


def task_scores(
    graph: Subject,
    params: Any,
    task: TaskBatch,
    kernel: Float[Array, "F C"] | None,
    loss: Callable[[Array, Array], Array],
    side_by_side: int,
    names: Sequence[str],
) -> dict[str, list[Float[Array, " _size"]]]:
    """Score the units of every group on a task's examples, see `example_scores`.

    Args:
      graph: the network.
      params: the full parameters.
      task: its examples.
      kernel: of the task's head; `None` without one.
      loss: `loss(features or outputs [1, ...], targets [1, ...])`, a number.
      side_by_side: examples that go through the network at the same time.
      names: which scores.
    """

    def one(masks: list[Array], watch: Array, inputs: Array, targets: Array) -> Array:
        if "activation" in names:
            outputs = watched_features(graph, params, inputs, masks, watch, kernel)
        else:
            outputs, _ = graph.features(params, inputs, masks, estimate=False)
        return loss(outputs, targets)

    rows, weights = (task.inputs, task.targets), task.real
    weights = jnp.ones(len(task.inputs)) if weights is None else weights
    return example_scores(one, graph.sizes, rows, weights, side_by_side, names)
