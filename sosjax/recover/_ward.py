"""What a front is trained and judged on, laid out once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .._errors import require
from ..fitness._batch import TaskBatch
from ..fitness._orders import counts as counts
from ..fitness._orders import orders as orders
from ..fitness._recovery import Recovery
from ..fitness._training import Lesson
from ..search._problem import Problem


class Ward(NamedTuple):
    """What all members of a front are trained and judged on, by task.

    Attributes:
      lessons: examples to train on [T, B, ...], and the Jack's outputs.
      calibration: examples that moments are estimated on.
      validation: examples that choose the epoch.
    """

    lessons: Lesson
    calibration: TaskBatch
    validation: TaskBatch


def ward_of(problem: Problem, recovery: Recovery) -> Ward:
    """Gather the examples and ask the Jack about them.

    Raises:
      InputError: a task has fewer examples than a batch.
    """
    batch = problem.training(recovery.images)
    fewest = int(counts(batch).min())
    require(
        fewest >= recovery.batch,
        f"`recovery.batch` must be at most the {fewest} search examples of the smallest task, got "
        f"{recovery.batch}.",
    )
    # Without distillation nobody asks, and outputs of tokens are large.
    ask = recovery.distillation > 0
    teacher = (
        jax.jit(problem.kernel.outputs)(problem.jat.params, batch)
        if ask
        else jnp.zeros(batch.inputs.shape[:2])
    )
    parts = (batch, problem.calibration, problem.validation)
    # What a fitness knows beyond the examples is none of a member's that has its own weights.
    bare = {"solved": None, "penalty": None, "known": None, "jack": None}
    batch, calibration, validation = (part._replace(**bare) for part in parts)
    return Ward(Lesson(batch, teacher), calibration, validation)
