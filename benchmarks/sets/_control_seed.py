"""What rounds of recovery make of a start that no evolution found: controls for a seed's record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import sosjax
from sosjax import Member, SetOfSets
from sosjax.search._judge import calibrated
from sosjax.search._problem import Problem

from ._flagship import Flagship
from ._methods import SEARCHES, Tell, baselines, searched
from ._numbers import CONTROLS, joined
from ._recovering import Tester
from ._seed import add_rounds, kept, picked_of


def with_control(
    record: dict[str, Any], flagship: Flagship, begins: str, seed: int, folder: Path, tell: Tell
) -> dict[str, Any]:
    """Return a seed's record with one of the controls, which is kept in the folder.

    All is as for the Set, rounds, budgets and the number of recoveries, but for where it begins.
    """

    def measured() -> dict[str, Any]:
        more: dict[str, Any] = {"members": {}, "recoveries": {}}
        more["seconds"] = {"search": {}, "recovery": {}}
        own, name, place = flagship.at(seed), CONTROLS[begins], folder / f"seed-{seed}"
        problem = Problem(own.jat, own.data, own.tasks, own.settings)
        sets, picked, more["seconds"]["search"][name] = _begun(own, problem, begins, place)
        tell(f"{name}: {sum(map(len, picked))} members to begin with")
        add_rounds(more, own, Tester(problem), sets, picked, place / "controls", tell, name)
        return more

    return joined(record, kept(folder / f"seed-{seed}-{begins.replace(' ', '-')}", measured))


def _begun(
    flagship: Flagship, problem: Problem, begins: str, place: Path
) -> tuple[SetOfSets, list[list[Member]], float]:
    """Return sets, the members that are recovered first, and the seconds that finding them took."""
    if begins in SEARCHES:
        folder = place / "searches" / begins
        sets, seconds = searched(flagship, flagship.tasks, SEARCHES[begins], folder)
        tasks = [list(task.members) for task in sets.tasks]
        return sets, picked_of(flagship, tasks, [task.jack for task in sets.tasks]), seconds
    # Nothing is searched: the first generation alone gives the sets that take the members.
    settings = replace(flagship.settings, generations=0)
    sets = sosjax.search(flagship.jat, flagship.data, flagship.tasks, (), settings)
    return sets, calibrated(problem, baselines(flagship, problem)[begins]), 0.0
