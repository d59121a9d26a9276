"""Does one pass beat what a user would do instead? On the embedded network and images.

    python benchmarks/fashion_sets.py --seeds 5

Compares the Set of Sets of the example configuration with uniform keep ratios over the same Taylor
ranking and over a magnitude ranking (as many shares as a task's population), random search on the
same encoding, other strategies, the same search without transfer (random mating probability 0:
parents of two tasks are only mutated), the same search with depth (residual blocks may be left
out), and the paper's way (bits, raw fitness, and members with the Jack's own statistics and class
rows). The searches have the same number of evaluations. But for the paper's way, all are judged
alike: calibrated on the same images with the same closed-form head; and all are cut to what nothing
of their own beats on validation data, then reported on test data.

Prints a table and writes `benchmarks/results/fashion_sets.json`.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax.cli._config import example_text, parse_config

SHARES = (0.05, 0.10, 0.25)
RESULTS = Path(__file__).parent / "results" / "fashion_sets.json"
SEARCHES: dict[str, dict[str, Any]] = {
    "set of sets": {},
    "random search": {"strategy": "random"},
    "adaptive-de": {"strategy": "adaptive-de"},
    "mo-mfea-ii": {"strategy": "mo-mfea-ii"},
    "no transfer": {"rmp": 0.0},
    "with depth": {"depth": True},
    "paper's way": {"encoding": "bits", "fitness": "raw"},
}


def row(scores: Sequence[sosjax.Scores], dense: int) -> dict[str, Any]:
    """Return the hypervolume on test data, and the test error at each share of the parameters.

    The error is that of the candidate with the lowest validation error within the share.
    """
    points = np.array([[score.test_error, score.parameters] for score in scores], np.float32)
    volume = sosjax.log_hypervolume(jnp.asarray(points), jnp.asarray([dense], jnp.float32))
    errors = []
    for share in SHARES:
        fitting = [score for score in scores if score.parameters <= share * dense]
        best = min(fitting, key=lambda score: score.validation_error, default=None)
        errors.append(None if best is None else best.test_error)
    return {"hypervolume": round(float(volume), 5), "errors": errors}


def one_seed(problem: Any, seed: int) -> dict[str, dict[str, Any]]:
    """Return a row for every method and task."""
    jat, data, tasks, settings = problem
    settings = replace(settings, seed=seed)
    rows: dict[str, dict[str, Any]] = {}
    dense: dict[str, int] = {}
    for name, changes in SEARCHES.items():
        start = time.perf_counter()
        sets = sosjax.search(jat, data, tasks, (), replace(settings, **changes))
        dense = {task.name: task.jack.parameters for task in sets.tasks}
        rows[name] = {
            task.name: row([member.scores for member in task.members], dense[task.name])
            for task in sets.tasks
        }
        print(f"seed {seed}: {name}, {time.perf_counter() - start:.0f} s", flush=True)
    for name in ("Taylor", "magnitude"):
        count = settings.population
        found = sosjax.uniform(jat, data, tasks, settings, ranking=name.lower(), count=count)
        rows[f"uniform {name}"] = {task: row(scores, dense[task]) for task, scores in found.items()}
    return rows


def show(seeds: Sequence[dict[str, Any]]) -> None:
    """Print mean and spread of every method on every task, and how often it is beaten."""
    for task in seeds[0]["set of sets"]:
        print(
            f"\n{task:<20}{'hypervolume':>20}{'beaten':>8}"
            + "".join(f"{f'error at {share:.0%}':>18}" for share in SHARES)
        )
        ours = np.array([seed["set of sets"][task]["hypervolume"] for seed in seeds])
        for method in seeds[0]:
            volumes = np.array([seed[method][task]["hypervolume"] for seed in seeds])
            beaten = f"{(ours > volumes).sum()}/{len(seeds)}" if method != "set of sets" else ""
            cells = f"{method:<20}{spread(volumes.tolist()):>20}{beaten:>8}"
            for place in range(len(SHARES)):
                errors = [seed[method][task]["errors"][place] for seed in seeds]
                cells += f"{spread(errors):>18}"
            print(cells)


def spread(values: Sequence[float | None]) -> str:
    """Return `mean (least to most)`."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    return f"{np.mean(known):.3f} ({min(known):.2f}-{max(known):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    config = parse_config(example_text(), Path.cwd(), "the example")
    # The record was measured under this fitness; the default looks ahead to recovery.
    settings = replace(config.settings, fitness="recalibrated")
    problem = (*config.load(), settings)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    seeds = []
    for seed in range(arguments.seeds):
        seeds.append(one_seed(problem, seed))
        content = {
            "command": f"python benchmarks/fashion_sets.py --seeds {arguments.seeds}",
            "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
            "device": jax.devices()[0].device_kind,
            "versions": {name: metadata.version(name) for name in ("sosjax", "jax", "numpy")},
            "evaluations": len(config.tasks)
            * config.settings.population
            * (config.settings.generations + 1),
            "shares": SHARES,
            "seeds": seeds,
        }
        arguments.results.write_text(json.dumps(content, indent=1) + "\n")
    show(seeds)


if __name__ == "__main__":
    main()
