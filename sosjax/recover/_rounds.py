"""Rounds of recovery: first the members that a search found, then those that they point to."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._recovery import Recovery
from ..search._judge import Candidates, calibrated
from ..search._problem import Problem
from ..sets._member import Member
from ..sets._set_of_sets import SetOfSets
from ..space._importance import ranking
from ._forecast import forecast
from ._heal import Progress, heal
from ._seeking import genes_of, ratios_of, seek, spread
from ._trial import Trial, case_of, unbeaten
from ._ward import counts

DOUBT = 1.0
"""Deviations below the mean that an error is taken to be, in all rounds but the last."""


def recovered(
    problem: Problem,
    sets: SetOfSets,
    recovery: Recovery,
    place: Path | None = None,
    progress: Progress | None = None,
) -> list[Trial]:
    """Recover the sets' members, and those of further rounds; return all of them.

    Args:
      problem: the network and the examples.
      sets: what was found.
      recovery: how to train, and how many rounds.
      place: a folder to keep checkpoints in.
      progress: called with `{"event": text}` after each epoch.
    """
    trials: list[Trial] = []
    fresh = [(number, one) for number, task in enumerate(sets.tasks) for one in task.members]
    for number in range(recovery.rounds + 1):
        if number > 0:
            fresh = _further(problem, trials, recovery, number)
        own = None if place is None else place / f"round-{number}"
        cases = [case_of(problem.jat, task, member) for task, member in fresh]
        healed = heal(problem, cases, recovery, own, progress) if cases else []
        rows = zip(cases, fresh, healed, strict=True)
        trials += [Trial(case, member, became) for case, (_, member), became in rows]
    return trials


def _further(
    problem: Problem, trials: Sequence[Trial], recovery: Recovery, number: int
) -> list[tuple[int, Member]]:
    """Return members that a forecast likes and nobody has recovered, with their tasks."""
    encoding = ratios_of(problem)
    kept = np.array([trial.member.scores.kept for trial in trials])
    tasks = np.array([trial.case.task for trial in trials])
    examples = counts(problem.validation)[tasks]
    errors = np.array([trial.healed.after for trial in trials])
    found = forecast(genes_of(encoding, kept), tasks, errors, examples)
    doubt = 0.0 if number == recovery.rounds else DOUBT
    known = _fronts(problem, trials, genes_of(encoding, kept))
    genotypes, best = seek(problem, found, known, doubt, recovery.seed + number)
    chosen = [
        _chosen(
            problem,
            task,
            np.asarray(encoding.kept(jnp.asarray(genotypes[task]))).astype(np.int64),
            best[task],
            {
                tuple(row)
                for row, own in zip(kept.tolist(), tasks.tolist(), strict=True)
                if own == task
            },
            recovery.further,
        )
        for task in range(len(problem.tasks))
    ]
    width = max(1, *map(len, chosen))
    rows = np.array([[*own, *[0] * (width - len(own))] for own in chosen])
    wanted = np.array([[place < len(own) for place in range(width)] for own in chosen])
    drawn = jnp.asarray(np.take_along_axis(genotypes, rows[..., None], 1))
    decode = jax.vmap(jax.vmap(encoding.decode, in_axes=(0, None)))
    masks = jax.jit(decode)(drawn, ranking([score.mean(1) for score in problem.scores]))
    members = calibrated(problem, Candidates(masks, jnp.asarray(wanted)))
    return [(task, member) for task, own in enumerate(members) for member in own]


def _chosen(
    problem: Problem, task: int, kept: np.ndarray, best: np.ndarray, taken: set, count: int
) -> list[int]:
    """Return rows of a population: unbeaten, not yet recovered, spread over the first cost."""
    rows: dict[tuple[int, ...], int] = {}
    for row in np.flatnonzero(best).tolist():
        key = tuple(kept[row].tolist())
        if key not in taken:
            rows.setdefault(key, row)
    if not rows:
        return []
    places = list(rows.values())
    costs = problem.jat.graph.cost(kept[places], len(problem.tasks[task].classes))
    first = costs[problem.settings.costs[0]]
    return [places[place] for place in spread(first.astype(float), count)]


def _fronts(problem: Problem, trials: Sequence[Trial], genes: np.ndarray) -> Array:
    """Return the genes of every task's unbeaten members, repeated to one number: [T, M, D]."""
    fronts = []
    for number in range(len(problem.tasks)):
        rows = [row for row, trial in enumerate(trials) if trial.case.task == number]
        best = unbeaten([trials[row] for row in rows])
        fronts.append(genes[np.array(rows)[best]])
    most = max(map(len, fronts))
    repeated = [front[np.arange(most) % len(front)] for front in fronts]
    return jnp.asarray(np.stack(repeated), jnp.float32)
