"""What could budgets that grow within a search be worth at most?

    python -m benchmarks.budgets --seeds 3

A first look at all candidates with a quarter of the images, and at the better half with all of
them, costs three quarters of looking at all with all. At best it chooses as well, and what is saved
buys a third more generations; or, with twice the images for the better half, errors are as good
as with twice the images for all. Both bounds are searches that can be run: the embedded network's
with 27 generations in place of 20, and with 512 images in place of 256. Hypervolumes are of the
sets on test data, before recovery. Writes `results/budgets.json`.
"""

import argparse
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax.cli._config import example_text, parse_config

from .extension import volume
from .record import record

WAYS: dict[str, dict[str, int]] = {
    "as it is": {},
    "a third more generations": {"generations": 27},
    "twice the images": {"images": 512},
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
            start = time.perf_counter()
            sets = sosjax.search(jat, data, tasks, (), settings)
            seconds = round(time.perf_counter() - start, 1)
            own = {task.name: volume(sets, task.name, "test") for task in tasks}
            rows.append({"seed": seed, "way": way, "seconds": seconds, "hypervolume": own})
            print(f"{seed}  {way:<26}{seconds:>7} s  {own}", flush=True)
    means = {}
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        each = [np.mean(list(row["hypervolume"].values())) for row in own]
        means[way] = {
            "hypervolume": round(float(np.mean(each)), 4),
            "seconds": round(float(np.mean([row["seconds"] for row in own])), 1),
        }
        print(f"{way:<26}{means[way]}")
    content = {
        "command": f"python -m benchmarks.budgets --seeds {asked.seeds}",
        "settings": asdict(config.settings),
        "means": means,
        "rows": rows,
    }
    print(record("budgets", content))


if __name__ == "__main__":
    main()
