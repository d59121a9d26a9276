"""Rounds of recovery: first the members that a search found, then those that they point to."""

from pathlib import Path

from .._progress import Progress
from ..search._judge import calibrated
from ..search._problem import Problem
from ..sets._member import Member
from ..sets._set_of_sets import SetOfSets
from ..training._recovery import LARGEST, Recovery
from ._case import Case
from ._course import Course
from ._fine_tune import fine_tune
from ._further import further
from ._sample import rows_of, strewn
from ._trial import Trial


def recovered(
    problem: Problem,
    sets: SetOfSets,
    recovery: Recovery,
    course: Course,
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
      course: the examples.
      place: a folder to keep checkpoints in.
      progress: called with `{"event": text}` after each epoch.
    """
    trials = list[Trial]()
    fresh = [(number, one) for number, task in enumerate(sets.tasks) for one in task.members]
    if recovery.rounds > 0:
        fresh += _strewn(problem, sets, recovery)
    for number in range(recovery.rounds + 1):
        tell = _of_round(progress, number, recovery.rounds)
        if number > 0:
            fresh = further(problem, sets.environments, trials, recovery, number)
        own = None if place is None else place / f"round-{number}"
        cases = [Case(task, member) for task, member in fresh]
        tuned = fine_tune(problem, cases, recovery, own, tell, course) if cases else []
        rows = zip(fresh, tuned, strict=True)
        trials += [Trial(task, member, became) for (task, member), became in rows]
    return trials


def _of_round(progress: Progress | None, number: int, rounds: int) -> Progress | None:
    """Return a progress that says which round it is, where there are several."""
    if progress is None or rounds == 0:
        return progress
    place = f"round {number + 1} of {rounds + 1}"
    return lambda event: progress(event | {"event": f"{place}: {event['event']}"})


def _strewn(problem: Problem, sets: SetOfSets, recovery: Recovery) -> list[tuple[int, Member]]:
    """Return members drawn at random, of sizes spread evenly on a log axis, with their tasks."""
    own = [[member.masks for member in task.members] for task in sets.tasks]
    wanted, shares = [recovery.further] * len(own), (recovery.smallest, LARGEST)
    drawn = strewn(problem, own, wanted, recovery.seed, shares, problem.settings.costs[0])
    if not any(drawn):
        return []
    found = calibrated(problem, rows_of(drawn))
    return [(task, member) for task, members in enumerate(found) for member in members]
