"""What is printed of chosen members: tables for people, JSON for scripts.

`sosjax select --json` prints one object:

- `format` "sosjax-selection", `version` 1; new fields may come, these stay;
- `run`, `recovered`: the folder, and whether its recovered sets were used;
- `task`; `environment`: `name` and `limits`, null without limits; `preference`: `name` (best, knee,
  weighted, at) and its settings;
- `member`: `id` (TASK/NUMBER), `task`, `number` (its place in the task's members in `sets.json`,
  from 0), `scores` (as in `sets.json`) and `kept`: for each group its name, the units kept, and its
  size;
- `why`: for each member `id`, `number`, its costs, `validation_error`, `expected_error` (which
  takes its place in choices after rounds of recovery, else null), `chosen`, `admitted`, `misses`
  (`cost`, `needs`, `limit`, `over`, and `share`, which is `over` by `limit`), `loss` (what the
  preference minimises, compared from its first number on) and `reason`, in words.

`sosjax team --json` prints `format` "sosjax-team", `version` 1, `run`, `recovered`, `budget` (as
`environment`), `weights` by task, `error` (the weighted sum of what members are chosen by: expected
errors after rounds of recovery, else validation errors), `costs` (sums) and `members` (each as
`member`).
"""

import argparse
import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import require
from ..environments._environment import Environment, amount
from ._choice import environment_of, names_of, preference_of, weights_of
from ._runs import chosen_folder

if TYPE_CHECKING:
    from rich.table import Table

    from ..sets._member import Scores
    from ..sets._selection import Verdict
    from ..sets._set_of_sets import SetOfSets
    from ..sets._team import Team


def chosen_number(sets: "SetOfSets", arguments: argparse.Namespace, why: bool = False) -> int:
    """Return the place in its set of the member that a command asks for.

    Args:
      sets: where it is.
      arguments: name it.
      why: print first what became of every member.
    """
    from ..sets._selection import chosen

    environment, prefer = environment_of(sets, arguments), preference_of(arguments)
    found = sets.why(arguments.task, environment, prefer)
    if why:
        _print(_why_table(found))
    return chosen(arguments.task, found, environment, prefer)


def print_selection(arguments: argparse.Namespace) -> None:
    """Print a selection as JSON; see the top of this file."""
    from ..sets._selection import chosen
    from ..sets._store import load_scores

    place = chosen_folder(Path(arguments.run), arguments.unrecovered)
    sets = load_scores(place)
    environment, prefer = environment_of(sets, arguments), preference_of(arguments)
    found = sets.why(arguments.task, environment, prefer)
    number = chosen(arguments.task, found, environment, prefer)
    content = {
        **_head("selection", arguments.run, sets),
        "task": arguments.task,
        "environment": _limits(environment),
        "preference": prefer.facts,
        "member": _member(sets, arguments.task, number),
        "why": [_verdict(arguments.task, one) for one in found],
    }
    print(json.dumps(content, indent=1, allow_nan=False))


def team(arguments: argparse.Namespace) -> None:
    """Print the best members of several tasks under one budget."""
    from ..sets._store import load_scores

    place = chosen_folder(Path(arguments.run), arguments.unrecovered)
    sets = load_scores(place)
    budget = environment_of(sets, arguments)
    require(
        budget is not None,
        "`--env` or a limit must say what the team may cost in all, got neither.",
    )
    assert budget is not None
    known = [task.name for task in sets.tasks]
    tasks = known if arguments.tasks is None else names_of(arguments.tasks, known)
    with _quiet_solver():
        found = sets.team(budget, tasks, weights_of(arguments.weights or (), known))
    if not arguments.json:
        _print(_team_table(sets, found))
        return
    content = {
        **_head("team", arguments.run, sets),
        "budget": _limits(budget),
        "weights": found.weights,
        "error": found.error,
        "costs": found.costs,
        "members": [_member(sets, task, number) for task, number in found.numbers.items()],
    }
    print(json.dumps(content, indent=1, allow_nan=False))


