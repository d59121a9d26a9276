"""A run folder -> `Result`: every number is checked before anything is shown.

Where `sets.json` is there it must be whole, as nothing makes sense without it. What else cannot be
read is left out, and why is told among the problems.
"""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._errors import InputError, require, require_known, require_unique
from .._files import read_json
from ..environments._environment import COUNTED, MEASURED, Environment
from ._certificates import certificates
from ._likeness import ARRAYS, likeness
from ._number import MEASURES
from ._record import Record, excerpt, plain
from ._result import COSTS, Generation, Group, Jack, Member, Result, Task

VERSIONS = {"sosjax-sets": (1, 2), "sosjax-run": (1,)}
"""The versions of `sets.json` and of `run.json` that this reads."""
FIDELITY = "fidelity/fidelity.html"
"""The page of a run's fidelity comparison, in the run's folder."""
RECOVERED = "recovered"
"""The folder of the recovered sets, in the run's own."""
CONFIG = "config.toml"
"""What a run of the command line keeps, and `sosjax export` reads."""


def read_folder(folder: Path, unrecovered: bool = False) -> Result:
    """Read `sets.json` of a run folder, and whatever else is there.

    Args:
      folder: the run folder.
      unrecovered: leave out recovered sets, which else come in place of those they were made of.

    Raises:
      InputError: the folder is missing; `sets.json` is damaged, of another format or of another
        version; or it is missing and there is no journal either.
    """
    given, folder = str(folder), Path(folder)
    require(folder.is_dir(), f"`folder` must be a run folder, got no folder at {folder}.")
    problems: list[str] = []
    own = {
        "name": folder.resolve().name,
        "folder": given,
        "journal": _journal(folder / "journal.jsonl", problems),
        "configured": (folder / CONFIG).exists(),
        "fidelity": FIDELITY if (folder / FIDELITY).exists() else "",
        **_tried(problems, lambda: _made_with(folder / "run.json"), {}),
    }
    if own["journal"] and not (folder / "sets.json").exists():
        again = shlex.join(["sosjax", "resume", given])
        problems.append(f"The run is not finished and has no sets yet; continue it with: {again}")
        return Result(**own, problems=tuple(problems))
    found, place = _of_sets(_document(folder / "sets.json", "sosjax-sets")), folder
    path = folder / RECOVERED / "sets.json"
    if path.exists() and not unrecovered:
        recovered = _tried(problems, lambda: _of_sets(_document(path, "sosjax-sets")), None)
        if recovered is not None:
            place = folder / RECOVERED
            recovered["tasks"] = _joined(recovered["tasks"], found["tasks"])
            found = recovered
    sizes = [group.size for group in found["groups"]]
    alike = _tried(problems, lambda: likeness(place / ARRAYS, found["tasks"], sizes), None)
    found["tasks"] = certificates(folder, place, found["tasks"], problems)
    left_out = place == folder and path.exists()
    return Result(
        **own,
        **found,
        unrecovered=left_out,
        apart=place != folder,
        likeness=alike,
        problems=tuple(problems),
    )


def _tried(problems: list[str], read: Callable[[], Any], otherwise: Any) -> Any:
    """Return what can be read; else note why it cannot."""
    try:
        return read()
    except InputError as error:
        problems.append(str(error))
        return otherwise


def _of_sets(sets: Record) -> dict[str, Any]:
    """Return the fields of a `Result` that `sets.json` has."""
    network, data = sets.table("network"), sets.table("data")
    groups = tuple(Group(one.name("name"), one.count("size")) for one in network.tables("groups"))
    sizes = data.table("sizes")
    kind = sets.content.get("kind", "classes")
    require_known(f"kind in {sets.file}", kind, MEASURES)
    settings = {key: sets.content.get(key) for key in ("seed", "strategy", "encoding", "fitness")}
    return {
        "network": network.name("name"),
        "groups": groups,
        **{cost: network.count(cost) for cost in COSTS},
        "data": data.name("name"),
        "sizes": {part: sizes.count(part) for part in ("search", "validation", "test")},
        "notes": data.sentences("notes"),
        "kind": kind,
        "objectives": sets.names("objectives"),
        "settings": plain(settings),
        "environments": _environments(sets),
        "recovery": sets.texts("recovery"),
        "tasks": _tasks(sets, groups),
    }


def _document(file: Path, wanted: str) -> Record:
    record = Record(file, "", read_json(file))
    found, version = record.content.get("format"), record.content.get("version")
    require(
        found == wanted,
        f"`format` in {file} must be {wanted!r}, got {excerpt(found)}.",
    )
    known = VERSIONS[wanted]
    require(
        version in known and not isinstance(version, bool),
        f"`version` in {file} must be {' or '.join(map(str, known))}, got {excerpt(version)}.",
    )
    return record


def _made_with(file: Path) -> dict[str, dict[str, str]]:
    if not file.exists():
        return {}
    record = _document(file, "sosjax-run")
    own = plain({"sosjax": record.content.get("sosjax")})
    return {"versions": own | record.texts("versions"), "machine": record.texts("machine")}


