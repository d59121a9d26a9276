"""Does one pass beat what a user would do instead? On the embedded network and images, five seeds.

    python benchmarks/fashion_sets.py --seeds 5

Compared with the Set of Sets of the default settings: uniform keep ratios over the same Taylor
ranking, uniform keep ratios over a magnitude ranking, random search and single-task search (random
mating probability 0) on the same encoding at the same number of evaluations, and the paper's way
(bits, raw fitness). All are judged alike: calibrated on the same images, the same closed-form head,
chosen on validation data, reported on test data. Every front is cut to what no other candidate of
its own beats on validation data before test data is looked at.

Writes `benchmarks/results/fashion_sets.json`.
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
from sosjax.cli._config import load_example
from sosjax.search._search import Search
from sosjax.space._importance import magnitude, ranking

SHARES = (0.05, 0.10, 0.25)
RESULTS = Path(__file__).parent / "results" / "fashion_sets.json"


def volume(scores: Sequence[sosjax.Scores], dense: int) -> float:
    """Return the hypervolume on test data of candidates that validation data has chosen."""
    rows = np.array([[score.test_error, score.parameters] for score in scores], np.float32)
    return float(sosjax.log_hypervolume(jnp.asarray(rows), jnp.asarray([dense], jnp.float32)))


def test_errors(scores: Sequence[sosjax.Scores], dense: int) -> list[float | None]:
    """Return the test error of the best on validation at each share of the parameters."""
    found: list[float | None] = []
    for share in SHARES:
        fitting = [score for score in scores if score.parameters <= share * dense]
        best = min(fitting, key=lambda score: score.validation_error, default=None)
        found.append(None if best is None else best.test_error)
    return found


def summary(sets: Sequence[sosjax.TaskSet], uniform: bool = False) -> dict[str, Any]:
    """Return hypervolume and errors of every task."""
    rows = {}
    for task in sets:
        scores = task.uniform if uniform else [member.scores for member in task.members]
        dense = task.jack.parameters
        rows[task.name] = {
            "hypervolume": volume(scores, dense),
            "errors": test_errors(scores, dense),
            "members": len(scores),
        }
    return rows


def magnitude_sets(problem: sosjax.cli._config.Problem, settings: sosjax.Settings) -> Any:
    """Judge the uniform grid over a magnitude ranking."""
    search = Search(problem.jat, problem.data, problem.tasks, (), settings)
    places = ranking(magnitude(problem.jat.graph, problem.jat.params))
    tiled = [jnp.broadcast_to(place, (len(problem.tasks), *place.shape)) for place in places]
    return search.judge_uniform(tiled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=None, help="folder with the full idx files")
    arguments = parser.parse_args()
    problem = load_example(arguments.data)