@contextlib.contextmanager
def _quiet_solver() -> Iterator[None]:
    """Send to stderr what the solver, which is no Python, writes to stdout amid its work."""
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(out, 1)
        os.close(out)


def _head(kind: str, run: str, sets: "SetOfSets") -> dict[str, Any]:
    recovered = "recovery" in sets.facts
    return {"format": f"sosjax-{kind}", "version": 1, "run": run, "recovered": recovered}


def _limits(environment: Environment | None) -> dict[str, Any] | None:
    if environment is None:
        return None
    return {"name": environment.name, "limits": environment.limits}


def _member(sets: "SetOfSets", task: str, number: int) -> dict[str, Any]:
    scores, groups = sets.task(task).members[number].scores, sets.facts["network"]["groups"]
    kept = [
        {"group": group["name"], "kept": count, "size": group["size"]}
        for group, count in zip(groups, scores.kept, strict=True)
    ]
    known = {name: value for name, value in asdict(scores).items() if name != "kept"}
    return {"id": member_id(task, number), "task": task, "number": number} | {
        "scores": known,
        "kept": kept,
    }


def member_id(task: str, number: int) -> str:
    """Return how a member is called: its task and its place in the set."""
    return f"{task}/{number}"


def _verdict(task: str, found: "Verdict") -> dict[str, Any]:
    return {
        "id": member_id(task, found.number),
        "number": found.number,
        **found.costs,
        "validation_error": found.scores.validation_error,
        "expected_error": found.scores.expected_error,
        "chosen": found.chosen,
        "admitted": found.admitted,
        "misses": [
            asdict(miss) | {"over": miss.over, "share": miss.share} for miss in found.misses
        ],
        "loss": list(found.loss),
        "reason": found.reason,
    }


def _why_table(found: "tuple[Verdict, ...]") -> "Table":
    from rich.text import Text

    costs = list(found[0].costs) if found else []
    table = _table("Number", costs, _head_of([one.scores for one in found]))
    table.add_column("Why", overflow="fold", min_width=24)
    for one in found:
        style = "bold" if one.chosen else "" if one.admitted else "dim"
        cells = [str(one.number), *_numbers(one.costs, one.scores)]
        table.add_row(*cells, Text(one.reason), style=style)
    return table


def _team_table(sets: "SetOfSets", found: "Team") -> "Table":
    from rich.text import Text

    from ..sets._selection import costs_in

    head = _head_of([member.scores for member in found.members.values()])
    table = _table("Member", list(found.costs), head)
    table.add_column("test %", justify="right")
    for task, number in found.numbers.items():
        scores = sets.task(task).members[number].scores
        own = costs_in(found.budget, scores, len(sets.task(task).classes))
        cells = [*_numbers(own, scores), f"{100 * scores.test_error:.2f}"]
        table.add_row(Text(member_id(task, number)), *cells)
    table.add_section()
    table.add_row("in all", *[amount(value) for value in found.costs.values()], style="bold")
    limits = found.budget.limits
    most = [amount(limits[cost]) if cost in limits else "-" for cost in found.costs]
    table.add_row("at most", *most)
    return table


def _table(first: str, costs: list[str], error: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold")
    for name in (*costs, error):
        table.add_column(name.capitalize(), justify="right", no_wrap=True)
    return table


def _head_of(scores: "list[Scores]") -> str:
    """Return what the errors are called that members are chosen by."""
    expected = any(one.expected_error is not None for one in scores)
    return "expected %" if expected else "valid. %"


def _numbers(costs: Mapping[str, float], scores: "Scores") -> list[str]:
    return [*map(amount, costs.values()), f"{100 * scores.error:.2f}"]


def _print(table: "Table") -> None:
    """Print a table whole: a terminal that is too narrow for it breaks its lines."""
    from rich.console import Console

    console = Console()
    needed = console.measure(table).minimum
    console.print(table, width=max(console.width, needed), crop=False)
