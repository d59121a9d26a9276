"""What does bfloat16 change in a search? How errors and Pareto ranks of candidates move.

    python -m benchmarks.precision

A population of random keep ratios of the embedded network is judged on every task as a search
would, in float32 and with contractions in bfloat16; and once more in float32 on another draw of as
many images, which says what the choice of images moves anyway. Told are the correlation of errors,
by how much they differ, the share of candidates whose nondomination rank by error and parameters is
another, and of the first front that is no longer in it. The arithmetic is the device's own: a CPU
rounds as an accelerator does, but is not faster for it.

Writes `results/precision.json`.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from scipy.stats import spearmanr

from sosjax.cli._config import example_text, parse_config
from sosjax.pareto._dominance import fronts
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem

from .record import record

WAYS = {"bfloat16": {"precision": "bfloat16"}, "other images": {"seed": 1}}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--candidates", type=int, default=128, help="for each task")
    asked = parser.parse_args()
    plain, first = objectives({}, asked.candidates)
    rows = {}
    for name, change in WAYS.items():
        found, _ = objectives(change, asked.candidates, first)
        rows[name] = compared(plain, found)
    print(
        f"{'':<16}{'Spearman':>10}{'mean gap':>10}{'most':>8}{'rank moves':>12}{'leave front':>13}"
    )
    for name, row in rows.items():
        print(
            f"{name:<16}{row['spearman']:>10.4f}{row['mean_gap']:>10.4f}{row['largest_gap']:>8.4f}"
            f"{row['ranks_changed']:>12.1%}{row['front_lost']:>13.1%}"
        )
    facts = {
        "seed": 0,
        "device": jax.devices()[0].device_kind,
        "candidates": asked.candidates,
        "ways": rows,
    }
    print(record("precision", facts))


def objectives(
    change: dict[str, Any], candidates: int, first: Any = None
) -> tuple[np.ndarray, Any]:
    """Return error and size of candidates [T, N, 2], and the candidates with their rankings."""
    config = parse_config(example_text(), Path.cwd(), "the example")
    jat, data, tasks = config.load()
    problem = Problem(jat, data, tasks, replace(config.settings, **change))
    evolution = Evolution.of(problem)
    if first is None:
        genes = problem.encoding.sample(jax.random.key(0), candidates * len(tasks), 0.1, 1.0)
        first = problem.rankings(), genes.reshape(len(tasks), candidates, -1)
    judged = jax.jit(evolution.objectives)(jat.params, problem.search, *first)
    return np.asarray(judged, np.float64), first


def compared(plain: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Return what moved, mean over tasks."""
    gaps = np.abs(plain[..., 0] - other[..., 0])
    correlations, moved, lost = [], [], []
    for one, two in zip(plain, other, strict=True):
        ranks, others = (np.asarray(fronts(rows)) for rows in (one, two))
        correlations.append(spearmanr(one[:, 0], two[:, 0])[0])
        moved.append((ranks != others).mean())
        lost.append((others[ranks == 0] > 0).mean())
    return {
        "spearman": round(float(np.mean(correlations)), 5),
        "mean_gap": round(float(gaps.mean()), 5),
        "largest_gap": round(float(gaps.max()), 5),
        "ranks_changed": round(float(np.mean(moved)), 4),
        "front_lost": round(float(np.mean(lost)), 4),
    }


if __name__ == "__main__":
    main()
