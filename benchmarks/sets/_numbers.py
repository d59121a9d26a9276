"""Every method's numbers on test data, before and after recovery, from the records of seeds.

The record of a seed is `{"jack": {task: scores}, "members": {method: {task: [scores]}}, ...}` with
scores as fields of `sosjax.Scores`. Validation data chooses, test data is only told.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax import Scores

from ._choice import undominated, within
from ._flagship import REPORTED
from ._statistics import interval, paired

STAGES = ("before", "after")
COSTS = ("parameters", "flops")
OURS = "Set of Sets"
THERE = "Torch-Pruning, global"
IN_TORCH = "Torch-Pruning, global, in PyTorch"
"""The same members, recovered in PyTorch."""
FIRST = "Set of Sets, first front"
"""What the search found, with as many recoveries as every other method."""
ADAPTED, FOR_FLOPS = "adapted", "FLOPs"
CONTROLS = {
    "random search": "random search, with rounds",
    "uniform Taylor": "uniform, with rounds",
    ADAPTED: f"{OURS}, adapted first",
    FOR_FLOPS: f"{OURS}, for FLOPs",
}
"""The name of a control by what finds the members it begins with, or by what else is different."""
AFTER = (FIRST, *CONTROLS.values())
"""What there is after recovery alone: before, it is the first front, or what others found."""
KEPT = (
    "parameters",
    "flops",
    "epoch",
    *(f"{part}_error{stage}" for stage in ("_before", "") for part in ("validation", "test")),
    "expected_error",
)
"""What a record keeps of `sosjax.Scores`."""
Record = dict[str, Any]


def scores_of(row: dict[str, Any], stage: str) -> Scores:
    """Return scores whose errors are those of the stage, from a record's row."""
    known = {"kept": (), "bytes": 0, "search_error": None} | row
    before = known["validation_error_before"], known["test_error_before"]
    if stage == "before" and before[0] is not None:
        known |= {"validation_error": before[0], "test_error": before[1], "expected_error": None}
    return Scores(**known)


def row_of(scores: Scores) -> dict[str, Any]:
    """Return scores for a record: parameters, FLOPs, epoch and errors."""
    return {name: getattr(scores, name) for name in KEPT}


def volume(scores: Sequence[Scores], cost: str, dense: int) -> float:
    """Return the log-size hypervolume on test data of what validation data finds unbeaten.

    What is smaller than the smallest reported share counts as that: not every method offers it.
    """
    costs = [max(getattr(one, cost), min(REPORTED) * dense) for one in scores]
    kept = undominated([one.error for one in scores], costs)
    points = np.array(
        [
            [one.test_error, size]
            for one, size, keep in zip(scores, costs, kept, strict=True)
            if keep
        ],
        np.float32,
    )
    found = sosjax.log_hypervolume(jnp.asarray(points), jnp.asarray([dense], jnp.float32))
    return round(float(found), 5)


def error_within(scores: Sequence[Scores], cost: str, limit: float) -> float | None:
    """Return the test error of what validation data chooses within the limit."""
    best = within(scores, cost, limit)
    return None if best is None else best.test_error


def numbers(rows: Sequence[dict[str, Any]], jack: dict[str, Any], stage: str) -> dict[str, Any]:
    """Return hypervolumes and errors of one method on one task with one seed.

    Args:
      rows: of the method's members.
      jack: of the whole network.
      stage: `before` or `after` recovery.
    """
    scores = [scores_of(row, stage) for row in rows]
    found: dict[str, Any] = {}
    for cost in COSTS:
        found[f"{cost} hypervolume"] = volume(scores, cost, jack[cost])
        for share in REPORTED:
            found[f"error at {share:.0%} of {cost}"] = error_within(
                scores, cost, share * jack[cost]
            )
    tenth = within(scores, "parameters", 0.1 * jack["parameters"])
    found["as good as the Jack at 10% of parameters"] = (
        None if tenth is None else float(tenth.test_error <= jack["test_error"])
    )
    half = found["error at 50% of flops"]
    found["points lost at 50% of flops"] = (
        None if half is None else 100 * (half - jack["test_error"])
    )
    return found


def tabled(seeds: Sequence[Record]) -> dict[str, dict[str, dict[str, list[dict[str, Any]]]]]:
    """Return the numbers by stage, method and task, one for each seed.

    Further members are sought by what recovery has taught: before it, there is the first front.
    """
    return {
        stage: {
            method: {
                task: [
                    numbers(rows_of(seed, method, task, stage), seed["jack"][task], stage)
                    for seed in seeds
                ]
                for task in seeds[0]["jack"]
            }
            for method in seeds[0]["members"]
            if all(method in seed["members"] for seed in seeds)
            and not (stage == "before" and method in AFTER)
        }
        for stage in STAGES
    }


def agreement(seeds: Sequence[Record]) -> dict[str, Any] | None:
    """Compare the recovery here with the one in PyTorch, of the same members.

    Returns:
      Mean test errors of both, the mean absolute difference, and Wilcoxon's test; `None` without
      PyTorch.
    """
    if any(IN_TORCH not in seed["members"] for seed in seeds):
        return None
    here, there = (
        [
            row["test_error"]
            for seed in seeds
            for rows in seed["members"][method].values()
            for row in rows
        ]
        for method in (THERE, IN_TORCH)
    )
    return {
        "members": len(here),
        "here": float(np.mean(here)),
        "in_pytorch": float(np.mean(there)),
        "mean_absolute_difference": float(np.abs(np.subtract(here, there)).mean()),
        "p": paired(here, there)["p"],
    }


def rows_of(seed: Record, method: str, task: str, stage: str) -> list[dict[str, Any]]:
    """Return a method's rows; of what is sought in rounds, before recovery, the first front's."""
    first = stage == "before" and method == OURS and FIRST in seed["members"]
    return seed["members"][FIRST if first else method][task]


def summary(seeds: Sequence[Record]) -> dict[str, Any]:
    """Return means with intervals by stage, method, task (and `mean`) and number, and the tests.

    `mean` is over the tasks, where all have a value; its interval is over seeds, too.
    """
    table = tabled(seeds)
    means = {
        stage: {method: _means(tasks) for method, tasks in methods.items()}
        for stage, methods in table.items()
    }
    tests = {
        stage: {
            method: {
                name: paired(_flat(methods[OURS], name), _flat(tasks, name))
                for name in next(iter(tasks.values()))[0]
            }
            for method, tasks in methods.items()
            if method != OURS
        }
        for stage, methods in table.items()
    }
    return {"means": means, "tests": tests}


def _flat(tasks: dict[str, list[dict[str, Any]]], name: str) -> list[float | None]:
    return [row[name] for rows in tasks.values() for row in rows]


def _means(tasks: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    names = list(next(iter(tasks.values()))[0])
    for task, rows in tasks.items():
        known = {name: [row[name] for row in rows if row[name] is not None] for name in names}
        found[task] = {
            name: interval(values) | {"seeds": len(values)} for name, values in known.items()
        }
    by_seed = list(zip(*tasks.values(), strict=True))
    found["mean"] = {}
    for name in names:
        values = [[row[name] for row in rows] for rows in by_seed]
        whole = [float(np.mean(row)) for row in values if None not in row]
        found["mean"][name] = interval(whole) | {"seeds": len(whole)}
    return found


def joined(record: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return a record with what is more of each of its tables."""
    tables = {name: record[name] | more[name] for name in ("members", "recoveries")}
    seconds = {name: record["seconds"][name] | own for name, own in more["seconds"].items()}
    return record | tables | {"seconds": seconds}
