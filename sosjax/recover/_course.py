"""What a front is trained and judged on, laid out once."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._errors import require
from .._types import Array
from ..fitness._batch import TaskBatch, require_fits
from ..fitness._kernel import Kernel
from ..search._problem import Problem
from ..training._orders import counts
from ..training._recovery import Recovery
from ..training._trainer import Lesson
from ._sharpness import sharpness


class Course(NamedTuple):
    """What all members of a front are trained and judged on, by task.

    Attributes:
      lessons: examples to train on [T, B, ...], and the Jack's outputs.
      calibration: examples that moments are estimated on.
      validation: examples that choose the epoch.
    """

    lessons: Lesson
    calibration: TaskBatch
    validation: TaskBatch


def course_of(problem: Problem, recovery: Recovery) -> Course:
    """Gather the examples and ask the Jack about them.

    Raises:
      InputError: a task has fewer examples than a batch, or what the Jack says of all of them
        does not fit into the memory of the device.
    """
    batch = problem.training(recovery.images)
    fewest = int(counts(batch).min())
    require(
        fewest >= recovery.batch,
        f"`recovery.batch` must be at most the {fewest} search examples of the smallest task, got "
        f"{recovery.batch}.",
    )
    # Without distillation nobody asks, and outputs of tokens are large.
    teacher = jnp.zeros(batch.inputs.shape[:2])
    if recovery.distillation > 0:
        asked = partial(_teacher, problem.kernel)
        shape = jax.eval_shape(asked, problem.jat.params, batch)
        require_fits(
            math.prod(shape.shape) * shape.dtype.itemsize,
            "`recovery.distillation` must keep what the Jack says of all examples within",
            "fewer examples (`recovery.images`) do, or none of it (`distillation = 0`)",
        )
        teacher = asked(problem.jat.params, batch)
    parts = (batch, problem.calibration, problem.validation)
    # What a fitness knows beyond the examples is none of a member's that has its own weights.
    bare = {"solved": None, "penalty": None, "known": None, "jack": None}
    batch, calibration, validation = (part._replace(**bare) for part in parts)
    return Course(Lesson(batch, teacher), calibration, validation)


@partial(jax.jit, static_argnums=0)
def _teacher(kernel: Kernel, params: Any, batch: TaskBatch) -> Array:
    """Return what the Jack says of every example [T, B, ...]; of classes, log odds."""
    outputs = kernel.outputs(params, batch)
    if kernel.kind != "classes" or batch.solved is None:
        return outputs

    def factor(task: TaskBatch, outputs: Array) -> Array:
        found = sharpness(outputs, task.targets, task.valid, task.real)
        return jnp.where(task.own, 1.0, found)

    # Taken as they are, shares would say that all classes are nearly as likely.
    return jax.vmap(factor)(batch, outputs)[:, None, None] * outputs
