"""Which sub-networks a further round recovers: what those before it point to."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..environments._environment import Environment
from ..search._judge import calibrated, candidates
from ..search._problem import Problem
from ..sets._member import Member
from ..training._recovery import Recovery
from ._foretold import counts_and_tasks, learnt
from ._promise import better_within, promising
from ._seeking import aimed, genes_of, ratios_of, seek
from ._trial import Trial, by_task, unbeaten

CAUTION = 0.5
"""Deviations above the mean that an error is taken to be: far from what is known, nothing is."""


def further(
    problem: Problem,
    environments: Sequence[Environment],
    trials: Sequence[Trial],
    recovery: Recovery,
    number: int,
) -> list[tuple[int, Member]]:
    """Return members that promise more than those that were recovered, with their tasks.

    Up to half of them, rounded up, are sought for environments, each the best within its limits: on
    a front hardly any member is as large as an environment allows. The others widen the front.

    Args:
      problem: the network and the examples.
      environments: where members will run.
      trials: what was recovered, at least one; for a task of which nothing was, nothing is sought.
      recovery: how many members for each task, and the seed.
      number: of the round, from 1.
    """
    encoding, (kept, tasks) = ratios_of(problem), counts_and_tasks(trials)
    aim = aimed(problem, learnt(problem, trials), CAUTION, recovery.smallest, environments)
    known = _fronts(problem, trials, genes_of(encoding, kept))
    key = jax.random.fold_in(jax.random.key(recovery.seed), number)
    genotypes = seek(problem, aim, known, 1 + len(environments), key)
    aim, chosen = jax.jit(aim), []
    for task in range(len(problem.tasks)):
        own, drawn = tasks == task, np.asarray(encoding.kept(jnp.asarray(genotypes[task])))
        if not own.any():
            chosen.append([])
            continue
        fresh = _fresh(drawn, kept[own])
        # Of all rows, those of other tasks too: so one program serves every task.
        new, old = (
            np.asarray(aim(jnp.asarray(rows), jnp.int32(task), jnp.int32(0)))
            for rows in (drawn, kept)
        )
        fit, held = (
            problem.excess(task, rows.astype(int), environments) == 0
            for rows in (drawn[fresh], kept[own])
        )
        rows = _best(new[fresh], old[own], fit, held, recovery.further)
        chosen.append(fresh[rows].tolist())
    return _members(problem, genotypes, chosen)


def _best(
    points: np.ndarray, known: np.ndarray, fit: np.ndarray, held: np.ndarray, count: int
) -> list[int]:
    """Return which rows promise most beyond what is known; those for environments come first.

    Args:
      points: objectives that are promised, the error first, [M, K].
      known: those of what there is, [N, K].
      fit: which of the points are within the limits of each environment, [E, M].
      held: which of what there is, [E, N].
      count: how many rows at most.
    """
    within, before = (
        np.where(fits, each[:, 0], np.inf) for fits, each in ((fit, points), (held, known))
    )
    first = better_within(within, before, (count + 1) // 2)
    known = np.concatenate([known, points[first]])
    return first + promising(points, known, count - len(first))


def _fresh(kept: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Return the rows whose counts differ from each other and from those that are taken."""
    rows = np.concatenate([taken, kept]).astype(np.int64)
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.sort(first[first >= len(taken)]) - len(taken)


def _fronts(problem: Problem, trials: Sequence[Trial], genes: np.ndarray) -> Array:
    """Return the genes of every task's unbeaten members, repeated to one number: [T, M, D]."""
    fronts = []
    for rows in by_task(trials, len(problem.tasks)):
        own = [trials[row] for row in rows]
        best = unbeaten(problem, own, [trial.tuned.after for trial in own])
        fronts.append(genes[np.array(rows)[best]] if rows else genes)
    most = max(map(len, fronts))
    repeated = [front[np.arange(most) % len(front)] for front in fronts]
    return jnp.asarray(np.stack(repeated), jnp.float32)


def _members(
    problem: Problem, genotypes: np.ndarray, chosen: Sequence[Sequence[int]]
) -> list[tuple[int, Member]]:
    """Return the members of the genotypes [T, P, D] that are chosen of each task, calibrated."""
    width = max(1, *map(len, chosen))
    rows = np.array([[*own, *[0] * (width - len(own))] for own in chosen])
    wanted = np.array([[place < len(own) for place in range(width)] for own in chosen])
    drawn = jnp.asarray(np.take_along_axis(genotypes, rows[..., None], 1))
    rankings, wanted = problem.one_ranking(), jnp.asarray(wanted)
    source = candidates(ratios_of(problem), drawn, rankings, wanted)
    found = calibrated(problem, source)
    return [(task, member) for task, own in enumerate(found) for member in own]