def _environments(sets: Record) -> tuple[Environment, ...]:
    environments = tuple(_environment(one) for one in sets.tables("environments"))
    require_unique("environments.name", [one.name for one in environments])
    return environments


def _environment(record: Record) -> Environment:
    limits = record.table("limits")
    known = (*COUNTED, *MEASURED)
    strange = [key for key in limits.content if key not in known]
    require(
        not strange and limits.content,
        f"`{limits.path}` in {limits.file} must limit one or more of {', '.join(known)}, "
        f"got {excerpt(limits.content)}.",
    )
    name = record.name("name")
    own = {cost: limits.amount(cost) for cost in known if cost in limits.content}
    content = record.content | {"name": name, "limits": own}
    return Environment.of(content, f"`{record.path}` in {record.file}")


def _tasks(sets: Record, groups: tuple[Group, ...]) -> tuple[Task, ...]:
    units = sets.table("units") if "units" in sets.content else None
    tasks = tuple(_task(one, groups, units) for one in sets.tables("tasks"))
    require_unique("tasks.name", [task.name for task in tasks])
    return tasks


def _joined(tasks: tuple[Task, ...], before: tuple[Task, ...]) -> tuple[Task, ...]:
    """Return recovered tasks with their sets as they were found."""
    found = {task.name: task.members for task in before}
    return tuple(replace(task, before=found.get(task.name, ())) for task in tasks)


def _task(record: Record, groups: tuple[Group, ...], units: Record | None) -> Task:
    jack, name = record.table("jack"), record.name("name")
    return Task(
        name=name,
        classes=record.names("classes"),
        jack=Jack(
            **{cost: jack.count(cost) for cost in COSTS},
            validation_error=jack.share("validation_error"),
            test_error=jack.share("test_error"),
        ),
        members=_members(record.tables("members"), groups),
        uniform=_members(record.tables("uniform", optional=True), groups),
        unit=units.table(name).amount("test") if units and name in units.content else None,
    )


def _members(records: list[Record], groups: tuple[Group, ...]) -> tuple[Member, ...]:
    return tuple(_member(record, groups) for record in records)


def _member(record: Record, groups: tuple[Group, ...]) -> Member:
    kept = record.counts("kept")
    fits = len(kept) == len(groups) and all(
        units <= group.size for units, group in zip(kept, groups, strict=True)
    )
    require(
        fits,
        f"`{record.path}.kept` in {record.file} must give at most the size of each of the "
        f"{len(groups)} groups, got {excerpt(list(kept))}.",
    )
    return Member(
        kept=kept,
        **{cost: record.count(cost) for cost in COSTS},
        search_error=record.optional_share("search_error"),
        validation_error=record.share("validation_error"),
        test_error=record.share("test_error"),
        **_recovery(record),
    )


def _recovery(record: Record) -> dict[str, Any]:
    """Return what recovery made of a member; nothing if there was none."""
    if record.content.get("epoch") is None:
        return {}
    errors = ["validation_error_before", "test_error_before"]
    if record.content.get("expected_error") is not None:
        errors.append("expected_error")
    return {"epoch": record.count("epoch"), **{name: record.share(name) for name in errors}}


def _journal(file: Path, problems: list[str]) -> tuple[Generation, ...]:
    """Read the journal; after a resume the later line of a generation counts."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        problems.append(f"{file} must hold lines of JSON, got a damaged file: {error}.")
        return ()
    # What follows the last line break is a line that the run was still writing.
    lines = text.split("\n")[:-1]
    found: dict[int, Generation] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, 1):
        one = _tried(wrong, lambda n=number, text=line: _line(file, n, text), None)
        if one is not None:
            found[one.generation] = one
    rest = len(wrong) - 1
    more = f" So {'is 1 line' if rest == 1 else f'are {rest} lines'} more." if rest > 0 else ""
    problems.extend(f"{first}{more}" for first in wrong[:1])
    return tuple(found[number] for number in sorted(found))


def _line(file: Path, number: int, line: str) -> Generation | None:
    """Return what a line says of a generation; `None` where it is about something else."""
    if not line.strip():
        return None
    try:
        return _generation(Record(file, f"line {number}", json.loads(line)))
    except json.JSONDecodeError as error:
        raise InputError(
            f"`line {number}` in {file} must hold JSON, got a damaged line: {error}."
        ) from None


def _generation(record: Record) -> Generation | None:
    """Return what a line says of a generation; None for a line about something else."""
    if not {"generation", "hypervolume"} <= record.content.keys():
        return None
    volumes = record.table("hypervolume")
    optional = record.content.keys()
    return Generation(
        generation=record.count("generation"),
        evaluations=record.count("evaluations") if "evaluations" in optional else None,
        hypervolume={name: volumes.amount(name) for name in volumes.content},
        seconds=record.amount("seconds") if "seconds" in optional else None,
    )
