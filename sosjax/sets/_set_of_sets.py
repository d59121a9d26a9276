"""For every task a Pareto set of sub-networks, and the choice of one for an environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from .._errors import InputError, require_known
from ..environments._environment import Environment
from ._member import Member, Scores


@final
@dataclass(frozen=True)
class TaskSet:
    """One task's set.

    Attributes:
      name: the task's name.
      classes: its class names.
      jack: the whole network with its own class rows.
      members: nondominated on validation data, by rising parameters; uniform cuts among them if the
        search was asked for them.
      uniform: uniform keep ratios over the search's ranking, judged in the same way: the baseline.
    """

    name: str
    classes: tuple[str, ...]
    jack: Scores
    members: tuple[Member, ...]
    uniform: tuple[Scores, ...]


@final
@dataclass(frozen=True)
class SetOfSets:
    """What one search finds.

    Attributes:
      tasks: a set for every task.
      environments: the environments it was made for; others may be asked for as well.
      facts: what it was made of: `network`, `data`, `objectives`, `seed` and so on, ready for JSON.
    """

    tasks: tuple[TaskSet, ...]
    environments: tuple[Environment, ...]
    facts: dict[str, Any]

    def task(self, name: str) -> TaskSet:
        """Return the set of that task.

        Raises:
          InputError: there is no such task.
        """
        require_known("task", name, [task.name for task in self.tasks])
        return next(task for task in self.tasks if task.name == name)

    def environment(self, name: str) -> Environment:
        """Return the environment of that name.

        Raises:
          InputError: there is no such environment.
        """
        require_known("env", name, [environment.name for environment in self.environments])
        return next(found for found in self.environments if found.name == name)

    def select(self, task: str, environment: Environment | str) -> Member:
        """Return the member with the lowest validation error within the environment's limits.

        Args:
          task: the task's name.
          environment: an environment, or the name of one the search was made for.

        Returns:
          The member; of equal ones, that with the fewest parameters.

        Raises:
          InputError: there is no such task or environment, or no member is within its limits.
        """
        members = self.task(task).members
        if isinstance(environment, str):
            environment = self.environment(environment)
        fitting = [member for member in members if environment.admits(member.scores.costs)]
        if not fitting:
            raise InputError(_nothing_fits(task, members, environment))
        return min(
            fitting, key=lambda found: (found.scores.validation_error, found.scores.parameters)
        )


def _nothing_fits(task: str, members: Sequence[Member], environment: Environment) -> str:
    smallest = min(members, key=lambda member: member.scores.parameters)
    return (
        f"`env` {environment.name} must admit a member of {task!r}, but its smallest needs "
        f"{environment.shortfall(smallest.scores.costs)}."
    )
