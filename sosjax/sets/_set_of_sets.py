"""For every task a Pareto set of sub-networks, and the choice of one for an environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from .._errors import require_known
from ..environments._environment import Environment
from ._member import Member, Scores
from ._preference import AbstractPreference, Best
from ._selection import Verdict, chosen, verdicts
from ._team import Team, require_tasks, team

BEST = Best()


@final
@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        """Return a line for each member: its number, costs and errors."""
        rows = [
            f"  {number:>3}  {one.parameters:>13,} parameters  {one.flops:>15,} FLOPs  "
            f"{one.error:7.2%} {one.basis}  {one.test_error:7.2%} on test"
            for number, one in enumerate(member.scores for member in self.members)
        ]
        return "\n".join([f"{self.name}: {len(self.members)} members", *rows])


@final
@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        """Return a table of all members."""
        return "\n".join(map(repr, self.tasks))

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

    def select(
        self,
        task: str,
        environment: Environment | str | None = None,
        prefer: AbstractPreference = BEST,
    ) -> Member:
        """Return the member of a task that is preferred among those within the limits.

        Validation data choose, never test data.

        Example:
          `sets.select("shoes", sosjax.Environment("watch", bytes=64_000), sosjax.sets.Knee())`

        Args:
          task: the task's name.
          environment: an environment, or the name of one the search was made for; `None`: no limit.
          prefer: `Best()`, the lowest error (`Scores.error`); `Knee()`, `Weighted({"error": 2,
            "flops": 1})` or `At("parameters", 20_000)`, see `sosjax.sets`.

        Returns:
          The member; of equal ones, that with the fewest parameters, and of those the first.

        Raises:
          InputError: there is no such task or environment, or no member is within the limits; then
            the message says what the nearest one needs. It is the one whose largest excess over a
            limit is the smallest share of that limit.
        """
        found = self.why(task, environment, prefer)
        number = chosen(task, found, self._environment(environment), prefer)
        return self.task(task).members[number]

    def why(
        self,
        task: str,
        environment: Environment | str | None = None,
        prefer: AbstractPreference = BEST,
    ) -> tuple[Verdict, ...]:
        """Return for every member of a task why `select` does or does not choose it.

        Args and Raises: as `select`, but that no member is within the limits is no error.

        Returns:
          A verdict on each member, in the order of the set.
        """
        own = self.task(task)
        scores = [member.scores for member in own.members]
        return verdicts(scores, self._environment(environment), prefer, len(own.classes))

    def team(
        self,
        budget: Environment | str,
        tasks: Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> Team:
        """Return the best members of several tasks under one total budget.

        The weighted sum of errors (`Scores.error`) is the lowest there is, by an integer program.

        Example:
          `sets.team(sosjax.Environment("hub", bytes=100_000), weights={"shoes": 2})`

        Args:
          budget: limits on the sums of the members' costs, or the name of an environment the search
            was made for.
          tasks: the tasks' names; `None`: all.
          weights: of the tasks' errors, at least 0 and one above 0; 1 where none is given.

        Returns:
          A member for each task; of equal teams, one with the fewest parameters in total.

        Raises:
          InputError: there is no such task or environment, a weight cannot be used, or no team is
            within the budget; then the message says what the smallest one needs.
        """
        names = [task.name for task in self.tasks]
        asked, weights = names if tasks is None else list(tasks), dict(weights or {})
        require_tasks(asked, weights, names)
        weights = {name: weights.get(name, 1.0) for name in asked}
        found = self.environment(budget) if isinstance(budget, str) else budget
        return team({name: self.task(name).members for name in asked}, found, weights)

    def _environment(self, environment: Environment | str | None) -> Environment | None:
        return self.environment(environment) if isinstance(environment, str) else environment
