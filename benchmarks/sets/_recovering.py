"""Members recovered, and what they then are on test data, as rows of a record."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sosjax import Environment, Member, SetOfSets
from sosjax.recover._case import Case
from sosjax.recover._course import course_of
from sosjax.recover._fine_tune import fine_tune
from sosjax.recover._foretold import averaged
from sosjax.recover._kept import digest as kept_digest
from sosjax.recover._rounds import recovered as recovered_in_rounds
from sosjax.recover._trial import Trial, by_task, error_on_test
from sosjax.search._problem import Problem

from ._choice import undominated
from ._flagship import Flagship
from ._methods import Tell
from ._numbers import COSTS, row_of

Row = dict[str, Any]
Picked = Mapping[str, Sequence[Sequence[Member]]]


class Tester:
    """Looks at test data, by one program for all tasks."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.error = error_on_test(problem)

    def row(self, trial: Trial) -> Row:
        """Return the scores of a member before and after its recovery."""
        number, before = trial.task, trial.member
        after = trial.after()
        row = row_of(after.scores)
        row["test_error"] = self.error(number, after)
        known = before.scores.test_error
        row["test_error_before"] = self.error(number, before) if np.isnan(known) else known
        return row


def recovered(
    flagship: Flagship,
    tester: Tester,
    members: Sequence[tuple[int, Member]],
    folder: Path,
    tell: Tell,
) -> list[Row]:
    """Recover members of all methods and tasks together; return their scores.

    What several methods found is recovered once, since it would become the same.

    Args:
      flagship: how to recover.
      tester: of the network and the examples.
      members: with the number of their task.
      folder: of checkpoints.
      tell: called with what was done.
    """
    keys = [digest(flagship, [one]) for one in members]
    each = dict(zip(keys, members, strict=True))
    tell(f"{len(members)} members, {len(each)} different ones")
    cases = [Case(task, member) for task, member in each.values()]
    place = folder / digest(flagship, list(each.values()))

    def progress(line: dict[str, Any]) -> None:
        tell(line["event"])

    tuned = fine_tune(tester.problem, cases, flagship.recovery, place, progress)
    trials = (Trial(case.task, case.member, one) for case, one in zip(cases, tuned, strict=True))
    rows = dict(zip(each, map(tester.row, trials), strict=True))
    return [rows[key] for key in keys]


def add_recovered(
    record: dict[str, Any],
    flagship: Flagship,
    tester: Tester,
    picked: Picked,
    folder: Path,
    tell: Tell,
) -> None:
    """Recover the members of some methods together, and add them to a record.

    Args:
      record: of a seed.
      flagship: how to recover.
      tester: of the network and the examples.
      picked: by method, for each task.
      folder: of checkpoints.
      tell: called with what was done.
    """
    flat = [
        (method, number, member)
        for method, tasks in picked.items()
        for number, own in enumerate(tasks)
        for member in own
    ]
    start = time.perf_counter()
    rows = recovered(flagship, tester, [one[1:] for one in flat], folder, tell)
    seconds = time.perf_counter() - start
    effort = sum(member.scores.flops for *_, member in flat)
    for method in picked:
        record["members"][method] = {task.name: [] for task in flagship.tasks}
        record["recoveries"][method] = record["seconds"]["recovery"][method] = 0
    for (method, number, member), row in zip(flat, rows, strict=True):
        record["members"][method][flagship.tasks[number].name].append(row)
        record["recoveries"][method] += 1
        record["seconds"]["recovery"][method] += seconds * member.scores.flops / effort


def with_rounds(
    flagship: Flagship, tester: Tester, sets: SetOfSets, folder: Path, tell: Tell
) -> tuple[list[list[Row]], list[list[Row]], int]:
    """Recover a Set of Sets, and further members as often as the recovery says.

    Returns:
      For each task the scores of its members; likewise of all that were recovered and that no
      other beats; and how many were recovered in all.
    """
    own = [(number, one) for number, task in enumerate(sets.tasks) for one in task.members]
    place = folder / digest(flagship, own, sets.environments)
    course = course_of(tester.problem, flagship.recovery)
    trials = recovered_in_rounds(
        tester.problem, sets, flagship.recovery, course, place, lambda line: tell(line["event"])
    )
    expected = averaged(tester.problem, trials, flagship.recovery)
    first, every = [], []
    for mine in by_task(trials, len(sets.tasks)):
        mine_first = [row for row in mine if row < len(own)]
        left = np.array(mine)[unbeaten([expected[row] for row in mine])].tolist()
        rows = {row: tester.row(expected[row]) for row in {*mine_first, *left}}
        # The first front alone knows nothing of rounds.
        first.append([rows[row] | {"expected_error": None} for row in mine_first])
        every.append([rows[row] for row in left])
    return first, every, len(trials)


def unbeaten(trials: Sequence[Trial]) -> np.ndarray:
    """Return which trials no other beats on error and one of the costs, bool [N]."""
    errors, scores = [trial.error for trial in trials], [trial.member.scores for trial in trials]
    each = [undominated(errors, [getattr(one, cost) for one in scores]) for cost in COSTS]
    return np.logical_or.reduce(each)


def digest(
    flagship: Flagship,
    members: Sequence[tuple[int, Member]],
    environments: Sequence[Environment] = (),
) -> str:
    """Return a name that is the same for the same members, recovery and environments.

    Members are the same that keep the same: all are judged alike, on the same examples.
    """
    asked = flagship.recovery, flagship.settings, environments
    found = hashlib.sha256(repr(asked).encode())
    found.update(kept_digest([Case(task, member) for task, member in members]).encode())
    found.update(repr([member.scores.validation_error for _, member in members]).encode())
    return found.hexdigest()[:16]
