"""Two language pairs, one M2M100: the paper's translation experiment.

    python -m benchmarks.paper.translation --data FOLDER --out FOLDER

FOLDER holds `m2m100_418M`, the folder of https://huggingface.co/facebook/m2m100_418M with its
`config.json`, weights, `vocab.json` and `sentencepiece.bpe.model` (weights as `model.safetensors`,
or `pytorch_model.bin` where PyTorch is installed; MIT licence), and parallel text, a sentence a
line: `cs-en.cs`, `cs-en.en`, `de-en.de`, `de-en.en`, such as the news tests of WMT
(https://www.statmt.org/wmt21/translation-task.html) or Europarl (https://www.statmt.org/europarl).

With `--stand-in` it holds `train.cs.gz`, `train.de.gz` and `train.en.gz` of Multi30k (Elliott and
others, 2016; Barrault and others, 2018; https://github.com/multi30k/dataset, `data/task1/raw`,
captions under CC BY-NC-SA 4.0), and the Jack is a small M2M100 trained on most of them.

The search goes by the cross-entropy of tokens; texts of some members are written and judged by
BLEU and chrF (sacrebleu). Members are not fine-tuned. Writes figures and tables to OUT, and with
`--record` to `benchmarks/results`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax._errors import require
from sosjax.models import jat_of, load, load_language_tokenizer, save
from sosjax.models._sentencepiece import LanguageTokenizer
from sosjax.readers import read_parallel, split_rows

from ._comparison import Found, compare, curves_of, described, volume_rows
from ._figures import draw_front, draw_hypervolumes
from ._numbers import megabytes, print_table
from ._run import Run, check_sums, main_of
from ._translator import make_tokenizer, trained

NAME = "paper_translation"
CHECKSUMS = {
    "train.cs.gz": "a65adb8b32e3bc66",
    "train.de.gz": "726e39b2fa9eb9ff",
    "train.en.gz": "d79cfa999dd4c51d",
}
PUBLISHED: dict[str, dict[str, tuple[float, float]]] = {
    "Czech to English": {"jack": (1846, 31.7), "small": (885, 23.85), "large": (1770, 32.23)},
    "German to English": {"jack": (1846, 23.6), "small": (881, 21.29), "large": (1669, 24.33)},
}
# Nothing is fitted to tokens, so that both judge `raw`. Networks of few units say
# nothing, so that the search starts from larger ones; a gene of 0.7 keeps 79 units of 512.
WAYS: dict[str, dict[str, Any]] = {
    "as published": {"encoding": "bits", "fitness": "raw"},
    "ours": {"encoding": "ratios", "fitness": "raw", "low": 0.7},
}


@dataclass(frozen=True)
class Corpus:
    """Sentences of one pair, in four parts: training, search, validation, test.

    Attributes:
      name: of the task.
      languages: codes of source and target.
      parts: sources and targets of each part.
    """

    name: str
    languages: tuple[str, str]
    parts: tuple[tuple[Sequence[str], Sequence[str]], ...]


def corpora(run: Run) -> list[Corpus]:
    """Read the pairs; a translation and all its sources are in one part, whatever the pair."""
    data = run.config["data"]
    if run.stand_in:
        check_sums(run.data, CHECKSUMS)
    found = []
    for name, pair in data["pairs"].items():
        pairs = read_parallel(*(run.data / file for file in pair["files"]))
        rows = split_rows(len(pairs), data["shares"], groups=pairs.targets)
        limits = [len(rows[0]), *data["rows"]]
        parts = tuple(
            ([pairs.sources[row] for row in part], [pairs.targets[row] for row in part])
            for part in (part[:limit] for part, limit in zip(rows, limits, strict=True))
        )
        found.append(Corpus(name, tuple(pair["languages"]), parts))
    return found


def split(
    tokenizer: LanguageTokenizer, corpus: Corpus, part: int, length: int
) -> tuple[sosjax.Split, int]:
    """Return one part as tokens, and how many texts were cut."""
    sources, targets = corpus.parts[part]
    given = tokenizer.source(sources, corpus.languages[0], length)
    wanted = tokenizer.target(targets, corpus.languages[1], length)
    labels = np.where(wanted.labels == tokenizer.pad, -1, wanted.labels)
    inputs = np.stack([given.ids, wanted.inputs], 1)
    return sosjax.Split(inputs, labels), given.truncated + wanted.truncated


def task_of(tokenizer: LanguageTokenizer, corpus: Corpus, length: int) -> sosjax.Task:
    """Return a pair as a task."""
    splits, cuts = zip(*(split(tokenizer, corpus, part, length) for part in (1, 2, 3)), strict=True)
    notes = (f"{sum(cuts)} texts were cut at {length} tokens.",) if sum(cuts) else ()
    data = sosjax.Dataset(corpus.name, (), *splits, notes=notes)
    print(f"{corpus.name}: {[len(one) for one in splits]} sentences", *notes, flush=True)
    return sosjax.Task(corpus.name, data=data)


def jack_of(run: Run, pairs: Sequence[Corpus]) -> tuple[sosjax.Jat, LanguageTokenizer]:
    """Load the user's M2M100, or the stand-in's, which is trained where OUT has none."""
    data = run.config["data"]
    if not run.stand_in:
        folder = run.data / data["model"]
        jat = load(folder, name="M2M100", length=data["length"])
        return jat, load_language_tokenizer(folder)
    jack, folder, path = run.config["jack"], run.out / "tokenizer", run.out / "jack.safetensors"
    if not folder.exists():
        sentences = dict.fromkeys(text for one in pairs for side in one.parts[0] for text in side)
        codes = list(dict.fromkeys(code for one in pairs for code in one.languages))
        make_tokenizer(folder, list(sentences), jack["vocabulary"], codes)
    tokenizer = load_language_tokenizer(folder)
    architecture = {
        "family": "m2m100",
        "vocabulary": tokenizer.vocabulary,
        "width": jack["width"],
        **{f"{one}_layers": jack["layers"] for one in ("encoder", "decoder")},
        **{f"{one}_heads": jack["heads"] for one in ("encoder", "decoder")},
        **{f"{one}_inner": jack["inner"] for one in ("encoder", "decoder")},
        "length": data["length"],
        "positions": data["length"],
    }
    if path.exists():
        jat = load(path, name="small M2M100")
        known = jat.architecture or {}
        require(
            all(known[name] == value for name, value in architecture.items()),
            f"`--out` must hold a Jack of these settings or none, got one with {known}.",
        )
        return jat, tokenizer
    parts = [split(tokenizer, one, 0, data["length"])[0] for one in pairs]
    inputs = np.concatenate([part.inputs for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    params = trained(architecture, inputs, labels, jack)
    jat = jat_of(architecture, params, name="small M2M100")
    save(path, jat)
    return jat, tokenizer


def scores(
    translator: sosjax.Translator, corpus: Corpus, member: sosjax.Member | None
) -> dict[str, float]:
    """Return BLEU and chrF on test sentences of a sub-network, or of the Jack."""
    sources, targets = corpus.parts[3]
    return sosjax.text_scores(translator.translate(sources, corpus.languages, member), targets)


def decoded(
    translator: sosjax.Translator, pairs: Sequence[Corpus], runs: dict[str, list[Found]], count: int
) -> list[dict[str, Any]]:
    """Return a row for the Jack and for some members of every set of the first seed."""
    rows = []
    for corpus in pairs:
        jack = next(iter(runs.values()))[0].sets[corpus.name].jack
        rows.append(_row(corpus.name, "the Jack", jack, scores(translator, corpus, None)))
        for name, found in runs.items():
            members = found[0].sets[corpus.name].members
            places = np.unique(np.linspace(0, len(members) - 1, min(count, len(members))).round())
            for member in (members[int(place)] for place in places):
                judged = scores(translator, corpus, member)
                rows.append(_row(corpus.name, name, member.scores, judged))
    return rows


def _row(task: str, name: str, scores: sosjax.Scores, judged: dict[str, float]) -> dict[str, Any]:
    size = megabytes(scores.parameters)
    return {"task": task, "search": name, "MB": size, "error": scores.test_error, **judged}


def draw(run: Run, tasks: Sequence[str], runs: dict[str, list[Found]]) -> None:
    """Draw fronts of cross-entropy (of the first seed) and hypervolumes."""
    for task in tasks:
        jack = next(iter(runs.values()))[0].sets[task].jack
        fronts = {
            name: np.array(
                [
                    [megabytes(one.scores.parameters), one.scores.test_error]
                    for one in found[0].sets[task].members
                ]
            )
            for name, found in runs.items()
        }
        point = (megabytes(jack.parameters), jack.test_error)
        label = "cross-entropy on test data, equal odds 1"
        draw_front(run.figure(f"front_{task}"), task, fronts, point, label)
        draw_hypervolumes(run.figure(f"hypervolume_{task}"), task, curves_of(runs, task))


def draw_written(run: Run, rows: Sequence[dict[str, Any]]) -> None:
    """Draw BLEU over size, as the paper does."""
    for task in dict.fromkeys(row["task"] for row in rows):
        own = [row for row in rows if row["task"] == task]
        names = dict.fromkeys(row["search"] for row in own[1:])
        fronts = {
            name: np.array([[row["MB"], row["BLEU"]] for row in own if row["search"] == name])
            for name in names
        }
        point = (own[0]["MB"], own[0]["BLEU"])
        draw_front(run.figure(f"bleu_{task}"), task, fronts, point, "BLEU on test data")


def experiment(run: Run) -> dict[str, Any]:
    """Run everything and return what is to be recorded."""
    pairs = corpora(run)
    jat, tokenizer = jack_of(run, pairs)
    data, decoding = run.config["data"], run.config["decoding"]
    tasks = [task_of(tokenizer, corpus, data["length"]) for corpus in pairs]
    # All search sentences at every evaluation: then both kinds of search see the same ones.
    common = {**run.config["search"], "images": max(data["rows"])}
    ways = {name: sosjax.Settings(**{**common, **changes}) for name, changes in WAYS.items()}
    found = compare(jat, tasks, ways, run.seeds)
    names = [task.name for task in tasks]
    draw(run, names, found)
    rows = decoded(
        sosjax.Translator(jat, tokenizer, decoding["beams"]), pairs, found, decoding["members"]
    )
    draw_written(run, rows)
    print_table("Texts of the test part, before any fine-tuning", rows)
    published = [
        {"task": task, "model": name, "MB": float(size), "BLEU": bleu}
        for task, points in PUBLISHED.items()
        for name, (size, bleu) in points.items()
    ]
    print_table("Published (other sentences; M2M100 with 418 million parameters)", published)
    volumes = volume_rows(found, list(ways), names)
    print_table("Hypervolume after the last generation, and of the sets on test data", volumes)
    return {
        "data": "Multi30k captions, a small M2M100 trained on them" if run.stand_in else "given",
        "published": published,
        "table": rows,
        "hypervolumes": volumes,
        "found": described(found),
    }


if __name__ == "__main__":
    main_of(NAME, __doc__ or "", Path(__file__).with_suffix(".toml"), experiment)
