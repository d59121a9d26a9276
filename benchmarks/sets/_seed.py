"""One seed: propose, choose on validation data, recover all alike, write down."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax import Member, Scores
from sosjax.recover._case import Case
from sosjax.recover._heal import heal
from sosjax.recover._recover import full_params
from sosjax.search._judge import share
from sosjax.search._problem import Problem
from sosjax.search._run_folder import RunFolder

from ._choice import chosen
from ._flagship import BUDGETS, Flagship
from ._methods import Tell, proposals
from ._numbers import OURS, row_of

FIRST = "Set of Sets, first front"
"""What the search found, with as many recoveries as every other method."""


def one_seed(flagship: Flagship, seed: int, folder: Path, torch: bool, tell: Tell) -> dict:
    """Return the record of a seed, from `folder/seed-N.json` if it is there."""
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
            chosen(own, flagship.cost, getattr(jack, flagship.cost), BUDGETS, flagship.members)
            for own, jack in zip(tasks, found.jacks, strict=True)
        ]
        for method, tasks in found.members.items()
    }
    flat = [
        (method, number, member)
        for method, tasks in picked.items()
        for number, own in enumerate(tasks)
        for member in own
    ]
    start = time.perf_counter()
    scores = recovered(flagship, problem, [one[1:] for one in flat], scratch, tell)
    seconds = time.perf_counter() - start
    names = [task.name for task in flagship.tasks]
    members = {method: {name: [] for name in names} for method in picked}
    recovering = dict.fromkeys(picked, 0.0)
    effort = sum(member.scores.flops for *_, member in flat)
    for (method, number, member), after in zip(flat, scores, strict=True):
        members[method][names[number]].append(row_of(after))
        recovering[method] += seconds * member.scores.flops / effort
    record = {
        "seed": seed,
        "jack": {name: row_of(jack) for name, jack in zip(names, found.jacks, strict=True)},
        "members": members,
        "recoveries": {method: sum(map(len, tasks)) for method, tasks in picked.items()},
        "seconds": {"search": found.seconds | slow, "recovery": recovering},
    }
    add_rounds(record, flagship, found.sets, picked[OURS], scratch, tell)
    if torch:
        from ._torch_recovery import add_torch_recovery

        add_torch_recovery(record, flagship, problem, picked, tell)
    path.write_text(json.dumps(record, indent=1) + "\n")
    return record


def recovered(
    flagship: Flagship,
    problem: Problem,
    members: Sequence[tuple[int, Member]],
    scratch: Path,
    tell: Tell,
) -> list[Scores]:
    """Recover members of all methods and tasks together; return their scores.

    Where they do not all fit into memory, those of like FLOPs come together.
    """
    order = sorted(range(len(members)), key=lambda row: -members[row][1].scores.flops)
    size = flagship.part or len(order)
    found: dict[int, Scores] = {}
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        own = [members[row] for row in rows]
        run = run_folder(scratch / "recovery", flagship, own)
        cases = [Case(task, one.masks, full_params(flagship.jat, one)) for task, one in own]
        healed = heal(problem, cases, flagship.recovery, run, lambda line: tell(line["event"]))
        for row, (_, member), after in zip(rows, own, healed, strict=True):
            found[row] = replace(
                member.scores,
                validation_error=share(after.after),
                test_error=share(after.test),
                epoch=after.epoch,
                validation_error_before=member.scores.validation_error,
                test_error_before=member.scores.test_error,
            )
        tell(f"{min(first + size, len(order))} of {len(order)} members recovered")
    return [found[row] for row in range(len(members))]


def run_folder(
    folder: Path, flagship: Flagship, members: Sequence[tuple[int, Member]]
) -> RunFolder:
    """Return the folder of this recovery, with what a killed one left."""
    digest = hashlib.sha256(repr(flagship.recovery).encode())
    for task, member in members:
        digest.update(repr((task, member.scores)).encode())
        for mask in member.masks:
            digest.update(np.packbits(mask).tobytes())
    path = folder / digest.hexdigest()[:16]
    if path.exists():
        return RunFolder(path)
    folder.mkdir(parents=True, exist_ok=True)
    return RunFolder.create(path, {"settings": asdict(flagship.recovery)}, None)


def add_rounds(
    record: dict[str, Any],
    flagship: Flagship,
    sets: sosjax.SetOfSets,
    picked: Sequence[Sequence[Member]],
    scratch: Path,
    tell: Tell,
) -> None:
    """Recover the Set as a user does, with further members if the recovery seeks some.

    What the first front alone comes to stays as a method of its own.
    """
    if not getattr(flagship.recovery, "rounds", 0):
        return
    tasks = [
        replace(task, members=tuple(own)) for task, own in zip(sets.tasks, picked, strict=True)
    ]
    start = time.perf_counter()
    found = sosjax.recover(
        flagship.jat,
        replace(sets, tasks=tuple(tasks)),
        flagship.data,
        flagship.tasks,
        flagship.recovery,
        folder=scratch / "rounds",
        progress=lambda line: tell(line["event"]),
    )
    for part in (record["members"], record["recoveries"], *record["seconds"].values()):
        part[FIRST] = part[OURS]
    record["members"][OURS] = {
        task.name: [row_of(member.scores) for member in task.members] for task in found.tasks
    }
    record["recoveries"][OURS] = found.facts.get("recovered")
    record["seconds"]["recovery"][OURS] = time.perf_counter() - start
