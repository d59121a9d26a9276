"""What Torch-Pruning adds to the record of a seed: pruned, then recovered here and in PyTorch."""

import json
from pathlib import Path
from typing import Any

from sosjax.search._judge import calibrated
from sosjax.search._problem import Problem

from ._flagship import Flagship
from ._methods import Tell
from ._numbers import joined
from ._recovering import Tester, add_recovered
from ._torch_pruning import torch_proposals
from ._torch_recovery import add_torch_recovery


def with_torch(
    record: dict[str, Any], flagship: Flagship, seed: int, folder: Path, tell: Tell
) -> dict[str, Any]:
    """Return a seed's record with Torch-Pruning, from `folder/seed-N-torch.json` if it is there."""
    path = folder / f"seed-{seed}-torch.json"
    if path.exists():
        return joined(record, json.loads(path.read_text()))
    flagship = flagship.at(seed)
    problem = Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)
    found, seconds = torch_proposals(flagship, problem, tell)
    picked = {name: calibrated(problem, rows) for name, rows in found.items()}
    more: dict[str, Any] = {
        "members": {},
        "recoveries": {},
        "seconds": {"search": seconds, "recovery": {}},
    }
    add_recovered(more, flagship, Tester(problem), picked, folder / f"seed-{seed}/torch", tell)
    add_torch_recovery(more, flagship, problem, picked, tell)
    path.write_text(json.dumps(more, indent=1) + "\n")
    return joined(record, more)
