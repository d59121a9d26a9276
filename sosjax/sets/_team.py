"""The best members of several tasks under one total budget: a small integer program, exactly.

One member of each task is chosen: the multiple-choice knapsack problem, with as many knapsacks as
the budget has limits (Kellerer, Pferschy and Pisinger, 2004, Knapsack Problems, chapter 11, doi
10.1007/978-3-540-24777-7). HiGHS solves it (Huangfu and Hall, 2018, doi 10.1007/s12532-017-0130-5).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from .._errors import InputError, require, require_known, require_unique
from ..environments._environment import Environment
from ._member import Member, Scores
from ._miss import listed, misses
from ._preference import require_weights
from ._selection import costs_in


@final
@dataclass(frozen=True)
class Team:
    """One member for each of several tasks, within a budget for their sum.

    Attributes:
      budget: the limits on the sums of costs.
      weights: of each task's error, by its name.
      members: by the name of the task.
      numbers: the members' places in their sets, from 0, by the name of the task.
      error: the weighted sum of errors on validation data (`Scores.error`), which is minimal.
    """

    budget: Environment
    weights: dict[str, float]
    members: dict[str, Member]
    numbers: dict[str, int]
    error: float

    @property
    def costs(self) -> dict[str, float]:
        """The sum of each cost, by its name."""
        every = self.members.values()
        return totals([costs_in(self.budget, one.scores, len(one.classes)) for one in every])


def require_tasks(tasks: Sequence[str], weights: Mapping[str, float], known: Sequence[str]) -> None:
    """Refuse tasks that are not there or come twice, and weights of others or that weigh nothing.

    Args:
      tasks: those that a team is for.
      weights: by task; 1 where none is given.
      known: the tasks that there are.
    """
    require(len(tasks) > 0, "`tasks` must name one or more tasks, got none.")
    require_unique("tasks", tasks)
    for task in tasks:
        require_known("tasks", task, known)
    for task in weights:
        require_known("weights", task, tasks)
    require_weights("weights", {task: weights.get(task, 1.0) for task in tasks})


def team(
    sets: Mapping[str, Sequence[Member]], budget: Environment, weights: Mapping[str, float]
) -> Team:
    """Return the best team of a budget.

    Args:
      sets: the members of each task, by its name.
      budget: limits on the sums.
      weights: of each task's error, by its name.

    Raises:
      InputError: a set is empty, or no team is within the budget.
    """
    for task, members in sets.items():
        require(members, f"`tasks` must have members to select from, got {task!r} with none.")
    scores = [[member.scores for member in members] for members in sets.values()]
    outputs = [len(members[0].classes) for members in sets.values()]
    found = team_numbers(scores, budget, [weights[task] for task in sets], outputs)
    numbers = dict(zip(sets, found, strict=True))
    members = {task: sets[task][number] for task, number in numbers.items()}
    errors = [weights[task] * one.scores.error for task, one in members.items()]
    return Team(budget, {task: weights[task] for task in sets}, members, numbers, math.fsum(errors))


def team_numbers(
    sets: Sequence[Sequence[Scores]],
    budget: Environment,
    weights: Sequence[float],
    outputs: Sequence[int] = (),
) -> list[int]:
    """Return the place in its set of the member chosen for each task.

    The weighted sum of errors is the lowest that the budget allows. Of equal teams it is one with
    the fewest parameters in total; among equal members of a task it has the first.

    Args:
      sets: the scores of each task's members; none is empty.
      budget: limits on the sums.
      weights: of each task, at least 0.
      outputs: of each task's heads, which a measured budget needs.

    Raises:
      InputError: no team is within the budget; the message says what the nearest one needs, that
        whose largest excess is the smallest share of a limit (with one limit: the smallest team).
    """
    from ._program import ROUNDING, cheapest, smallest_excess  # scipy's solver takes half a second

    every = [
        [costs_in(budget, one, own) for one in each]
        for each, own in zip(sets, outputs or [0] * len(sets), strict=True)
    ]
    pool = [
        (task, number) for task, each in enumerate(sets) for number in _distinct(each, every[task])
    ]
    owners = np.array([task for task, _ in pool])
    scores = [sets[task][number] for task, number in pool]
    costs = [every[task][number] for task, number in pool]
    rows = [
        (np.array([one[cost] for one in costs], float), limit)
        for cost, limit in budget.limits.items()
    ]
    errors = np.array([weights[task] * sets[task][n].error for task, n in pool])
    chosen = cheapest(errors, rows, owners)
    if chosen is None:
        small = smallest_excess(rows, owners)
        needs = listed(misses(totals([costs[column] for column in small]), budget.limits))
        kind = "smallest" if len(rows) == 1 else "nearest"
        raise InputError(
            f"`budget` {budget.name} must admit a member for each of {len(sets)} tasks, but the "
            f"{kind} team needs {needs}."
        )
    parameters = np.array([one.parameters for one in scores], float)
    lowest = math.fsum(errors[chosen]) * (1 + ROUNDING)
    smaller = cheapest(parameters, [*rows, (errors, lowest)], owners)
    return [pool[column][1] for column in smaller or chosen]


def totals(costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the sum of each cost over one or more members, by its name."""
    return {cost: sum(one[cost] for one in costs) for cost in costs[0]}


def _distinct(scores: Sequence[Scores], costs: Sequence[Mapping[str, float]]) -> list[int]:
    """Return the places of members that do not have the error and the costs of an earlier one."""
    first: dict[tuple[float, ...], int] = {}
    for number, (one, each) in enumerate(zip(scores, costs, strict=True)):
        first.setdefault((one.error, *each.values()), number)
    return list(first.values())
