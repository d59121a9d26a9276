"""One seed: propose, choose on validation data, recover all alike, write down."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sosjax import Member
from sosjax.search._problem import Problem

from ._choice import chosen
from ._flagship import BUDGETS, Flagship
from ._methods import Proposals, Tell, proposals
from ._numbers import FIRST, OURS, row_of
from ._recovering import Tester, recovered, with_rounds

Picked = Mapping[str, Sequence[Sequence[Member]]]


def one_seed(flagship: Flagship, seed: int, folder: Path, torch: bool, tell: Tell) -> dict:
    """Return the record of a seed, from `folder/seed-N.json` if it is there.

    Args:
      flagship: what is measured.
      seed: of everything random.
      folder: where finished searches, checkpoints of recoveries and records are kept.
      torch: whether Torch-Pruning takes part.
      tell: called with what was done.
    """
    path, scratch = folder / f"seed-{seed}.json", folder / f"seed-{seed}"
    if path.exists():
        return json.loads(path.read_text())
    flagship = flagship.at(seed)
    problem = Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)
    more, slow = {}, {}
    if torch:
        from ._torch_pruning import torch_proposals

        more, slow = torch_proposals(flagship, problem, tell)
    found = proposals(flagship, problem, scratch / "searches", more, tell)
    picked = {
        method: [
            own
            if method in found.sized
            else chosen(own, flagship.cost, getattr(jack, flagship.cost), BUDGETS, flagship.members)
            for own, jack in zip(tasks, found.jacks, strict=True)
        ]
        for method, tasks in found.members.items()
    }
    names = [task.name for task in flagship.tasks]
    record = {
        "seed": seed,
        "jack": {name: row_of(jack) for name, jack in zip(names, found.jacks, strict=True)},
        "members": {},
        "recoveries": {},
        "seconds": {"search": found.seconds | slow, "recovery": {}},
    }
    tester = Tester(problem)
    _add_ours(record, flagship, tester, found, picked, scratch, tell)
    _add_others(record, flagship, tester, picked, scratch, tell)
    if torch:
        from ._torch_recovery import add_torch_recovery

        add_torch_recovery(record, flagship, problem, picked, tell)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def _add_ours(
    record: dict[str, Any],
    flagship: Flagship,
    tester: Tester,
    found: Proposals,
    picked: Picked,
    scratch: Path,
    tell: Tell,
) -> None:
    """Recover the Set as a user does, with the further members that its recovery seeks.

    What the first front alone comes to is a method of its own, if there are further members.
    """
    start = time.perf_counter()
    tasks = [
        replace(task, members=tuple(own))
        for task, own in zip(found.sets.tasks, picked[OURS], strict=True)
    ]
    sets = replace(found.sets, tasks=tuple(tasks))
    first, every, count = with_rounds(flagship, tester, sets, scratch / "ours", tell)
    seconds, names = time.perf_counter() - start, [task.name for task in tasks]
    members, recoveries = record["members"], record["recoveries"]
    recovering = record["seconds"]["recovery"]
    members[OURS] = dict(zip(names, every, strict=True))
    recoveries[OURS], recovering[OURS] = count, seconds
    fewest = sum(map(len, first))
    if count > fewest:
        members[FIRST] = dict(zip(names, first, strict=True))
        recoveries[FIRST], recovering[FIRST] = fewest, seconds * fewest / count
        record["seconds"]["search"][FIRST] = record["seconds"]["search"][OURS]


def _add_others(
    record: dict[str, Any],
    flagship: Flagship,
    tester: Tester,
    picked: Picked,
    scratch: Path,
    tell: Tell,
) -> None:
    """Recover the members of all other methods together."""
    flat = [
        (method, number, member)
        for method, tasks in picked.items()
        if method != OURS
        for number, own in enumerate(tasks)
        for member in own
    ]
    start = time.perf_counter()
    rows = recovered(flagship, tester, [one[1:] for one in flat], scratch / "others", tell)
    seconds = time.perf_counter() - start
    effort = sum(member.scores.flops for *_, member in flat)
    for method in picked:
        if method != OURS:
            record["members"][method] = {task.name: [] for task in flagship.tasks}
            record["recoveries"][method] = record["seconds"]["recovery"][method] = 0
    for (method, number, member), row in zip(flat, rows, strict=True):
        record["members"][method][flagship.tasks[number].name].append(row)
        record["recoveries"][method] += 1
        record["seconds"]["recovery"][method] += seconds * member.scores.flops / effort
