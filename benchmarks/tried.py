"""What are budgets that grow within a search, and an adapted Jack, worth before recovery?

    python -m benchmarks.tried --seeds 3

A first look at all candidates with a quarter of the images, and at the better half with all of
them, costs three quarters of looking at all with all. At best it chooses as well, and what is saved
buys a third more generations; or, with twice the images for the better half, errors are as good
as with twice the images for all. Both bounds are searches that can be run: the embedded network's
with 27 generations in place of 20, and with 512 images in place of 256. The last way adapts the
network first, as `[adaptation]` does by default. Hypervolumes are of the sets on test data, before
recovery, over the parameters of the whole network. Writes `results/tried.json`.
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

ADAPTED = "adapted first"
WAYS: dict[str, dict[str, int]] = {
    "as it is": {},
    "a third more generations": {"generations": 27},
    "twice the images": {"images": 512},
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
            start, own = time.perf_counter(), jat
            if way == ADAPTED:
                own = sosjax.adapt(jat, data, tasks, Adaptation(), settings)
            sets = sosjax.search(own, data, tasks, (), settings)
            seconds = round(time.perf_counter() - start, 1)
            volumes = {task.name: volume(sets, task.name, "test") for task in tasks}
            jacks = [task.jack.test_error for task in sets.tasks]
            row = {"seed": seed, "way": way, "seconds": seconds, "hypervolume": volumes}
            rows.append(row | {"jacks": round(float(np.mean(jacks)), 4)})
            print(f"{seed}  {way:<26}{seconds:>7} s  {volumes}", flush=True)
    means = {}
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        each = [np.mean(list(row["hypervolume"].values())) for row in own]
        means[way] = {
            "hypervolume": round(float(np.mean(each)), 4),
            "seconds": round(float(np.mean([row["seconds"] for row in own])), 1),
            "jacks": round(float(np.mean([row["jacks"] for row in own])), 4),
        }
        print(f"{way:<26}{means[way]}")
    content = {
        "command": f"python -m benchmarks.tried --seeds {asked.seeds}",
        "settings": asdict(config.settings),
        "means": means,
        "rows": rows,
    }
    print(record("tried", content, ("optax",)))


if __name__ == "__main__":
    main()
