"""What sub-networks are as they come to be trained, told in the full network for all of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .._tree import named_leaves, with_leaves
from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Calibrated
from ..fitness._ridge import RidgeHead
from ..search._problem import Problem
from ._bucket import widened
from ._case import Case
from ._ward import Ward

SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""A head in closed form foretells shares; as log odds they are too close by one of these."""
ROWS = 256
"""Examples that the factor is chosen on."""


def arrived(problem: Problem, ward: Ward, cases: Sequence[Case]) -> tuple[list[Case], list[float]]:
    """Return sub-networks with heads whose outputs are log odds, and their validation errors.

    One program serves all: in the arrays of its bucket, each would cost a compilation more.

    Args:
      problem: the network.
      ward: the examples.
      cases: the sub-networks.
    """
    sharpens = problem.kind == "classes" and problem.jat.graph.head is not None

    def one(
        batches: Any, number: Array, params: Any, masks: list[Array], own: Calibrated
    ) -> tuple[Array, Array]:
        training, validation = jax.tree.map(lambda leaf: leaf[number], batches)
        error = problem.kernel.error(params, validation, masks, own)
        if not sharpens:
            return error, jnp.ones(())
        return error, _sharpness(problem, params, masks, own, training)

    # Examples are handed over: closed over, they would be written into the program.
    judged, batches = jax.jit(one), (ward.lessons.task, ward.validation)
    outputs = ward.validation.valid.shape[1]
    found, errors = [], []
    for case in cases:
        number = jnp.int32(case.task)
        error, factor = judged(batches, number, *evaluated(problem, case, outputs))
        found.append(_sharpened(problem, case, float(factor)) if sharpens else case)
        errors.append(float(error))
    return found, errors


def evaluated(problem: Problem, case: Case, outputs: int) -> tuple[Any, list[Array], Calibrated]:
    """Return full parameters, masks and what the sub-network carries, as the kernel takes them.

    Args:
      problem: the network.
      case: the sub-network.
      outputs: of the task with the most.
    """
    jat, head = problem.jat, problem.jat.graph.head
    leaves = named_leaves(widened(case.params, head, outputs))
    own = None
    if head is not None:
        own = RidgeHead(jnp.asarray(leaves[head.kernel]), jnp.asarray(leaves[head.bias]))
        whole = named_leaves(jat.params)
        leaves |= {name: whole[name] for name in (head.kernel, head.bias)}
    params = jax.tree.map(jnp.asarray, with_leaves(jat.params, leaves))
    statistics = {name: named_leaves(params)[name] for name in jat.graph.buffers}
    masks = [jnp.asarray(np.asarray(mask)) for mask in case.masks]
    return params, masks, Calibrated(statistics, own)


def _sharpness(
    problem: Problem, params: Any, masks: list[Array], own: Calibrated, task: TaskBatch
) -> Array:
    """Return which factor of the outputs has the least cross-entropy."""
    assert own.head is not None
    graph, rows = problem.jat.graph, slice(ROWS)
    features, _ = graph.features(params, task.inputs[rows], masks, False)
    outputs = features @ own.head.kernel + own.head.bias

    def loss(factor: Array) -> Array:
        odds = jnp.where(task.valid, factor * outputs, -1e9)
        return optax.softmax_cross_entropy(odds, task.targets[rows]).mean()

    factors = jnp.asarray(SHARPNESS)
    return factors[jnp.argmin(jax.vmap(loss)(factors))]


def _sharpened(problem: Problem, case: Case, factor: float) -> Case:
    head = problem.jat.graph.head
    assert head is not None
    leaves = named_leaves(case.params)
    own = {name: np.float32(factor) * leaves[name] for name in (head.kernel, head.bias)}
    return replace(case, params=with_leaves(case.params, leaves | own))
