"""A member, what was trained of it, and what became of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._batch import TaskBatch
from ..search._judge import share
from ..search._judge import unbeaten as unbeaten_of
from ..search._problem import Problem
from ..sets._member import Member
from ._case import Case, FineTuned
from ._prepared import kernel_arguments


@final
@dataclass(frozen=True)
class Trial:
    """One member that was recovered.

    Attributes:
      task: the number of its task.
      member: as it was before.
      tuned: what became of it.
      expected: the validation error that a forecast expects of it, if one was asked.
    """

    task: int
    member: Member
    tuned: FineTuned
    expected: float | None = None

    @property
    def error(self) -> float:
        """What it is chosen by: the expected validation error, or else its own."""
        return self.tuned.after if self.expected is None else self.expected

    def after(self) -> Member:
        """Return the member with what it has become; its errors on test data are yet unknown."""
        scores = replace(
            self.member.scores,
            validation_error=share(self.tuned.after),
            epoch=self.tuned.epoch,
            diverged=self.tuned.lost,
            validation_error_before=self.member.scores.validation_error,
            expected_error=None if self.expected is None else share(self.expected),
        )
        return replace(self.member, scores=scores, weights=self.tuned.weights)


def by_task(trials: Sequence[Trial], tasks: int) -> list[list[int]]:
    """Return for each task which trials are of it."""
    rows: list[list[int]] = [[] for _ in range(tasks)]
    for row, trial in enumerate(trials):
        rows[trial.task].append(row)
    return rows


def unbeaten(
    problem: Problem, trials: Sequence[Trial], errors: Sequence[float] | np.ndarray
) -> list[int]:
    """Return which trials of one task no other beats on error and every cost."""
    scores = [trial.member.scores for trial in trials]
    return unbeaten_of(problem, trials[0].task, scores, errors) if trials else []


def error_on_test(problem: Problem) -> Callable[[int, Member], float]:
    """Return what tells a member's error on the test data of the task of that number.

    One program serves all tasks.
    """

    @jax.jit
    def judged(batch: TaskBatch, number: Array, params: Any, *own: Any) -> Array:
        return problem.kernel.error(params, batch.task(number), *own)

    def error(number: int, member: Member) -> float:
        own = kernel_arguments(problem, Case(number, member), problem.test.valid.shape[1])
        return share(judged(problem.test, jnp.int32(number), *own))

    return error


def told(
    error: Callable[[int, Member], float], number: int, trials: Sequence[Trial]
) -> tuple[Member, ...]:
    """Look at test data, once, for the members of a task that were chosen without it.

    Args:
      error: from `error_on_test`.
      number: of the task.
      trials: of the members.
    """
    found = []
    for trial in trials:
        after = trial.after()
        before, now = (error(number, one) for one in (trial.member, after))
        scores = replace(after.scores, test_error=now, test_error_before=before)
        found.append(replace(after, scores=scores))
    return tuple(found)
