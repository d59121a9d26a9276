"""One seed: propose, choose on validation data, recover all alike, write down."""

import copy
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sosjax import Member, Scores, SetOfSets
from sosjax._files import write_json
from sosjax.search._problem import Problem

from ._choice import chosen
from ._flagship import BUDGETS, Flagship
from ._methods import Tell, proposals, searched
from ._numbers import FIRST, OURS, row_of
from ._recovering import Tester, add_recovered, with_rounds


def one_seed(flagship: Flagship, seed: int, folder: Path, tell: Tell) -> dict[str, Any]:
    """Return the record of a seed, from `folder/seed-N.json` if it is there.

    Args:
      flagship: what is measured.
      seed: of everything random.
      folder: where finished searches, checkpoints of recoveries and records are kept.
      tell: called with what was done.
    """
    scratch = folder / f"seed-{seed}"
    return kept(scratch, lambda: _measured(flagship.at(seed), seed, scratch, tell))


def renewed(known: dict[str, Any], flagship: Flagship, folder: Path, tell: Tell) -> dict[str, Any]:
    """Return the record of a seed with the Set found and recovered again.

    Args:
      known: the record; its other methods stay as they are.
      flagship: what is measured.
      folder: where the search, checkpoints and the new record are kept.
      tell: called with what was done.
    """
    # Apart from what `one_seed` keeps: that may be of the version before.
    scratch = folder / f"renewed-{known['seed']}"
    return kept(scratch, lambda: _again(known, flagship.at(known["seed"]), scratch, tell))


def kept(scratch: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the record beside a folder; make it and keep it if there is none."""
    path = scratch.with_suffix(".json")
    if not path.exists():
        write_json(path, make())
    return json.loads(path.read_text())


def _measured(flagship: Flagship, seed: int, scratch: Path, tell: Tell) -> dict[str, Any]:
    """Return the record of a seed, all methods anew."""
    problem = Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)
    found = proposals(flagship, problem, scratch / "searches", tell)
    picked = {
        method: tasks if method in found.sized else picked_of(flagship, tasks, found.jacks)
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
    add_rounds(record, flagship, tester, found.sets, picked[OURS], scratch / "ours", tell)
    others = {method: tasks for method, tasks in picked.items() if method != OURS}
    add_recovered(record, flagship, tester, others, scratch / "others", tell)
    return record


def _again(known: dict[str, Any], flagship: Flagship, scratch: Path, tell: Tell) -> dict[str, Any]:
    """Return a record with the Set anew."""
    problem = Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)
    sets, seconds = searched(flagship, flagship.tasks, {}, scratch / "searches" / OURS)
    tell(f"{OURS}: {seconds:.0f} s")
    tasks = [list(task.members) for task in sets.tasks]
    picked = picked_of(flagship, tasks, [task.jack for task in sets.tasks])
    record = copy.deepcopy(known)
    record["seconds"]["search"][OURS] = seconds
    add_rounds(record, flagship, Tester(problem), sets, picked, scratch / "ours", tell)
    return record


def picked_of(
    flagship: Flagship, tasks: Sequence[Sequence[Member]], jacks: Sequence[Scores]
) -> list[list[Member]]:
    """Return what is recovered of a search's members, for each task."""
    cost, most = flagship.cost, flagship.members
    return [
        chosen(own, cost, getattr(jack, cost), BUDGETS, most)
        for own, jack in zip(tasks, jacks, strict=True)
    ]


def add_rounds(
    record: dict[str, Any],
    flagship: Flagship,
    tester: Tester,
    sets: SetOfSets,
    picked: Sequence[Sequence[Member]],
    place: Path,
    tell: Tell,
    method: str = OURS,
) -> None:
    """Recover sets as a user does, with the further members that recovery seeks, into a record.

    The budgets are environments by then: further members are sought within them. What the first
    front of the Set alone comes to is a method of its own, if there are further members.

    Args:
      record: of a seed.
      flagship: how to recover.
      tester: of the network and the examples.
      sets: what was found.
      picked: the members that are recovered first, for each task.
      place: of checkpoints.
      tell: called with what was done.
      method: the name that the record has it by.
    """
    start = time.perf_counter()
    tasks = [
        replace(task, members=tuple(own)) for task, own in zip(sets.tasks, picked, strict=True)
    ]
    sets = replace(sets, tasks=tuple(tasks), environments=flagship.environments)
    first, every, count = with_rounds(flagship, tester, sets, place, tell)
    seconds, names = time.perf_counter() - start, [task.name for task in tasks]
    members, recoveries = record["members"], record["recoveries"]
    recovering = record["seconds"]["recovery"]
    members[method] = dict(zip(names, every, strict=True))
    recoveries[method], recovering[method] = count, seconds
    fewest = sum(map(len, first))
    if method == OURS and count > fewest:
        members[FIRST] = dict(zip(names, first, strict=True))
        recoveries[FIRST], recovering[FIRST] = fewest, seconds * fewest / count
        record["seconds"]["search"][FIRST] = record["seconds"]["search"][OURS]
