"""Is a tenth of the network enough? Small members against the Jack's own accuracy, on images.

    python -m benchmarks.tenth --data FASHION_MNIST --run FOLDER    # 2 cores, an hour

The search and the recovery are the example's, as they are, for one environment: a tenth of the
Jack's parameters. Of every task's recovered members within it those with the lowest expected error
are then trained once more, for longer and on what the Jack itself learnt from: its 50,000 images
beside the search split, mirrored and shifted by up to two pixels, as they were for it. The member
with the lowest validation error is told, beside the Jack, on all 10,000 test images, which chose
nothing.

FASHION_MNIST holds the four idx files; an interrupted run goes on from its FOLDER. Writes
`results/tenth.json`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax import Dataset, Member, Recovery, SetOfSets, Split, TaskSet
from sosjax.cli._config import example_text, parse_config
from sosjax.tasks._fashion_mnist import idx_split

from .paper._jack import SHIFT
from .record import record
from .share import share_of

SHARE = 0.1
"""Of the Jack's parameters."""
MEMBERS = 3
"""Of each task that are trained once more."""
LONGER = Recovery(epochs=15, patience=15, rounds=0)
"""Of four times 58,000 images, those of other classes left out."""


def longer_data(data: Dataset, folder: Path, seed: int) -> Dataset:
    """Return the data with the Jack's own training images in the search split, each four times.

    As it is, mirrored, and both of these shifted along both axes by as many pixels as are drawn.

    Raises:
      SystemExit: the files are others than those that the data was read from.
    """
    whole, held = idx_split(folder, "train"), len(data.search) + len(data.validation)
    own = len(whole) - held
    if not np.array_equal(whole.inputs[own : own + len(data.search)], data.search.inputs):
        raise SystemExit("--data must hold the original files of Fashion-MNIST")
    rows = own + len(data.search)
    inputs, labels = whole.inputs[:rows], whole.labels[:rows]
    both = np.concatenate([inputs, inputs[:, :, ::-1]])
    shifts = np.random.default_rng(seed).integers(-SHIFT, SHIFT + 1, (len(both), 2))
    inputs = np.concatenate([both, shifted(both, shifts)])
    return replace(data, search=Split(inputs, np.tile(labels, 4)))


def shifted(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return images [N, H, W, C] moved down and right by so many pixels, int [N, 2]; zeros follow.

    No shift is larger than `SHIFT`.
    """
    edge, (height, width) = (SHIFT, SHIFT), images.shape[1:3]
    framed = np.pad(images, ((0, 0), edge, edge, (0, 0)))
    down, right = (SHIFT - shifts).T[:, :, None]
    places = np.arange(len(images))[:, None, None]
    vertical, across = down + np.arange(height), right + np.arange(width)
    return framed[places, vertical[:, :, None], across[:, None, :]]


def smallest(sets: SetOfSets) -> SetOfSets:
    """Return of every task the members within the environment with the lowest expected errors."""
    (tenth,) = sets.environments

    def of(members: Sequence[Member]) -> tuple[Member, ...]:
        fitting = [one for one in members if tenth.admits(one.scores.costs)]
        return tuple(sorted(fitting, key=lambda one: one.scores.error)[:MEMBERS])

    tasks = [replace(task, members=of(task.members)) for task in sets.tasks]
    return replace(sets, tasks=tuple(tasks))


def row_of(sets: SetOfSets, found: TaskSet, images: int) -> dict[str, Any]:
    """Return the chosen member's numbers beside the Jack's; `images` are those of the test."""
    jack, scores = found.jack, sets.select(found.name, "tenth").scores
    error = jack.test_error
    return {
        "test_images": images,
        "deviation": round(float(np.sqrt(error * (1 - error) / images)), 6),
        "jack": asdict(jack),
        "member": {
            "kept": list(scores.kept),
            "parameters": scores.parameters,
            "share_of_parameters": round(scores.parameters / jack.parameters, 4),
            "share_of_flops": round(scores.flops / jack.flops, 4),
            "epoch": scores.epoch,
            "validation_error": scores.validation_error,
            "test_error": scores.test_error,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the four idx files")
    parser.add_argument("--run", type=Path, required=True, help="a folder to go on from")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    start = time.perf_counter()
    config = parse_config(example_text(), Path.cwd(), "the example")
    jat, _, tasks = config.load()
    data = sosjax.fashion_mnist(asked.data)
    settings = replace(config.settings, seed=asked.seed)
    run = sosjax.resume if (asked.run / "search").exists() else sosjax.search
    asked.run.mkdir(parents=True, exist_ok=True)
    tenth = share_of(jat, data, tasks, "tenth", "parameters", SHARE)
    found = run(jat, data, tasks, (tenth,), settings, folder=asked.run / "search", progress=tell)
    recovery = replace(Recovery(), seed=asked.seed)
    folder = asked.run / "recovered"
    found = sosjax.recover(jat, found, data, tasks, recovery, folder=folder, progress=tell)
    longer, folder = replace(LONGER, seed=asked.seed), asked.run / "longer"
    more = longer_data(data, asked.data, asked.seed)
    found = sosjax.recover(jat, smallest(found), more, tasks, longer, folder=folder, progress=tell)
    outputs = [[data.classes.index(name) for name in task.classes] for task in tasks]
    images = [int(np.isin(data.test.labels, own).sum()) for own in outputs]
    rows = {
        task.name: row_of(found, task, count)
        for task, count in zip(found.tasks, images, strict=True)
    }
    show(rows)
    facts = {
        "seed": asked.seed,
        "recovery": asdict(recovery),
        "longer": asdict(longer),
        "seconds": round(time.perf_counter() - start),
        "tasks": rows,
    }
    print(record("tenth", facts, ("optax",)))


def tell(line: dict[str, Any]) -> None:
    """Print what was done."""
    if "event" in line:
        print(line["event"], flush=True)


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print a line for every task: test errors, and the standard deviation of the Jack's."""
    print(f"\n{'task':<13}{'Jack':>8}{'deviation':>11}{'member':>9}{'parameters':>12}{'FLOPs':>7}")
    for name, row in rows.items():
        jack, member = row["jack"]["test_error"], row["member"]
        print(
            f"{name:<13}{jack:>8.2%}{row['deviation']:>11.2%}{member['test_error']:>9.2%}"
            f"{member['share_of_parameters']:>12.1%}{member['share_of_flops']:>7.0%}"
        )


if __name__ == "__main__":
    main()
