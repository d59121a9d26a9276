"""What a search is asked, checked against each other before anything is compiled."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import jax
import numpy as np

from .._errors import require, require_unique
from ..environments._environment import Environment
from ..fitness._compensation import FITS
from ..models._jat import Jat
from ..sets._origin import weights_digest
from ..tasks._dataset import Dataset
from ..tasks._task import Task, data_of
from ..training._adaptation import Adaptation
from ._settings import Settings, recalibrates

LEAST = 2
"""Examples for each output that a head in closed form is fitted to, at least."""


def check_asked(
    jat: Jat,
    data: Dataset | None,
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
    tasks = [task.on(data) for task in tasks]
    kinds = sorted({data_of(task).kind for task in tasks})
    require(
        len(kinds) == 1, f"`tasks` must all ask the same kind of thing, got {' and '.join(kinds)}."
    )
    for task in tasks:
        _check_task(jat, task)
        _check_classes(task)
    fewest = [min(group.granularity, group.size) for group in graph.groups]
    fewest += [0] * len(graph.blocks) if depth else []
    groups = [(group.name, group.size) for group in graph.groups]
    for environment in environments:
        if environment.device is not None:
            argument = f"environments {environment.name}.device"
            environment.device.require_network(argument, groups, len(graph.blocks))
        for task in tasks:
            counted = graph.cost(np.array(fewest), len(task.classes))
            smallest = environment.costs(
                {name: int(cost) for name, cost in counted.items()}, fewest, len(task.classes)
            )
            require(
                environment.admits(smallest),
                f"`environments` {environment.name} must admit some sub-network, but the smallest "
                f"for {task.name!r} needs {environment.shortfall(smallest)}.",
            )


def check_fitness(jat: Jat, tasks: Sequence[Task], settings: Settings) -> None:
    """Refuse a fitness that has nothing to fit, or too little to fit it to.

    Args:
      jat: the network.
      tasks: what is asked, with their data.
      settings: how it is judged.

    Raises:
      InputError: nothing can be compensated, recalibrated or rescaled, or a head has too few
        examples.
    """
    if settings.fitness in FITS:
        sites = jat.graph.sites()
        reasons = "".join(f"; {leaf}: {reason}" for leaf, reason in sites.refused.items())
        require(
            len(sites.found) > 0,
            f'`search.fitness` "{settings.fitness}" must be asked of a network in which a '
            f"parameter of its own is multiplied with what is removed, got none{reasons}.",
        )
    require(
        settings.fitness != "recalibrated" or recalibrates(jat.graph),
        '`search.fitness` "recalibrated" must be asked of a network with BatchNorm, or with a head '
        'to fit, got one with neither: on it this is "raw".',
    )
    for task in tasks:
        data, outputs, there = data_of(task), len(task.classes), _examples(task)
        require(
            all(images < there for images in settings.halving),
            f"`search.halving` must be less than the {there} search examples of {task.name!r}, got "
            f"{list(settings.halving)}.",
        )
        fitted = settings.fitness != "raw" or not jat.own_head or task.head == "new"
        if data.kind == "tokens" or not fitted:
            continue
        draws = [("images", settings.images), ("calibration", settings.calibration)]
        draws += [("halving", images) for images in settings.halving[:1]]
        for name, asked in draws:
            found = min(asked, there)
            require(
                found >= LEAST * outputs,
                f"`search.{name}` must be at least {LEAST * outputs} for a head in closed form, "
                f"{LEAST} for each of the {outputs} outputs of {task.name!r}, got {found}.",
            )


def _examples(task: Task) -> int:
    """Return how many search examples a task has."""
    data = data_of(task)
    if data.kind != "classes":
        return len(data.search)
    return int(np.isin(data.search.labels, task.labels(data)).sum())


def _check_task(jat: Jat, task: Task) -> None:
    data, graph = data_of(task), jat.graph
    shape, wanted = data.search.inputs.shape[1:], graph.inputs
    require(
        shape == wanted.shape and data.search.inputs.dtype == wanted.dtype,
        f"`data` must have {wanted.dtype} inputs of shape "
        f"[B, {', '.join(map(str, wanted.shape))}] for the network, got {data.search.inputs.dtype} "
        f"of [B, {', '.join(map(str, shape))}] in {data.name}.",
    )
    if jat.vocabulary is not None:
        _check_vocabulary(jat.vocabulary, data)
    tokens = data.kind == "tokens"
    asked = "tokens" if graph.head is None else "classes or values"
    require(
        tokens == (graph.head is None),
        f"`tasks` {task.name}.data must ask {asked} of this network, got {data.kind}.",
    )
    if tokens:
        _check_wanted(jat, data)
    require(
        tokens or not jat.own_head or task.head == "new" or len(data.classes) == graph.classes,
        f"`data` must have the {graph.classes} classes of the network, got {len(data.classes)} in "
        f'{data.name}; `head = "new"` gives task {task.name!r} a head of its own.',
    )


def _check_classes(task: Task) -> None:
    data = data_of(task)
    if data.kind != "classes":
        return
    for part in ("search", "validation", "test"):
        there = np.isin(task.labels(data), getattr(data, part).labels).tolist()
        lacking = [name for name, one in zip(task.classes, there, strict=True) if not one]
        require(
            not lacking,
            f"`data.{part}` of {data.name} must hold every class of task {task.name!r}, got no "
            f"example of {', '.join(lacking)}.",
        )


def _check_vocabulary(vocabulary: int, data: Dataset) -> None:
    for part in ("search", "validation", "test"):
        inputs = getattr(data, part).inputs
        require(
            inputs.min() >= 0 and inputs.max() < vocabulary,
            f"`{part}.inputs` of {data.name} must be tokens in [0, {vocabulary}), got "
            f"{inputs.min()} to {inputs.max()}: are tokenizer and model of one kind?",
        )


def _check_wanted(jat: Jat, data: Dataset) -> None:
    """Refuse tokens to be said that the network has no logit of."""
    graph = jat.graph.graph
    size = jax.eval_shape(graph.apply, graph.shapes, *graph.inputs).shape[-1]
    for part in ("search", "validation", "test"):
        highest = getattr(data, part).labels.max()
        require(
            highest < size,
            f"`{part}.labels` of {data.name} must be tokens below {size}, or -1 where none is "
            f"wanted, got {highest}: are tokenizer and model of one kind?",
        )


def asked_of(
    jat: Jat,
    data: Dataset | None,
    tasks: Sequence[Task],
    environments: Sequence[Environment],
    settings: Settings,
    adaptation: Adaptation | None = None,
) -> dict[str, Any]:
    """Return what identifies a search, as JSON: a run is only resumed with the same."""
    return {
        "network": {
            "name": jat.name,
            "groups": [asdict(group) for group in jat.graph.groups],
            "statistics": [asdict(pair) for pair in jat.graph.statistics],
            "head": None if jat.graph.head is None else asdict(jat.graph.head),
            "input_shape": jat.graph.inputs.shape,
            "equations": _equations(jat),
        },
        "weights": weights_digest(jat),
        "data": asked_data(data, tasks),
        "tasks": [
            {"name": task.name, "classes": task.classes, "head": task.head}
            for task in [task.on(data) for task in tasks]
        ],
        "environments": [environment.content() for environment in environments],
        "settings": asdict(settings),
        "adaptation": None if adaptation is None else asdict(adaptation),
    }


def asked_data(data: Dataset | None, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """Return what identifies the data of each task, as JSON."""
    tasks = [task.on(data) for task in tasks]
    digests = {id(task.data): _digest(data_of(task)) for task in tasks}
    return [
        {"classes": data_of(task).classes, "examples": digests[id(task.data)]} for task in tasks
    ]


def _digest(data: Dataset) -> str:
    """Return a digest of all examples."""
    examples = hashlib.sha256()
    for split in (data.search, data.validation, data.test):
        examples.update(repr(split.inputs.shape).encode())
        examples.update(np.ascontiguousarray(split.inputs).tobytes() + split.labels.tobytes())
    return examples.hexdigest()


def _equations(jat: Jat) -> str:
    """Return a digest of what the network computes, so that another function is noticed."""
    graph = jat.graph.graph
    program = graph.traced(graph.shapes, graph.inputs).program
    steps = [(one.name, one.reads, one.writes) for one in program.region.equations]
    shapes = sorted((number, aval.shape) for number, aval in program.avals.items())
    return hashlib.sha256(repr((steps, shapes)).encode()).hexdigest()
