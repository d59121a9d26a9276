"""What rounds of recovery make of another start or aim: controls for a seed's record."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import sosjax
from sosjax import Adaptation, Member, SetOfSets
from sosjax.search._judge import calibrated
from sosjax.search._problem import Problem

from ._flagship import Flagship
from ._methods import SEARCHES, Tell, baselines, searched
from ._numbers import ADAPTED, CONTROLS, FOR_FLOPS, joined
from ._recovering import Tester
from ._seed import add_rounds, kept, picked_of

SEARCHED: dict[str, dict[str, Any]] = {**SEARCHES, FOR_FLOPS: {}, ADAPTED: {}}
"""How the controls that search differ in settings from the Set, beside what `varied` changes."""


def with_control(
    record: dict[str, Any], flagship: Flagship, control: str, seed: int, folder: Path, tell: Tell
) -> dict[str, Any]:
    """Return a seed's record with one of the controls, which is kept in the folder.

    All is as for the Set, rounds, budgets and the number of recoveries, but for what the control
    is named by: where it begins, what it is searched for, or the Jack that was adapted before.
    """

    def measured() -> dict[str, Any]:
        more: dict[str, Any] = {"members": {}, "recoveries": {}}
        more["seconds"] = {"search": {}, "recovery": {}}
        place, name, start = folder / f"seed-{seed}", CONTROLS[control], time.perf_counter()
        own = varied(flagship.at(seed), control)
        # Adapting the Jack is part of what its control costs.
        varying = time.perf_counter() - start
        problem = Problem(own.jat, own.data, own.tasks, own.settings)
        sets, picked, searching = _begun(own, problem, control, place)
        more["seconds"]["search"][name] = varying + searching
        tell(f"{name}: {sum(map(len, picked))} members to begin with")
        add_rounds(more, own, Tester(problem), sets, picked, place / "controls", tell, name)
        return more

    return joined(record, kept(folder / f"seed-{seed}-{control.replace(' ', '-')}", measured))


def varied(flagship: Flagship, control: str) -> Flagship:
    """Return the flagship as a control has it: with another Jack, or searched for other costs."""
    if control == FOR_FLOPS:
        settings = replace(flagship.settings, objectives=("error", "flops"))
        return replace(flagship, settings=settings, cost="flops")
    if control == ADAPTED:
        adaptation = Adaptation(seed=flagship.settings.seed)
        parts = flagship.jat, flagship.data, flagship.tasks
        return replace(flagship, jat=sosjax.adapt(*parts, adaptation, flagship.settings))
    return flagship


def _begun(
    flagship: Flagship, problem: Problem, control: str, place: Path
) -> tuple[SetOfSets, list[list[Member]], float]:
    """Return sets, the members that are recovered first, and the seconds that finding them took."""
    if control in SEARCHED:
        folder = place / "searches" / control
        sets, seconds = searched(flagship, flagship.tasks, SEARCHED[control], folder)
        tasks = [list(task.members) for task in sets.tasks]
        return sets, picked_of(flagship, tasks, [task.jack for task in sets.tasks]), seconds
    # Nothing is searched: the first generation alone gives the sets that take the members.
    settings = replace(flagship.settings, generations=0)
    sets = sosjax.search(flagship.jat, flagship.data, flagship.tasks, (), settings)
    return sets, calibrated(problem, baselines(flagship, problem)[control]), 0.0
