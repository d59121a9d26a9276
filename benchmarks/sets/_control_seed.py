"""What rounds of recovery make of a start that no evolution found: controls for a seed's record."""

import json
from pathlib import Path
from typing import Any

from sosjax.search._judge import calibrated
from sosjax.search._problem import Problem

from ._flagship import Flagship
from ._methods import SEARCHES, Tell, baselines, searched
from ._numbers import joined
from ._recovering import Tester
from ._seed import add_rounds, picked_of

CONTROLS = {"random search": "random search, with rounds", "uniform Taylor": "uniform, with rounds"}
"""By the method that a control begins with. Their first members take the place of the Set's."""


def with_controls(
    record: dict[str, Any], flagship: Flagship, seed: int, folder: Path, tell: Tell
) -> dict[str, Any]:
    """Return a seed's record with the controls, from `folder/seed-N-controls.json` if it is there.

    Everything after the search is as for the Set: rounds, budgets, number of recoveries.
    """
    path = folder / f"seed-{seed}-controls.json"
    if path.exists():
        return joined(record, json.loads(path.read_text()))
    flagship, scratch = flagship.at(seed), folder / f"seed-{seed}"
    problem = Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)
    tester, more = Tester(problem), _nothing()
    for begins, name in CONTROLS.items():
        # Sets of the same network, whatever was found: members are replaced where none searched.
        place = scratch / "searches" / "random search"
        sets, seconds = searched(flagship, flagship.tasks, SEARCHES["random search"], place)
        tasks = [list(task.members) for task in sets.tasks]
        picked = picked_of(flagship, tasks, [task.jack for task in sets.tasks])
        if begins not in SEARCHES:
            seconds = 0.0
            picked = calibrated(problem, baselines(flagship, problem)[begins])
        tell(f"{name}: {seconds:.0f} s of search")
        more["seconds"]["search"][name] = seconds
        add_rounds(more, flagship, tester, sets, picked, scratch / "controls", tell, name)
    path.write_text(json.dumps(more, indent=1) + "\n")
    return joined(record, more)


def _nothing() -> dict[str, Any]:
    return {"members": {}, "recoveries": {}, "seconds": {"search": {}, "recovery": {}}}
