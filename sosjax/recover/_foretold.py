"""What recovered members teach: errors held against those of others, or foretold from them."""

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from ..search._problem import Problem
from ..training._orders import counts
from ..training._recovery import Recovery
from ._forecast import Forecast, forecast
from ._seeking import traits_of
from ._trial import Trial, by_task

FOLDS = 10
"""Those of one fold are foretold from the other nine."""


def averaged(problem: Problem, trials: Sequence[Trial], recovery: Recovery) -> list[Trial]:
    """Return them with the validation errors that a forecast expects, after further rounds.

    The lowest of many noisy errors is mostly luck; a forecast holds each against those of
    sub-networks like it.
    """
    if recovery.rounds == 0:
        return list(trials)
    errors = _foretold(problem, trials, trials).tolist()
    return [replace(one, expected=error) for one, error in zip(trials, errors, strict=True)]


def unseen(problem: Problem, trials: Sequence[Trial]) -> np.ndarray:
    """Return each one's validation error as it is foretold from others alone, [N].

    Those of a task are dealt to `FOLDS` in turn; those of one fold are foretold from the rest.
    """
    folds, errors = np.zeros(len(trials), int), np.zeros(len(trials))
    for rows in by_task(trials, len(problem.tasks)):
        folds[rows] = np.arange(len(rows)) % FOLDS
    for fold in range(folds.max() + 1):
        known, asked = (
            [trial for trial, one in zip(trials, own, strict=True) if one]
            for own in (folds != fold, folds == fold)
        )
        errors[folds == fold] = _foretold(problem, known, asked)
    return errors


def _foretold(problem: Problem, known: Sequence[Trial], asked: Sequence[Trial]) -> np.ndarray:
    """Return the validation errors of some that a forecast learnt from others foretells, [N]."""
    found, (kept, tasks) = learnt(problem, known), counts_and_tasks(asked)
    genes, errors = jnp.asarray(traits_of(problem, kept), jnp.float32), []
    for task in range(len(problem.tasks)):
        errors.append(np.exp(found(genes, task)[0]))
    shares = np.stack(errors)[tasks, np.arange(len(tasks))]
    # Without the half example that it was learnt with.
    return np.clip(shares - 0.5 / counts(problem.validation)[tasks], 0, 1)


def learnt(problem: Problem, trials: Sequence[Trial]) -> Forecast:
    """Return a forecast from sub-networks that were recovered."""
    kept, tasks = counts_and_tasks(trials)
    errors, losses = (
        np.array([getattr(trial.tuned, name) for trial in trials]) for name in ("after", "loss")
    )
    examples = counts(problem.validation)[tasks]
    traits = traits_of(problem, kept)
    return forecast(traits, tasks, errors, losses, examples, len(problem.tasks))


def counts_and_tasks(trials: Sequence[Trial]) -> tuple[np.ndarray, np.ndarray]:
    """Return each one's counts, [N, G + blocks], and the number of its task, [N]."""
    kept = np.array([trial.member.scores.kept for trial in trials])
    return kept, np.array([trial.task for trial in trials])
