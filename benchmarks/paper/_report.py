"""What an image experiment prints, draws and keeps."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

import sosjax

from ._comparison import MULTITASK, SINGLE
from ._figures import draw_front, draw_hypervolumes
from ._numbers import megabytes, print_table
from ._run import Run

LOSS = 0.1
"""Share of right answers that the small end of a set may lose to the Jack, on validation data. The
paper's loses up to 0.02, after fine-tuning, which is not done here."""


def report(
    run: Run, found: Mapping[str, Sequence[Any]], published: Mapping[str, Any]
) -> dict[str, Any]:
    """Draw the figures, print the tables and return them.

    Args:
      run: where figures go.
      found: for each kind of search what it found with each seed.
      published: the paper's numbers by task. Where other images stand in they are told as those of
        the paper's own images, beside the tasks of the same name or in a table of their own.

    Returns:
      `table` and `transfer`, lists of rows.
    """
    tasks = list(next(iter(found.values()))[0]["jack"])
    for task in tasks:
        _draw(run, found, task)
    paper = "paper, its own images" if run.stand_in else "paper"
    table = [row for task in tasks for row in _rows(found, task, published.get(task, {}), paper)]
    print_table(
        f"{run.name}: ends of the sets (16 bit for each parameter), test accuracy in %, "
        "means over seeds",
        table,
    )
    if not set(tasks) & set(published):
        rows = [{"task": task, **points} for task, points in published.items()]
        print_table("Published, for other tasks on other images", rows)
    transfer = [row for task in tasks for row in _transfer(found, task)]
    print_table("Transfer: hypervolume after the last generation, and on test data", transfer)
    return {"table": table, "transfer": transfer}


def test_volume(one: Mapping[str, Any], task: str) -> float:
    """Return the hypervolume of a set on test data, in the measure of the search."""
    points = [[member["test_error"], member["parameters"]] for member in one["members"][task]]
    dense = jnp.asarray([one["jack"][task]["parameters"]], jnp.float32)
    return float(sosjax.log_hypervolume(jnp.asarray(points, jnp.float32), dense))


def _draw(run: Run, found: Mapping[str, Sequence[Any]], task: str) -> None:
    jack = _point(next(iter(found.values()))[0]["jack"][task])
    fronts = {
        name: np.array([_point(member) for member in ones[0]["members"][task]])
        for name, ones in found.items()
    }
    title = f"{run.config['data']['name']}: {task}"
    score = "test accuracy [%]"
    draw_front(run.figure(f"{task}_front"), f"{title}, seed 0", fronts, jack, score)
    curves = {
        name: np.array([one["hypervolume"][task] for one in ones]) for name, ones in found.items()
    }
    draw_hypervolumes(run.figure(f"{task}_hypervolume"), title, curves)


def _point(scores: Mapping[str, Any]) -> tuple[float, float]:
    return megabytes(scores["parameters"]), 100 * (1 - scores["test_error"])


def _rows(
    found: Mapping[str, Sequence[Any]], task: str, published: Mapping[str, Any], paper: str
) -> list[dict[str, Any]]:
    """Return the Jack, the small and the best end of each set, and the hypervolume."""
    ends = {
        "jack": ("the Jack", lambda one: one["jack"][task]),
        "smallest": (f"smallest within {100 * LOSS:g} points", lambda one: _small(one, task)),
        "best": ("best", lambda one: _best(one, task)),
    }
    rows = []
    for end, (what, choose) in ends.items():
        cells = {name: _mean([choose(one) for one in ones]) for name, ones in found.items()}
        rows.append({"task": task, "what": what, **cells, paper: published.get(end)})
    volumes: dict[str, Any] = {
        name: f"{np.mean([one['hypervolume'][task][-1] for one in ones]):.3f}"
        for name, ones in found.items()
    }
    volumes |= {paper: published.get("hypervolume")}
    return [*rows, {"task": task, "what": "hypervolume", **volumes}]


def _small(one: Mapping[str, Any], task: str) -> dict[str, Any] | None:
    bound = one["jack"][task]["validation_error"] + LOSS
    fitting = [member for member in one["members"][task] if member["validation_error"] <= bound]
    return min(fitting, key=lambda member: member["parameters"], default=None)


def _best(one: Mapping[str, Any], task: str) -> dict[str, Any] | None:
    return min(one["members"][task], key=lambda member: member["validation_error"], default=None)


def _mean(chosen: Sequence[Mapping[str, Any] | None]) -> str:
    """Return mean size and accuracy, and of how many seeds if not all have such a member."""
    there = [_point(one) for one in chosen if one is not None]
    if not there:
        return "none"
    size, score = np.mean(there, 0)
    few = f" ({len(there)} of {len(chosen)})" if len(there) < len(chosen) else ""
    return f"{size:.4g} MB {score:.2f} %{few}"


def _transfer(found: Mapping[str, Sequence[Any]], task: str) -> list[dict[str, Any]]:
    rows = []
    for way in dict.fromkeys(name.split(", ")[0] for name in found):
        both, single = (found[f"{way}, {kind}"] for kind in (MULTITASK, SINGLE))
        row: dict[str, Any] = {"task": task, "way": way}
        for place, measure in (
            ("search", lambda one: one["hypervolume"][task][-1]),
            ("test", lambda one: test_volume(one, task)),
        ):
            values = [np.array([measure(one) for one in ones]) for ones in (both, single)]
            row |= {
                f"{kind}, {place}": spread(one)
                for kind, one in zip((MULTITASK, SINGLE), values, strict=True)
            }
            row[f"better, {place}"] = f"{int((values[0] > values[1]).sum())}/{len(both)}"
        rows.append(row)
    return rows


def spread(values: np.ndarray) -> str:
    """Return `mean (least to most)`."""
    return f"{values.mean():.4f} ({values.min():.4f}-{values.max():.4f})"
