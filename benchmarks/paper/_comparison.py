"""One search for all tasks against one search for each, with as many evaluations for each task."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

import sosjax

MULTITASK, SINGLE = "multitask", "single-task"


@dataclass(frozen=True)
class Found:
    """What one way of searching found with one seed.

    Attributes:
      sets: a task's set, by its name.
      curves: a task's hypervolume on search data at every generation, by its name.
      seconds: how long it took.
    """

    sets: dict[str, sosjax.TaskSet]
    curves: dict[str, list[float]]
    seconds: float


def multitask(jat: sosjax.Jat, tasks: Sequence[sosjax.Task], settings: sosjax.Settings) -> Found:
    """Search for all tasks at once."""
    start, curves = time.perf_counter(), {task.name: [] for task in tasks}

    def keep(line: dict[str, Any]) -> None:
        for name, volume in line.get("hypervolume", {}).items():
            curves[name].append(volume)

    sets = sosjax.search(jat, None, tasks, (), settings, progress=keep)
    found = {task.name: task for task in sets.tasks}
    return Found(found, curves, time.perf_counter() - start)


def single(jat: sosjax.Jat, tasks: Sequence[sosjax.Task], settings: sosjax.Settings) -> Found:
    """Search for one task after the other."""
    each = [multitask(jat, [task], settings) for task in tasks]
    return Found(
        {name: one for found in each for name, one in found.sets.items()},
        {name: one for found in each for name, one in found.curves.items()},
        sum(found.seconds for found in each),
    )


def compare(
    jat: sosjax.Jat,
    tasks: Sequence[sosjax.Task],
    ways: Mapping[str, sosjax.Settings],
    seeds: int,
) -> dict[str, list[Found]]:
    """Run every way with and without the other tasks, with every seed.

    Args:
      jat: the network.
      tasks: with data of their own.
      ways: settings by the name of the way.
      seeds: how many, from 0.

    Returns:
      For each way and search, `bits, multitask` say, what was found with each seed.
    """
    found: dict[str, list[Found]] = {}
    for seed in range(seeds):
        for way, settings in ways.items():
            settings = replace(settings, seed=seed)
            for name, search in ((MULTITASK, multitask), (SINGLE, single)):
                one = search(jat, tasks, settings)
                found.setdefault(f"{way}, {name}", []).append(one)
                volumes = ", ".join(f"{curve[-1]:.4f}" for curve in one.curves.values())
                print(f"seed {seed}: {way}, {name}: {one.seconds:.0f} s, {volumes}", flush=True)
    return found


def curves_of(found: Mapping[str, Sequence[Found]], task: str) -> dict[str, np.ndarray]:
    """Return for each search a task's hypervolumes, [seeds, generations + 1]."""
    return {name: np.array([one.curves[task] for one in runs]) for name, runs in found.items()}


def test_volume(task: sosjax.TaskSet) -> float:
    """Return the hypervolume of a set on test data, in the measure of the search."""
    points = [[one.scores.test_error, one.scores.parameters] for one in task.members]
    dense = jnp.asarray([task.jack.parameters], jnp.float32)
    return float(sosjax.log_hypervolume(jnp.asarray(points, jnp.float32), dense))


def volume_rows(
    found: Mapping[str, Sequence[Found]], ways: Sequence[str], tasks: Sequence[str]
) -> list[dict[str, Any]]:
    """Return a row of mean hypervolumes for each way and task, and how often transfer helped."""
    rows = []
    for way in ways:
        for task in tasks:
            last = {
                name: np.array([one.curves[task][-1] for one in found[f"{way}, {name}"]])
                for name in (MULTITASK, SINGLE)
            }
            test = {
                name: np.array([test_volume(one.sets[task]) for one in found[f"{way}, {name}"]])
                for name in (MULTITASK, SINGLE)
            }
            rows.append(
                {
                    "task": task,
                    "way": way,
                    **{name: float(values.mean()) for name, values in last.items()},
                    "better": f"{(last[MULTITASK] > last[SINGLE]).sum()}/{len(last[SINGLE])}",
                    **{f"{name}, test": float(values.mean()) for name, values in test.items()},
                    "better, test": f"{(test[MULTITASK] > test[SINGLE]).sum()}/{len(test[SINGLE])}",
                }
            )
    return rows


def described(found: Mapping[str, Sequence[Found]]) -> dict[str, list[dict[str, Any]]]:
    """Return everything that was found, ready for JSON."""
    return {
        name: [
            {
                "seconds": round(one.seconds, 1),
                "hypervolume": one.curves,
                "members": {
                    task: [_scores(member.scores) for member in found.members]
                    for task, found in one.sets.items()
                },
                "jack": {task: _scores(found.jack) for task, found in one.sets.items()},
            }
            for one in runs
        ]
        for name, runs in found.items()
    }


def _scores(scores: sosjax.Scores) -> dict[str, Any]:
    errors = {name: getattr(scores, name) for name in ("validation_error", "test_error")}
    return {"parameters": scores.parameters, "flops": scores.flops, **errors}
