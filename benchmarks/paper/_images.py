"""An image experiment: the Jack, both ways to search with and without transfer, and the report."""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax._errors import require
from sosjax._files import write_whole
from sosjax.models import built
from sosjax.pareto import nondominated
from sosjax.search._problem import Problem

from ._comparison import MULTITASK, SINGLE, Found, described, multitask
from ._jack import jack_of
from ._pictures import Pictures
from ._published import Evolution, errors, quarters_of
from ._report import report
from ._run import Run, main_of

PUBLISHED, STRUCTURED = "published", "structured"
OVERRIDES = {"width": "jack", "stem": "jack", "epochs": "jack", "images": "search"}
ROWS = 16
"""Test rows are repeated up to a multiple of this, so that few programs serve all fronts."""
Read = Callable[[Path, Mapping[str, int]], Pictures]


def run_images(
    name: str,
    about: str,
    config: Path,
    readers: tuple[Read, Read],
    published: Mapping[str, Any],
    given: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Run one of the two experiments from the command line.

    Args:
      name: of the record.
      about: the help.
      config: the file of the settings.
      readers: of the original images and of those that stand in for them.
      published: the paper's numbers by task.
      given: arguments in place of the command line's.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--only", choices=(PUBLISHED, STRUCTURED))
    for key in OVERRIDES:
        parser.add_argument(f"--{key}", type=str if key == "stem" else int)
    own, rest = parser.parse_known_args(given)
    over = {key: value for key in OVERRIDES if (value := getattr(own, key)) is not None}
    ways = (own.only,) if own.only else (PUBLISHED, STRUCTURED)
    whole = partial(_experiment, readers, published, over, ways)
    return main_of(name, about, config, whole, rest)


def _experiment(
    readers: tuple[Read, Read],
    published: Mapping[str, Any],
    over: Mapping[str, Any],
    ways: Sequence[str],
    run: Run,
) -> dict[str, Any]:
    for key, value in over.items():
        run.config[OVERRIDES[key]][key] = value
    pictures = readers[run.stand_in](run.data, run.config["data"]["sizes"])
    data = pictures.data
    if run.stand_in:
        print(f"{data.name} stands in for the paper's images: the numbers cannot be the paper's.")
    jat = jack_of(run.out / "jack.safetensors", pictures, run.config["jack"])
    groups = run.config["data"]["tasks"]
    tasks = [sosjax.Task(one["name"], one["classes"], data) for one in groups]
    seeds = [_one_seed(run, ways, jat, tasks, seed) for seed in range(run.seeds)]
    found = {name: [one[name] for one in seeds] for name in seeds[0]}
    return {
        "data": {"name": data.name, "stand-in": run.stand_in, **run.config["data"]},
        "jack": jat.architecture,
        "genes": quarters_of(built(dict(jat.architecture or {})).apply, jat.params).genes,
        **report(run, found, published),
        "found": found,
    }


def _one_seed(
    run: Run, ways: Sequence[str], jat: sosjax.Jat, tasks: Sequence[sosjax.Task], seed: int
) -> dict[str, Any]:
    """Return what each way found with one seed; what the folder holds is not run again."""
    search = {"published": _published, "structured": _structured}
    found: dict[str, Any] = {}
    for way in ways:
        place, asked = run.out / f"{way}-{seed}.json", run.config
        if place.exists():
            content = json.loads(place.read_text())
            require(
                content["asked"] == json.loads(json.dumps(asked)),
                f"{place} must be of the same settings, got others: name another `--out`.",
            )
        else:
            content = {"asked": asked, "found": search[way](run, jat, tasks, seed)}
            write_whole(place, json.dumps(content))
        found |= {f"{way}, {kind}": one for kind, one in content["found"].items()}
        for kind, one in content["found"].items():
            last = ", ".join(
                f"{task} {curve[-1]:.4f}" for task, curve in one["hypervolume"].items()
            )
            print(f"seed {seed}: {way}, {kind}: {one['seconds']:.0f} s, {last}", flush=True)
    return found


def settings_for(config: Mapping[str, Any], seed: int) -> sosjax.Settings:
    """Return the settings of the structured search; the published one shares most of them."""
    return sosjax.Settings(checkpoint_every=10, seed=seed, **config["search"])


def _structured(
    run: Run, jat: sosjax.Jat, tasks: Sequence[sosjax.Task], seed: int
) -> dict[str, Any]:
    settings = settings_for(run.config, seed)
    both = multitask(jat, tasks, settings)
    each = [multitask(jat, [alone(tasks, place, seed)], settings) for place in range(len(tasks))]
    single = Found(
        {name: one for found in each for name, one in found.sets.items()},
        {name: one for found in each for name, one in found.curves.items()},
        sum(found.seconds for found in each),
    )
    return {
        kind: described({kind: [found]})[kind][0]
        for kind, found in ((MULTITASK, both), (SINGLE, single))
    }


def alone(tasks: Sequence[sosjax.Task], place: int, seed: int) -> sosjax.Task:
    """Return a task whose search sees the images that it sees beside the others.

    A search draws the images of its tasks one task after the other, so that the second task of two
    would see others alone. Its images are put where that draw finds them.

    Args:
      tasks: all of them, with data.
      place: of the one.
      seed: of the search.
    """
    together, by_itself = np.random.default_rng(seed), np.random.default_rng(seed)
    rows = np.zeros(0, int)
    for task in tasks[: place + 1]:
        assert task.data is not None
        labels = task.data.search.labels
        rows = together.permutation(np.flatnonzero(np.isin(labels, task.labels(task.data))))
    task, data = tasks[place], tasks[place].data
    assert data is not None
    arranged = np.empty_like(rows)
    arranged[by_itself.permutation(len(rows))] = rows
    search = sosjax.Split(data.search.inputs[arranged], data.search.labels[arranged])
    return replace(task, data=replace(data, search=search))


def _published(
    run: Run, jat: sosjax.Jat, tasks: Sequence[sosjax.Task], seed: int
) -> dict[str, Any]:
    settings = settings_for(run.config, seed)
    problem = Problem(jat, None, tasks, settings)
    apply = built(dict(jat.architecture or {})).apply
    evolution = Evolution(
        quarters_of(apply, jat.params),
        settings.population,
        settings.generations,
        settings.low,
        settings.high,
        problem.kernel.lanes,
    )
    dense, key = jnp.asarray(problem.dense[:, 0]), jax.random.key(seed)

    def search(part: slice) -> tuple[Any, float]:
        start = time.perf_counter()
        batch = jax.tree.map(lambda leaf: leaf[part], problem.search)
        found = evolution.run(key, jat.params, batch, dense[part], settings.rmp)
        return jax.tree.map(np.asarray, found), time.perf_counter() - start

    both = search(slice(None))
    each = [search(slice(place, place + 1)) for place in range(len(tasks))]
    single = [
        np.concatenate([found[leaf] for found, _ in each], axis=-1 if leaf == 2 else 0)
        for leaf in range(3)
    ]
    return {
        kind: {
            "seconds": round(seconds, 1),
            "hypervolume": {
                task.name: found[2][:, place].tolist() for place, task in enumerate(tasks)
            },
            **_judged(problem, evolution, found),
        }
        for kind, found, seconds in (
            (MULTITASK, *both),
            (SINGLE, single, sum(seconds for _, seconds in each)),
        )
    }


def _judged(problem: Problem, evolution: Evolution, found: Any) -> dict[str, Any]:
    """Choose members on validation data and report them, and the Jack, on test data."""
    members: dict[str, Any] = {}
    jacks: dict[str, Any] = {}
    for place, task in enumerate(problem.tasks):
        validation, test = (
            jax.tree.map(lambda leaf, place=place: leaf[place], part)
            for part in (problem.validation, problem.test)
        )
        # The Jack is the last row of all.
        rows = np.concatenate([found[0][place], np.ones((1, evolution.quarters.genes), bool)])
        counts = np.append(found[1][place][:, 1], problem.dense[place, 0]).round()
        seen = np.asarray(errors(evolution.quarters, problem.jat.params, validation, rows))
        costs = jnp.asarray(np.stack([seen, counts], -1)[:-1], jnp.float32)
        front = np.asarray(nondominated(costs)) & np.isfinite(seen[:-1])
        chosen = np.append(np.flatnonzero(front), len(rows) - 1)
        chosen = chosen[
            np.unique(np.stack([counts, seen], -1)[chosen], axis=0, return_index=True)[1]
        ]
        places = np.resize(chosen, -(-len(chosen) // ROWS) * ROWS)
        unseen = np.asarray(errors(evolution.quarters, problem.jat.params, test, rows[places]))
        scores = [
            {
                "parameters": int(counts[row]),
                "validation_error": float(seen[row]),
                "test_error": float(one),
            }
            for row, one in zip(chosen, unseen, strict=False)
        ]
        jacks[task.name] = next(
            one for row, one in zip(chosen, scores, strict=True) if row == len(rows) - 1
        )
        members[task.name] = [
            one for row, one in zip(chosen, scores, strict=True) if row < len(rows) - 1
        ]
    return {"members": members, "jack": jacks}
