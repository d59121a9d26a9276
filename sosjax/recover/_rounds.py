"""Rounds of recovery: first the members that a search found, then those that they point to."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .._progress import Progress
from .._types import Array
from ..fitness._recovery import Recovery
from ..search._judge import calibrated, candidates
from ..search._problem import Problem
from ..sets._member import Member
from ..sets._set_of_sets import SetOfSets
from ..space._importance import ranking
from ._case import Case
from ._forecast import Forecast, forecast
from ._heal import heal
from ._promise import promising
from ._sample import rows_of, strewn
from ._seeking import aimed, genes_of, ratios_of, seek, traits_of
from ._trial import Trial, by_task, unbeaten
from ._ward import counts, ward_of

CAUTION = 0.5
"""Deviations above the mean that an error is taken to be: far from what is known, nothing is."""
LARGEST = 0.6
"""The share of a cost below which sub-networks are strewn: above, hardly any errs more."""
FOLDS = 10
"""Those of one fold are foretold from the other nine."""


def recovered(
    problem: Problem,
    sets: SetOfSets,
    recovery: Recovery,
    place: Path | None = None,
    progress: Progress | None = None,
) -> list[Trial]:
    """Recover the sets' members, and those of further rounds; return all of them.

    A front alone teaches little about what lies beside it. If there are further rounds, the first
    therefore recovers sub-networks of all sizes, drawn at random, along with the sets' members.

    Args:
      problem: the network and the examples.
      sets: what was found.
      recovery: how to train, and how many rounds.
      place: a folder to keep checkpoints in.
      progress: called with `{"event": text}` after each epoch.
    """
    trials, ward = list[Trial](), ward_of(problem, recovery)
    fresh = [(number, one) for number, task in enumerate(sets.tasks) for one in task.members]
    if recovery.rounds > 0:
        fresh += _strewn(problem, sets, recovery)
    for number in range(recovery.rounds + 1):
        tell = _of_round(progress, number, recovery.rounds)
        if number > 0:
            fresh = _further(problem, trials, recovery, number)
        own = None if place is None else place / f"round-{number}"
        cases = [Case(task, member) for task, member in fresh]
        healed = heal(problem, cases, recovery, own, tell, ward) if cases else []
        rows = zip(fresh, healed, strict=True)
        trials += [Trial(task, member, became) for (task, member), became in rows]
    return trials


def _of_round(progress: Progress | None, number: int, rounds: int) -> Progress | None:
    """Return a progress that says which round it is, where there are several."""
    if progress is None or rounds == 0:
        return progress
    place = f"round {number + 1} of {rounds + 1}"
    return lambda event: progress(event | {"event": f"{place}: {event['event']}"})


def averaged(problem: Problem, trials: Sequence[Trial], recovery: Recovery) -> np.ndarray:
    """Return each one's validation error, after further rounds as a forecast takes it, [N].

    The lowest of many noisy errors is mostly luck; a forecast holds each against those of
    sub-networks like it.
    """
    if recovery.rounds == 0:
        return np.array([trial.healed.after for trial in trials])
    return _foretold(problem, trials, trials)


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
    return np.minimum(errors, 1.0)


def _foretold(problem: Problem, known: Sequence[Trial], asked: Sequence[Trial]) -> np.ndarray:
    """Return the validation errors of some that a forecast learnt from others foretells, [N]."""
    found, (kept, tasks) = _learnt(problem, known), _placed(asked)
    genes, errors = jnp.asarray(traits_of(problem, kept), jnp.float32), []
    for task in range(len(problem.tasks)):
        errors.append(np.exp(found(genes, task)[0]))
    return np.stack(errors)[tasks, np.arange(len(tasks))]


def _learnt(problem: Problem, trials: Sequence[Trial]) -> Forecast:
    """Return a forecast from sub-networks that were recovered."""
    kept, tasks = _placed(trials)
    errors, losses = (
        np.array([getattr(trial.healed, name) for trial in trials]) for name in ("after", "loss")
    )
    examples = counts(problem.validation)[tasks]
    return forecast(traits_of(problem, kept), tasks, errors, losses, examples)


def _placed(trials: Sequence[Trial]) -> tuple[np.ndarray, np.ndarray]:
    """Return each one's counts, [N, G + blocks], and the number of its task, [N]."""
    kept = np.array([trial.member.scores.kept for trial in trials])
    return kept, np.array([trial.task for trial in trials])


def _strewn(problem: Problem, sets: SetOfSets, recovery: Recovery) -> list[tuple[int, Member]]:
    """Return members drawn at random, of sizes spread evenly on a log axis, with their tasks."""
    own = [[member.masks for member in task.members] for task in sets.tasks]
    wanted, shares = [recovery.further] * len(own), (recovery.smallest, LARGEST)
    drawn = strewn(problem, own, wanted, recovery.seed, shares, problem.settings.costs[0])
    if not any(drawn):
        return []
    found = calibrated(problem, rows_of(drawn))
    return [(task, member) for task, members in enumerate(found) for member in members]


def _further(
    problem: Problem, trials: Sequence[Trial], recovery: Recovery, number: int
) -> list[tuple[int, Member]]:
    """Return members that promise more than those that were recovered, with their tasks."""
    encoding = ratios_of(problem)
    found, (kept, tasks) = _learnt(problem, trials), _placed(trials)
    aim = aimed(problem, found, CAUTION, recovery.smallest)
    known = _fronts(problem, trials, genes_of(encoding, kept))
    genotypes, objectives = seek(problem, aim, known, recovery.seed + number)
    aim = jax.jit(aim)
    chosen = []
    for task in range(len(problem.tasks)):
        own = kept[tasks == task]
        fresh = _fresh(encoding.kept(jnp.asarray(genotypes[task])), own)
        there = np.asarray(aim(jnp.asarray(own), jnp.int32(task)))
        rows = promising(objectives[task][fresh], there, recovery.further)
        chosen.append(fresh[rows].tolist())
    width = max(1, *map(len, chosen))
    rows = np.array([[*own, *[0] * (width - len(own))] for own in chosen])
    wanted = np.array([[place < len(own) for place in range(width)] for own in chosen])
    drawn = jnp.asarray(np.take_along_axis(genotypes, rows[..., None], 1))
    rankings = ranking([score.mean(1) for score in problem.scores])
    members = calibrated(problem, candidates(encoding, drawn, rankings, jnp.asarray(wanted)))
    return [(task, member) for task, own in enumerate(members) for member in own]


def _fresh(kept: Array, taken: np.ndarray) -> np.ndarray:
    """Return the rows whose counts differ from each other and from those that are taken."""
    rows = np.concatenate([taken, np.asarray(kept)]).astype(np.int64)
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.sort(first[first >= len(taken)]) - len(taken)


def _fronts(problem: Problem, trials: Sequence[Trial], genes: np.ndarray) -> Array:
    """Return the genes of every task's unbeaten members, repeated to one number: [T, M, D]."""
    fronts = []
    for rows in by_task(trials, len(problem.tasks)):
        own = [trials[row] for row in rows]
        best = unbeaten(problem, own, [trial.healed.after for trial in own])
        fronts.append(genes[np.array(rows)[best]])
    most = max(map(len, fronts))
    repeated = [front[np.arange(most) % len(front)] for front in fronts]
    return jnp.asarray(np.stack(repeated), jnp.float32)
