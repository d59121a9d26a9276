"""A folder of a fidelity comparison -> `Comparison`: checked before anything is shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .._errors import require, require_known, require_unique
from .._files import read_json
from ._number import MEASURES
from ._record import Record, excerpt

FORMAT = "sosjax-fidelity"
VERSION = 1
NAME = "fidelity.json"
NUMBERS = (
    "spearman",
    "spearman_within",
    "kendall",
    "kendall_within",
    "regret_1",
    "regret_3",
)
"""What is told of a judge; each may be missing."""
CEILING = "recovered"
"""The judge that looks at validation data after recovery, as nobody can before."""

Agreement = Mapping[str, float | None]


@dataclass(frozen=True)
class Candidate:
    """One sub-network that was judged and recovered.

    Attributes:
      parameters: how many numbers it holds.
      flops: floating point operations for one input.
      member: whether it is of the run's set.
      test_error: after recovery, in [0, 1].
      judged: what each judge says; errors in [0, 1], `None` where it failed, or a cost.
    """

    parameters: int
    flops: int
    member: bool
    test_error: float
    judged: Mapping[str, float | None]


@dataclass(frozen=True)
class Level:
    """Candidates of like sizes: bounds in parameters, how many, and how they differ.

    `spread` is the deviation of their test errors, `noise` the standard error of one of them, if
    errors are shares of examples.
    """

    low: float
    high: float
    candidates: int
    spread: float
    noise: float | None


@dataclass(frozen=True)
class Compared:
    """One task: how many test examples it has, its judges, levels and candidates."""

    name: str
    examples: int
    judges: Mapping[str, Agreement]
    levels: tuple[Level, ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class Comparison:
    """What `fidelity.json` says.

    Attributes:
      network: its name.
      data: its name.
      kind: what the tasks ask: `classes`, `values` or `tokens`.
      own: the judges that the run's search had.
      recovery: how candidates were recovered, as text.
      judges: the mean over tasks.
      tasks: of the run.
    """

    network: str
    data: str
    kind: str
    own: tuple[str, ...]
    recovery: Mapping[str, str]
    judges: Mapping[str, Agreement]
    tasks: tuple[Compared, ...]

    def title(self, judge: str) -> str:
        """Return how a judge is called in front of people."""
        titles = {
            "validation": "validation before recovery",
            "parameters": "parameters alone",
            "flops": "FLOPs alone",
            "forecast": "recovery's own forecast",
            CEILING: "validation after recovery",
        }
        own = " (the run's)" if judge in self.own else ""
        return titles.get(judge, judge) + own


def read_comparison(folder: Path) -> Comparison:
    """Read `fidelity.json` of a folder.

    Raises:
      InputError: it is missing, damaged or of another format or version.
    """
    file = Path(folder) / NAME
    record = Record(file, "", read_json(file))
    found, version = record.content.get("format"), record.content.get("version")
    require(found == FORMAT, f"`format` in {file} must be {FORMAT!r}, got {excerpt(found)}.")
    require(
        version == VERSION and not isinstance(version, bool),
        f"`version` in {file} must be {VERSION}, got {excerpt(version)}.",
    )
    kind = record.content.get("kind", "classes")
    require_known(f"kind in {file}", kind, MEASURES)
    tasks = tuple(_task(one) for one in record.tables("tasks"))
    require_unique("tasks.name", [task.name for task in tasks])
    judges = _judges(record)
    for task in tasks:
        require(
            list(task.judges) == list(judges),
            f"`tasks` in {file} must have the same judges, got other ones for {task.name!r}.",
        )
    return Comparison(
        network=record.name("network"),
        data=record.name("data"),
        kind=kind,
        own=record.names("own"),
        recovery=record.texts("recovery"),
        judges=judges,
        tasks=tasks,
    )


def _task(record: Record) -> Compared:
    judges = _judges(record)
    return Compared(
        name=record.name("name"),
        examples=record.count("examples"),
        judges=judges,
        levels=tuple(_level(one) for one in record.tables("levels")),
        candidates=tuple(_candidate(one, tuple(judges)) for one in record.tables("candidates")),
    )


def _judges(record: Record) -> dict[str, Agreement]:
    judges = record.table("judges")
    return {name: _agreement(judges.table(name)) for name in judges.content}


def _agreement(record: Record) -> Agreement:
    return {name: record.optional_number(name, -1, 1) for name in NUMBERS}


def _level(record: Record) -> Level:
    return Level(
        low=record.amount("low"),
        high=record.amount("high"),
        candidates=record.count("candidates"),
        spread=record.amount("spread"),
        noise=record.optional_number("noise", 0, 1),
    )


def _candidate(record: Record, judges: tuple[str, ...]) -> Candidate:
    judged = record.table("judged")
    known = {
        "validation": record.share("validation_error_before"),
        "parameters": record.count("parameters"),
        "flops": record.count("flops"),
        CEILING: record.share("validation_error"),
    }
    return Candidate(
        parameters=record.count("parameters"),
        flops=record.count("flops"),
        member=bool(record.content.get("member")),
        test_error=record.share("test_error"),
        judged={
            name: known[name] if name in known else judged.optional_number(name, 0, 1)
            for name in judges
        },
    )
