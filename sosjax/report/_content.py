"""What the page holds as JSON, for its plots and for whoever wants the numbers."""

import json
from dataclasses import asdict
from typing import Any

from ._command import command
from ._measure import ERRORS, Measure, measure_of, measures
from ._number import MEASURES
from ._result import COSTS, Jack, Member, Result, Task, select

FORMAT = "sosjax-report"
VERSION = 1


def content(result: Result) -> dict[str, Any]:
    """Return all numbers of a run.

    `costs` says what may be limited; members have a value of each under its key, and the errors in
    [0, 1]. `limits` of environments are by the same keys. A member's `number` is its place in
    `sets.json`; `hypervolume` has pairs of a generation and what it was after it.
    """
    known = measures(result)
    everyone = [one for task in result.tasks for one in (*task.members, *task.uniform)]
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": result.name,
        "network": result.network,
        "data": result.data,
        "measure": MEASURES[result.kind][0],
        "recovered": bool(result.recovery),
        "groups": [asdict(group) for group in result.groups],
        "costs": [{"key": one.key, "label": one.label, "unit": one.unit} for one in known],
        "errors": [
            {"key": key, "label": label}
            for key, label in ERRORS.items()
            if any(getattr(one, key) is not None for one in everyone)
        ],
        "first": next((one.key for one in known if one.key in result.objectives), known[0].key),
        "environments": [
            {
                "name": one.name,
                "limits": {measure_of(one, c, known).key: v for c, v in one.limits.items()},
            }
            for one in result.environments
        ],
        "tasks": [_task(result, task, known) for task in result.tasks],
        "hypervolume": [
            {"name": name, "curve": [list(point) for point in curve]}
            for name, curve in result.curves.items()
        ],
        "problems": list(result.problems),
    }


def embedded(result: Result) -> str:
    """Return the content as JSON that cannot end its element."""
    text = json.dumps(content(result), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _task(result: Result, task: Task, known: list[Measure]) -> dict[str, Any]:
    return {
        "name": task.name,
        "classes": list(task.classes),
        "jack": _point(result, task, task.jack, known),
        "members": [
            _point(result, task, one, known)
            | {
                "number": number,
                "certificate": list(task.certificates.get(number, ())),
                "command": command(result, task, number),
            }
            for number, one in enumerate(task.members)
        ],
        "uniform": [_point(result, task, one, known) for one in task.uniform],
        "before": [_point(result, task, one, known) for one in task.before],
        "chosen": {
            environment.name: None if one is None else _place(task, one)
            for environment in result.environments
            for one in [select(task, environment)]
        },
    }


def _place(task: Task, member: Member) -> int:
    return next(number for number, one in enumerate(task.members) if one is member)


def _point(result: Result, task: Task, one: Member | Jack, known: list[Measure]) -> dict[str, Any]:
    """Return costs and errors by key, without what is not known."""
    values = {key: getattr(one, key, None) for key in (*ERRORS, "epoch")}
    found: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    whole = tuple(group.size for group in result.groups)
    kept = one.kept if isinstance(one, Member) else whole
    counted = {cost: getattr(one, cost) for cost in COSTS}
    costs = {each.key: each.of(counted, kept, len(task.classes)) for each in known}
    return found | costs | {"kept": list(kept)}
