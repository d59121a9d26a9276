"""What are successive halving within a search, and an adapted Jack, worth before recovery?

    python -m benchmarks.tried --seeds 3

Searches of the embedded network that look at as many examples each: all children with 256 images
for 20 generations; a first look with fewer, and the better half alone with 256, for more
generations, or with more images for as many. (Rankings and moments are not counted.) The last way
adapts the network first, as `[adaptation]` does by default, and then searches as usual.
Hypervolumes are of the sets on test data, before recovery, over the parameters of the whole
network. Writes `results/tried.json`.
"""

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax import Adaptation
from sosjax.cli._config import example_text, parse_config

from .extension import volume
from .record import record

PLAIN, ADAPTED = "one look", "one look, adapted first"
WAYS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "64, then 256, 27 generations": {"halving": (64,), "generations": 27},
    "64, then 384": {"halving": (64,), "images": 384},
    "32, 64, then 256, 41 generations": {"halving": (32, 64), "generations": 41},
    ADAPTED: {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    config = parse_config(example_text(), Path.cwd(), "the example")
    jat, data, tasks = config.load()
    rows: list[dict[str, Any]] = []
    for seed in range(asked.seeds):
        for way, changes in WAYS.items():
            settings = replace(config.settings, seed=seed, **changes)
            start, own = time.process_time(), jat
            if way == ADAPTED:
                own = sosjax.adapt(jat, data, tasks, Adaptation(), settings)
            sets = sosjax.search(own, data, tasks, (), settings)
            seconds = round(time.process_time() - start, 1)
            volumes = {task.name: volume(sets, task.name, "test") for task in tasks}
            jacks = [task.jack.test_error for task in sets.tasks]
            row = {"seed": seed, "way": way, "processor_seconds": seconds, "hypervolume": volumes}
            rows.append(row | {"jacks": round(float(np.mean(jacks)), 4)})
            print(f"{seed}  {way:<34}{seconds:>7} s  {volumes}", flush=True)
    means = {way: summary(rows, way) for way in WAYS}
    for way, mean in means.items():
        print(f"{way:<34}{mean}")
    content = {
        "command": f"python -m benchmarks.tried --seeds {asked.seeds}",
        "settings": asdict(config.settings),
        "means": means,
        "rows": rows,
    }
    print(record("tried", content, ("optax",)))


def summary(rows: list[dict[str, Any]], way: str) -> dict[str, Any]:
    """Return means of a way, and how often it is ahead of one look.

    Seconds are the median: the first search of a way is compiled.
    """
    own = [row for row in rows if row["way"] == way]
    plain = {row["seed"]: row["hypervolume"] for row in rows if row["way"] == PLAIN}
    pairs = [
        (found, plain[row["seed"]][task])
        for row in own
        for task, found in row["hypervolume"].items()
    ]
    return {
        "hypervolume": round(float(np.mean([found for found, _ in pairs])), 4),
        "processor_seconds": round(float(np.median([row["processor_seconds"] for row in own])), 1),
        "jacks": round(float(np.mean([row["jacks"] for row in own])), 4),
        "pairs ahead of one look": f"{sum(one > other for one, other in pairs)} of {len(pairs)}",
    }


if __name__ == "__main__":
    main()
