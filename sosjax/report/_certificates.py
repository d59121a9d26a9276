"""What was certified of members: by `sosjax select`, and by every export into the run's folder."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .._errors import InputError
from .._files import read_json
from ._record import Record
from ._result import Member, Task


def certificates(
    run: Path, place: Path, tasks: Sequence[Task], problems: list[str]
) -> tuple[Task, ...]:
    """Return the tasks with the certificates of their members.

    Args:
      run: the run's folder, with `exports`.
      place: where the sets are, with `certificates`.
      tasks: without certificates.
      problems: sentences on damaged files are added here.
    """
    found: dict[str, dict[int, tuple[str, ...]]] = {task.name: {} for task in tasks}
    files = sorted((place / "certificates").glob("*.json"))
    for file in [*files, *sorted((run / "exports").glob("*/architecture.json"))]:
        try:
            record = Record(file, "", read_json(file))
            if "scores" not in record.content:
                continue  # written by an earlier version, which did not say of which member
            for task in tasks:
                number = _number(task, record.content)
                if number is not None:
                    found[task.name][number] = _lines(record.table("certificate"))
        except InputError as error:
            problems.append(str(error))
    return tuple(replace(task, certificates=found[task.name]) for task in tasks)


def _number(task: Task, content: Mapping[str, Any]) -> int | None:
    """Return which member has just the scores of a file."""
    scores = content["scores"]
    if content.get("task") != task.name or not isinstance(scores, dict):
        return None
    # What an earlier version did not know is no difference.
    own = ({key: plain.get(key) for key in scores} for plain in map(_plain, task.members))
    return next((number for number, one in enumerate(own) if one == scores), None)


def _plain(member: Member) -> dict[str, Any]:
    """Return a member as JSON gives it back."""
    return asdict(member) | {"kept": list(member.kept)}


def _lines(record: Record) -> tuple[str, ...]:
    """Return a certificate in words."""
    shrunk, exported = record.table("shrunk"), record.table("exported")
    lines = [
        f"{dtype}: masked and shrunk differ by at most {_gap(shrunk.table(dtype))}, "
        f"masked and exported by {_gap(exported.table(dtype))}"
        for dtype in shrunk.content
    ]
    costs = (f"{record.count(cost):,} {name}" for cost, name in _COUNTED.items())
    lines.append(
        f"counted in the shrunk network: {', '.join(costs)}; {record.count('examples')} inputs"
    )
    with suppress(InputError):
        again = record.table("reloaded")
        gaps = ", ".join(f"{name} {again.amount(name):.1e}" for name in again.content)
        lines += [f"loaded again by a fresh process: {gaps}"] if gaps else []
    return tuple(lines)


_COUNTED = {"parameters": "parameters", "bytes": "bytes", "flops": "FLOPs"}


def _gap(record: Record) -> str:
    absolute, relative = record.amount("absolute"), record.amount("relative")
    return f"{absolute:.1e} (relative {relative:.1e})"
