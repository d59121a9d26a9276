"""Members recovered, and what they then are on test data, as rows of a record."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sosjax import Environment, Member, SetOfSets
from sosjax.recover._case import Case
from sosjax.recover._foretold import averaged
from sosjax.recover._heal import heal
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

    Args:
      flagship: how to recover.
      tester: of the network and the examples.
      members: with the number of their task.
      folder: of checkpoints.
      tell: called with what was done.
    """
    cases = [Case(task, member) for task, member in members]
    place = folder / digest(flagship, members)
    healed = heal(tester.problem, cases, flagship.recovery, place, lambda line: tell(line["event"]))
    rows = zip(members, healed, strict=True)
    return [tester.row(Trial(task, member, became)) for (task, member), became in rows]


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
    trials = recovered_in_rounds(
        tester.problem, sets, flagship.recovery, place, lambda line: tell(line["event"])
    )
    errors = averaged(tester.problem, trials, flagship.recovery)
    first, every = [], []
    for mine in by_task(trials, len(sets.tasks)):
        rows = {row: tester.row(trials[row]) for row in mine if row < len(own)}
        first.append(list(rows.values()))
        keep = unbeaten([trials[row] for row in mine], errors[mine])
        best = [row for row, wanted in zip(mine, keep, strict=True) if wanted]
        every.append([rows.get(row) or tester.row(trials[row]) for row in best])
    return first, every, len(trials)


def unbeaten(trials: Sequence[Trial], errors: np.ndarray) -> np.ndarray:
    """Return which trials no other beats on error and one of the costs."""
    each = [
        undominated(errors.tolist(), [getattr(trial.member.scores, cost) for trial in trials])
        for cost in COSTS
    ]
    return np.logical_or.reduce(each)


def digest(
    flagship: Flagship,
    members: Sequence[tuple[int, Member]],
    environments: Sequence[Environment] = (),
) -> str:
    """Return a name that is the same for the same members, recovery and environments."""
    asked = flagship.recovery, flagship.settings, environments
    found = hashlib.sha256(repr(asked).encode())
    for task, member in members:
        found.update(repr((task, member.scores.validation_error)).encode())
        for mask in member.masks:
            found.update(np.packbits(mask).tobytes())
    return found.hexdigest()[:16]
