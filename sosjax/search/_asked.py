"""What a search is asked, checked against each other before anything is compiled."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from .._errors import require, require_unique
from .._tree import named_leaves
from ..environments._environment import Environment
from ..models._jat import Jat
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ._settings import Settings


def check_asked(
    jat: Jat,
    data: Dataset,
    tasks: Sequence[Task],
    environments: Sequence[Environment],
    depth: bool = False,
) -> None:
    """Refuse what does not fit together.

    Args:
      jat: the network.
      data: what to judge on.
      tasks: what is asked.
      environments: where members will run.
      depth: whether blocks may be left out.

    Raises:
      InputError: no task, a name twice, a class that the data lacks, data that is not the
        network's, or an environment that not even the smallest sub-network fits.
    """
    graph = jat.graph
    require(len(tasks) > 0, "`tasks` must hold at least one task, got none.")
    require_unique("tasks", [task.name for task in tasks])
    require_unique("environments", [environment.name for environment in environments])
    require(
        len(data.classes) == graph.classes,
        f"`data` must have the {graph.classes} classes of the network, got {len(data.classes)}.",
    )
    shape = data.search.inputs.shape[1:]
    require(
        shape == graph.inputs.shape,
        f"`data` must have inputs of shape [B, {', '.join(map(str, graph.inputs.shape))}] for "
        f"the network, got [B, {', '.join(map(str, shape))}].",
    )
    for task in tasks:
        task.labels(data)
    fewest = [min(group.granularity, group.size) for group in graph.groups]
    fewest += [0] * len(graph.blocks) if depth else []
    for environment in environments:
        for task in tasks:
            smallest = {
                name: int(cost)
                for name, cost in graph.cost(np.array(fewest), len(task.classes)).items()
            }
            require(
                environment.admits(smallest),
                f"`environments` {environment.name} must admit some sub-network, but the smallest "
                f"for {task.name!r} needs {environment.shortfall(smallest)}.",
            )


def asked_of(
    jat: Jat,
    data: Dataset,
    tasks: Sequence[Task],
    environments: Sequence[Environment],
    settings: Settings,
) -> dict[str, Any]:
    """Return what identifies a search, as JSON: a run is only resumed with the same."""
    weights = hashlib.sha256()
    for name, leaf in named_leaves(jat.params).items():
        weights.update(name.encode() + np.asarray(leaf).tobytes())
    examples = hashlib.sha256()
    for split in (data.search, data.validation, data.test):
        examples.update(repr(split.inputs.shape).encode())
        examples.update(np.ascontiguousarray(split.inputs).tobytes() + split.labels.tobytes())
    return {
        "network": {
            "name": jat.name,
            "groups": [asdict(group) for group in jat.graph.groups],
            "statistics": [asdict(pair) for pair in jat.graph.statistics],
            "head": asdict(jat.graph.head),
            "input_shape": jat.graph.inputs.shape,
            "equations": _equations(jat),
        },
        "weights": weights.hexdigest(),
        "data": {"classes": data.classes, "examples": examples.hexdigest()},
        "tasks": [asdict(task) for task in tasks],
        "environments": [asdict(environment) for environment in environments],
        "settings": asdict(settings),
    }


def _equations(jat: Jat) -> str:
    """Return a digest of what the network computes, so that another function is noticed."""
    graph = jat.graph.graph
    program = graph.traced(graph.shapes, graph.inputs).program
    steps = [(one.name, one.reads, one.writes) for one in program.region.equations]
    shapes = sorted((number, aval.shape) for number, aval in program.avals.items())
    return hashlib.sha256(repr((steps, shapes)).encode()).hexdigest()
