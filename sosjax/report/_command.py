"""The exact command that exports a member."""

import re
import shlex

from .._errors import InputError
from ..environments._environment import COUNTED, Environment
from ..sets._preference import AbstractPreference, At, Best
from ..sets._selection import verdicts
from ._result import Result, Task


def command(result: Result, task: Task, number: int) -> str:
    """Return what exports a member: a command, or Python where the run has no configuration.

    Returns:
      The text; empty if no option of the command names this member and no other.
    """
    out = re.sub(r"[^\w.-]+", "-", f"{task.name}-{number}").strip("-.") or "member"
    if not result.configured:
        place = f"{result.folder}/recovered" if result.apart else result.folder
        return (
            f"sets = sosjax.load_sets({place!r})\n"
            f"sosjax.export(jat, sets.task({task.name!r}).members[{number}], {out!r}, sets=sets)"
        )
    found = _options(task, number)
    if found is None:
        return ""
    words = ["sosjax", "export", result.folder, "--task", task.name, *found, "--out", out]
    return shlex.join(words + (["--unrecovered"] if result.unrecovered else []))


def _options(task: Task, number: int) -> list[str] | None:
    """Return options of `sosjax export` that choose a member: the first that do."""
    member = task.members[number]
    everything = [text for cost in COUNTED for text in (f"--{cost}", str(member.costs[cost]))]
    tries: list[tuple[list[str], Environment | None, AbstractPreference]] = []
    if min(member.costs.values()) >= 1:
        for cost in COUNTED:
            words = ["--at", f"{cost}={member.costs[cost]}"]
            tries.append((words, None, At(cost, member.costs[cost])))
        own = Environment("own", member.parameters, member.bytes, member.flops)
        tries.append((everything, own, Best()))
    for options, environment, prefer in tries:
        try:
            found = verdicts(task.members, environment, prefer, len(task.classes))
        except InputError:
            continue
        if found[number].chosen:
            return options
    return None
