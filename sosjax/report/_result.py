"""What a run found, as plain data, and which member its rule selects for an environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..environments._environment import COUNTED, Environment, amount
from ..sets._member import Scores as Member
from ..sets._miss import listed
from ..sets._preference import Best
from ..sets._selection import Verdict, nearest, verdicts
from ._number import LABELS, brief

COSTS = COUNTED
"""The costs that are counted of every member."""


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
    """A task, the Jack on it, its set and its uniform baseline, in the order of the file.

    `unit` is what a test error of 1 is, the variance of a value say; `None` where errors have none.
    `before` is the set as it was found, where `members` are recovered ones. `certificates` are what
    was certified of members, by their number, in lines.
    """

    name: str
    classes: tuple[str, ...]
    jack: Jack
    members: tuple[Member, ...]
    uniform: tuple[Member, ...]
    unit: float | None = None
    before: tuple[Member, ...] = ()
    certificates: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Generation:
    """One line of the journal: the hypervolume of each task after a generation."""

    generation: int
    evaluations: int | None
    hypervolume: Mapping[str, float]
    seconds: float | None


@dataclass(frozen=True)
class Likeness:
    """How far the sets of two tasks keep the same units, [tasks, tasks].

    Attributes:
      found: the mean Jaccard overlap of members of like size; `None` where there are none.
      chance: the overlap that masks with the same counts would have if they were drawn.
    """

    found: tuple[tuple[float | None, ...], ...]
    chance: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Result:
    """Everything that a run folder says about its run.

    Attributes:
      name: the name of the run folder; `folder` is what it was given as.
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
      configured: whether the run keeps a configuration, which `sosjax export` needs.
      unrecovered: whether recovered sets are left out on purpose.
      apart: whether the sets that are shown lie in `recovered`, below the run's folder.
      likeness: how alike the sets of two tasks are; `None` where masks cannot be read.
      problems: what could not be read, in a sentence each.

    A run that is not finished has a name and a journal, and else nothing.
    """

    name: str
    folder: str
    network: str = ""
    groups: tuple[Group, ...] = ()
    parameters: int = 0
    bytes: int = 0
    flops: int = 0
    data: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    kind: str = "classes"
    objectives: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    recovery: Mapping[str, str] = field(default_factory=dict)
    environments: tuple[Environment, ...] = ()
    tasks: tuple[Task, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    journal: tuple[Generation, ...] = ()
    fidelity: str = ""
    configured: bool = False
    unrecovered: bool = False
    apart: bool = False
    likeness: Likeness | None = None
    problems: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the run has sets."""
        return self.network != ""

    @property
    def expected(self) -> bool:
        """Whether members have errors that rounds of recovery expect."""
        return any(one.expected_error is not None for task in self.tasks for one in task.members)

    @property
    def judge(self) -> str:
        """What members are chosen by, in words."""
        return "expected validation error" if self.expected else "validation error"

    @property
    def curves(self) -> dict[str, list[tuple[int, float]]]:
        """The hypervolume of each task after generations, by the task's name."""
        found: dict[str, list[tuple[int, float]]] = {}
        for one in self.journal:
            for name, volume in one.hypervolume.items():
                found.setdefault(name, []).append((one.generation, volume))
        return found


def select(task: Task, environment: Environment) -> Member | None:
    """Return the member that an environment selects; `None` if nothing fits."""
    return next((one.scores for one in _judged(task, environment) if one.chosen), None)


def shortfall(task: Task, environment: Environment) -> str:
    """Return why nothing fits: which member is nearest, and by how much it misses."""
    found = _judged(task, environment)
    if not found:
        return "nothing fits: the set is empty"
    one = nearest(found)
    return f"nothing fits: the nearest, {task.name}/{one.number}, needs {listed(one.misses)}"


def _judged(task: Task, environment: Environment) -> tuple[Verdict, ...]:
    return verdicts(task.members, environment, Best(), len(task.classes))


def limits_of(environment: Environment) -> str:
    """Return the limits of an environment in short: `up to 16 kB, 1.5 M FLOPs`."""
    words = {"parameters": " parameters", "bytes": "", "flops": " FLOPs"}
    parts = (
        brief(limit, cost) + words[cost] if cost in words else f"{amount(limit)} {LABELS[cost]}"
        for cost, limit in environment.limits.items()
    )
    return f"up to {', '.join(parts)}"
