"""What a front is trained and judged on, laid out once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._types import Array
from ..fitness._batch import TaskBatch
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
    batch, calibration, validation = (part._replace(solved=None, penalty=None) for part in parts)
    return Ward(Lesson(batch, teacher), calibration, validation)


def counts(batch: TaskBatch) -> np.ndarray:
    """Return how many examples each task has, padding left out."""
    if batch.real is None:
        return np.full(len(batch.inputs), batch.inputs.shape[1])
    return np.asarray(batch.real.sum(1)).astype(int)


def orders(batch: TaskBatch, recovery: Recovery, epoch: int) -> Array:
    """Return which examples each step of an epoch looks at, int32 [T, N, B].

    All tasks take as many steps as the largest; a smaller one goes through its examples again.
    """
    sizes = counts(batch)
    steps = int(sizes.max()) // recovery.batch
    rng = np.random.default_rng((recovery.seed, epoch))
    rows = []
    for size in sizes.tolist():
        rounds = -(-steps * recovery.batch // size)
        row = np.concatenate([rng.permutation(size) for _ in range(rounds)])
        rows.append(row[: steps * recovery.batch].reshape(steps, recovery.batch))
    return jnp.asarray(np.stack(rows), jnp.int32)
