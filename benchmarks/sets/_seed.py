"""One seed: propose, choose on validation data, recover all alike, write down."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from sosjax.search._problem import Problem

from ._choice import chosen
from ._flagship import BUDGETS, Flagship
from ._methods import Proposals, Tell, proposals
from ._numbers import FIRST, OURS, row_of
from ._recovering import Picked, Tester, add_recovered, with_rounds


def one_seed(flagship: Flagship, seed: int, folder: Path, tell: Tell) -> dict[str, Any]:
    """Return the record of a seed, from `folder/seed-N.json` if it is there.

    Args:
      flagship: what is measured.
      seed: of everything random.
      folder: where finished searches, checkpoints of recoveries and records are kept.
      tell: called with what was done.
    """
    path, scratch = folder / f"seed-{seed}.json", folder / f"seed-{seed}"
    if path.exists():
        return json.loads(path.read_text())
    flagship = flagship.at(seed)
    problem = Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)
    found = proposals(flagship, problem, scratch / "searches", tell)
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
        "seconds": {"search": found.seconds, "recovery": {}},
    }
    tester = Tester(problem)
    _add_ours(record, flagship, tester, found, picked, scratch, tell)
    others = {method: tasks for method, tasks in picked.items() if method != OURS}
    add_recovered(record, flagship, tester, others, scratch / "others", tell)
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
