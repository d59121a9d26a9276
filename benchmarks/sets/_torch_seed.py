"""What Torch-Pruning adds to the record of a seed: pruned, then recovered here and in PyTorch."""

from pathlib import Path
from typing import Any

from sosjax.search._judge import calibrated
from sosjax.search._problem import Problem

from ._flagship import Flagship
from ._methods import Tell
from ._numbers import joined
from ._recovering import Tester, add_recovered
from ._seed import kept
from ._torch_pruning import torch_proposals
from ._torch_recovery import add_torch_recovery


def with_torch(
    record: dict[str, Any], flagship: Flagship, seed: int, folder: Path, tell: Tell
) -> dict[str, Any]:
    """Return a seed's record with Torch-Pruning, from `folder/seed-N-torch.json` if it is there."""

    def measured() -> dict[str, Any]:
        own = flagship.at(seed)
        problem = Problem(own.jat, own.data, own.tasks, own.settings)
        found, seconds = torch_proposals(own, problem, tell)
        picked = {name: calibrated(problem, rows) for name, rows in found.items()}
        more: dict[str, Any] = {
            "members": {},
            "recoveries": {},
            "seconds": {"search": seconds, "recovery": {}},
        }
        add_recovered(more, own, Tester(problem), picked, folder / f"seed-{seed}/torch", tell)
        add_torch_recovery(more, own, problem, picked, tell)
        return more

    return joined(record, kept(folder / f"seed-{seed}-torch", measured))
