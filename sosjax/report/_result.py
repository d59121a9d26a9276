"""What a run found, as plain data, and the rule that selects a member for an environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..environments._environment import COUNTED, Environment, amount
from ._number import LABELS, brief

COSTS = COUNTED
"""The costs that are counted of every member."""


@dataclass(frozen=True)
class Member:
    """One sub-network of a task, or one point of the uniform baseline.

    Attributes:
      kept: units kept in each group, in the order of `Result.groups`.
      parameters: how many numbers the shrunk network holds.
      bytes: its size on disk.
      flops: floating point operations for one input.
      search_error: error on the search data, in [0, 1]; `None` where no search saw it.
      validation_error: error on the validation data, in [0, 1]; members are selected by it.
      test_error: error on the test data, in [0, 1]; nothing is selected by it.
      epoch: the epoch of recovery that validation data chose, 0 if none was better than before;
        `None` where nothing was recovered. The errors above are those after it, and these two
        the ones before.
      validation_error_before: as above.
      test_error_before: as above.
    """

    kept: tuple[int, ...]
    parameters: int
    bytes: int
    flops: int
    search_error: float | None
    validation_error: float
    test_error: float
    epoch: int | None = None
    validation_error_before: float | None = None
    test_error_before: float | None = None


@dataclass(frozen=True)
class Jack:
    """The whole network on one task; fields as in `Member`."""

    parameters: int
    bytes: int
    flops: int
    validation_error: float
    test_error: float


@dataclass(frozen=True)
class Group:
    """A group of removable units: its name and how many units it has."""

    name: str
    size: int


@dataclass(frozen=True)
class Task:
    """A task, the Jack on it, its set and its uniform baseline, both by rising parameters.

    `unit` is what a test error of 1 is, the variance of a value say; `None` where errors have none.
    `before` is the set as it was found, where `members` are recovered ones.
    """

    name: str
    classes: tuple[str, ...]
    jack: Jack
    members: tuple[Member, ...]
    uniform: tuple[Member, ...]
    unit: float | None = None
    before: tuple[Member, ...] = ()


@dataclass(frozen=True)
class Generation:
    """One line of the journal: the hypervolume of each task after a generation."""

    generation: int
    evaluations: int | None
    hypervolume: Mapping[str, float]
    seconds: float | None


@dataclass(frozen=True)
class Result:
    """Everything that a run folder says about its run.

    Attributes:
      name: the name of the run folder.
      network: the name of the network; `parameters`, `bytes` and `flops` are its costs.
      groups: the groups of removable units.
      data: the name of the data; `sizes` are the examples for search, validation and test.
      notes: what was done to the data, how many texts were cut say.
      kind: what the tasks ask: `classes`, `values` or `tokens`.
      objectives: what the search minimised.
      settings: seed, strategy, encoding and fitness, as text.
      recovery: how the members were recovered, as text; empty if they were not.
      versions: library to version; empty if the run recorded none.
      machine: what the run recorded of its machine.
      fidelity: where the page of a fidelity comparison is, from the run's folder; empty if none.
      journal: by rising generation; empty if there is no journal.
    """

    name: str
    network: str
    groups: tuple[Group, ...]
    parameters: int
    bytes: int
    flops: int
    data: str
    sizes: Mapping[str, int]
    notes: tuple[str, ...]
    kind: str
    objectives: tuple[str, ...]
    settings: Mapping[str, str]
    recovery: Mapping[str, str]
    environments: tuple[Environment, ...]
    tasks: tuple[Task, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    journal: tuple[Generation, ...]
    fidelity: str = ""


def best(members: Iterable[Member]) -> Member | None:
    """Return the member of lowest validation error, of equals the one of fewer parameters."""
    return min(members, key=lambda one: (one.validation_error, one.parameters), default=None)


def select(task: Task, environment: Environment) -> Member | None:
    """Return the best member within every limit of an environment; None if nothing fits."""
    return best(one for one in task.members if environment.admits(costs_in(environment, task, one)))


def costs_in(environment: Environment, task: Task, member: Member) -> dict[str, float]:
    """Return what a member costs in an environment, with what its device foretells."""
    counted = {cost: getattr(member, cost) for cost in COSTS}
    return environment.costs(counted, member.kept, len(task.classes))


def shortfall(task: Task, environment: Environment) -> str:
    """Return why nothing fits: what the smallest member needs where a limit is broken."""
    if not task.members:
        return "nothing fits: the set is empty"
    smallest = min(task.members, key=lambda one: one.parameters)
    costs = costs_in(environment, task, smallest)
    needs = [
        f"{amount(costs[cost])} {LABELS[cost]} (limit {amount(limit)})"
        for cost, limit in environment.limits.items()
        if costs[cost] > limit
    ]
    return f"nothing fits: the smallest needs {' and '.join(needs)}"


def limits_of(environment: Environment) -> str:
    """Return the limits of an environment in short: `up to 16 kB, 1.5 M FLOPs`."""
    words = {"parameters": " parameters", "bytes": "", "flops": " FLOPs"}
    parts = (
        brief(limit, cost) + words[cost] if cost in words else f"{amount(limit)} {LABELS[cost]}"
        for cost, limit in environment.limits.items()
    )
    return f"up to {', '.join(parts)}"


def staircase(members: Iterable[Member], cost: str) -> list[tuple[int, Member]]:
    """Return which member the selection rule gives as the limit of one cost rises.

    Returns:
      Pairs of the limit from which on a member is selected, and the member; limits rise.
    """
    steps: list[tuple[int, Member]] = []
    for member in sorted(members, key=lambda one: getattr(one, cost)):
        if steps and best((steps[-1][1], member)) is steps[-1][1]:
            continue
        limit = getattr(member, cost)
        if steps and steps[-1][0] == limit:
            steps.pop()
        steps.append((limit, member))
    return steps
