"""Is a task that is added later as well served as one that was there, and what does it cost?

    python -m benchmarks.extension

Each of the four tasks of the embedded network is left out once: a search for the other three is
extended by it, and beside that a search for it alone begins from nothing, with as many generations;
and one search for all four has it too. Hypervolumes are of the task's set, on
the validation data that members are chosen by and on test data. Writes `results/extension.json`.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax import SetOfSets, Settings, Task
from sosjax.cli._config import example_text, parse_config

from .record import record

GENERATIONS = (0, 5, 20)
"""Of an extension: what is known alone, a quarter of a search's, and all of them."""
PARTS = ("validation", "test")


def volume(sets: SetOfSets, name: str, part: str) -> float:
    """Return the hypervolume of a task's members, as a journal tells it."""
    task = sets.task(name)
    points = [[getattr(one.scores, f"{part}_error"), one.scores.parameters] for one in task.members]
    dense = jnp.asarray([task.jack.parameters])
    found = sosjax.log_hypervolume(jnp.asarray(points), dense)
    return round(float(found), 4)


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the means over tasks of each way to have them; print a line for each."""
    found: dict[str, dict[str, float]] = {}
    for way in dict.fromkeys(row["way"] for row in rows if "test" in row):
        own = [row for row in rows if row["way"] == way]
        found[way] = {
            key: round(float(np.mean([row[key] for row in own])), 4)
            for key in ("evaluations", "seconds", *PARTS)
        }
        print(f"{'mean':<13}{way:<34}{found[way]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    config = parse_config(example_text(), Path.cwd(), "the example")
    jat, data, tasks = config.load()
    settings = replace(config.settings, seed=seed)
    rows: list[dict[str, Any]] = []

    def told(name: str, way: str, make: Callable[[], SetOfSets], evaluations: int) -> SetOfSets:
        start = time.perf_counter()
        sets = make()
        row = {"task": name, "way": way, "evaluations": evaluations}
        row["seconds"] = round(time.perf_counter() - start, 1)
        known = [one for one in sets.tasks if one.name == name]
        row |= {part: volume(sets, name, part) for part in PARTS if known}
        rows.append(row)
        numbers = "".join(f"{row.get(part, ''):>12}" for part in PARTS)
        print(f"{name:<13}{way:<34}{evaluations:>8}{row['seconds']:>9}{numbers}", flush=True)
        return sets

    def searched(asked: list[Task], how: Settings) -> Callable[[], SetOfSets]:
        return lambda: sosjax.search(jat, data, asked, config.environments, how)

    def extension(known: SetOfSets, task: Task, generations: int) -> Callable[[], SetOfSets]:
        return lambda: sosjax.extend(jat, known, data, [task], generations=generations)

    def count(asked: int, generations: int) -> int:
        return asked * settings.population * (generations + 1)

    most = settings.generations
    print(f"{'task':<13}{'way':<34}{'evals':>8}{'seconds':>9}{'validation':>12}{'test':>12}")
    start = time.perf_counter()
    every = sosjax.search(jat, data, tasks, config.environments, settings)
    seconds = round(time.perf_counter() - start, 1)
    for task in tasks:
        others = [one for one in tasks if one.name != task.name]
        known = told(task.name, "search for the others", searched(others, settings), count(3, most))
        for generations in GENERATIONS:
            few = replace(settings, generations=generations)
            told(
                task.name,
                f"extended, {generations} generations",
                extension(known, task, generations),
                count(1, generations),
            )
            told(
                task.name,
                f"alone, {generations} generations",
                searched([task], few),
                count(1, generations),
            )
        found = {part: volume(every, task.name, part) for part in PARTS}
        row = {"task": task.name, "way": "search for all", "evaluations": count(4, most)}
        rows.append(row | {"seconds": seconds} | found)
        print(
            f"{task.name:<13}{'search for all':<34}{count(4, most):>8}{seconds:>9}", *found.values()
        )
    content = {
        "command": f"python -m benchmarks.extension --seed {seed}",
        "device": jax.devices()[0].device_kind,
        "seed": seed,
        "population": settings.population,
        "generations": most,
        "rows": rows,
        "means": means(rows),
    }
    print(record("extension", content))


if __name__ == "__main__":
    main()
