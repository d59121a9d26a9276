"""From files to data sets, one function for each format; imported where it is needed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from .._errors import listing, require
from ..models._jat import Jat
from ..models._sentencepiece import load_language_tokenizer
from ..models._tokenizer import load_tokenizer, require_vocabulary
from ..readers import (
    LabelledImages,
    Table,
    idx_folder,
    labels,
    numbers,
    read_arrays,
    read_cifar10,
    read_cifar100,
    read_image_folder,
    read_parallel,
    read_table,
    read_text_folder,
    texts,
    windows,
)
from ..tasks._dataset import Dataset, Split
from ..tasks._from_rows import (
    SHARES,
    dataset_of_rows,
    series_dataset,
    text_dataset,
    translation_dataset,
)


@final
@dataclass(frozen=True)
class Source:
    """What a reader is asked.

    Attributes:
      name: of the data, for reports.
      path: the file or folder.
      keys: the other keys of the section.
      jat: the network that must take the examples.
      model: where the network came from, which may hold a tokenizer.
    """

    name: str
    path: Path
    keys: dict[str, Any]
    jat: Jat
    model: Path | None

    @property
    def split(self) -> dict[str, Any]:
        """Shares and seed, as the builders of data sets take them."""
        return {"shares": self.keys.get("shares", SHARES), "seed": self.keys.get("seed", 0)}

    @property
    def length(self) -> int:
        """Tokens or steps of one example."""
        inputs = self.jat.graph.inputs
        return inputs.shape[0] if inputs.dtype.kind == "f" else inputs.shape[-1]

    def tokenizer(self, load: Callable[[Path], Any]) -> Any:
        """Load the network's tokenizer."""
        vocabulary = self.jat.vocabulary
        if self.model is None or vocabulary is None:
            require(False, f"`model` must be one of texts for the data {self.name!r}, got another.")
        assert self.model is not None and vocabulary is not None
        folder = self.model if self.model.is_dir() else self.model.parent
        found = load(folder)
        require_vocabulary(found, vocabulary, (self.jat.architecture or {}).get("pad"))
        return found


def _published(source: Source, parts: tuple[LabelledImages, LabelledImages]) -> Dataset:
    """Keep the published test images; of the others leave out what the network was trained on."""
    train, test = parts
    first = source.keys.get("trained_on", 0)
    shares = source.keys.get("shares", (0.8, 0.2))
    require(
        0 <= first < len(train),
        f"`data.trained_on` must leave some of the {len(train)} images, got {first}.",
    )
    require(
        len(shares) == 2 and min(shares) > 0 and math.isfinite(sum(shares)),
        f"`data.shares` must be those of search and validation here, got {list(shares)}.",
    )
    require(len(test) > 0, f"{source.path} must hold test images, got none.")
    count = max(int(max(train.labels.max(), test.labels.max())) + 1, 2)
    classes = train.classes or tuple(map(str, range(count)))
    end = first + round((len(train) - first) * shares[0] / sum(shares))
    search, validation, held_out = (
        Split(_scaled(one.images[low:high]), one.labels[low:high])
        for one, low, high in ((train, first, end), (train, end, None), (test, 0, None))
    )
    return Dataset(source.name, classes, search, validation, held_out)


def _scaled(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def _images(source: Source) -> Dataset:
    shape = source.jat.graph.inputs.shape
    require(
        len(shape) == 3 and source.jat.vocabulary is None,
        f"`model` must be one of images for the data {source.name!r}, got another.",
    )
    found = read_image_folder(source.path, (shape[0], shape[1]), shape[2])
    return dataset_of_rows(
        source.name, _scaled(found.images), found.labels, found.classes, **source.split
    )


def _arrays(source: Source) -> Dataset:
    found, name = read_arrays(source.path), source.path.name
    for wanted in ("inputs", "labels"):
        require(
            wanted in found and found[wanted].ndim > 0 and len(found[wanted]) > 0,
            f"{name} must hold an array {wanted!r} with a row for each example, got "
            f"{listing(found)}.",
        )
    for wanted in ("classes", "groups"):
        require(
            wanted not in found or found[wanted].ndim == 1,
            f"{name}: {wanted!r} must be a list of names, got an array of shape "
            f"{found[wanted].shape if wanted in found else ()}.",
        )
    classes = found["classes"].astype(str).tolist() if "classes" in found else None
    groups = found["groups"].astype(str) if "groups" in found else None
    asked = found["labels"]
    return dataset_of_rows(
        source.name,
        found["inputs"],
        asked,
        _numbered(name, asked) if classes is None else classes,
        groups=groups,
        **source.split,
    )


def _numbered(name: str, asked: np.ndarray) -> list[str]:
    """Return numbers as the names of classes or values; tokens have none."""
    if asked.ndim == 2:
        return [str(place) for place in range(asked.shape[1])] if asked.dtype.kind == "f" else []
    require(
        asked.ndim == 1 and asked.dtype.kind in "iu",
        f"{name}: 'labels' must be whole numbers [B] for classes, floating point [B, O] for values "
        f"or whole numbers [B, S] for tokens, got {asked.dtype} of shape {asked.shape}.",
    )
    require(
        asked.max() < len(asked),
        f"{name}: 'labels' must be below the number of rows, {len(asked)}, unless an array "
        f"'classes' has names for them, got {asked.max()}.",
    )
    return [str(label) for label in range(int(asked.max()) + 1)]


def _table(source: Source) -> Dataset:
    keys = source.keys
    columns = [keys[key] for key in ("text", "label", "group") if key in keys]
    table = read_table(
        source.path, [*columns, *keys.get("inputs", ())], encoding=keys.get("encoding", "utf-8")
    )
    asked, classes = labels(table, keys["label"])
    groups = _named(table, keys["group"]) if "group" in keys else None
    if "text" not in keys:
        inputs = np.stack([numbers(table, column) for column in keys["inputs"]], 1)
        return dataset_of_rows(source.name, inputs, asked, classes, groups=groups, **source.split)
    tokenizer = source.tokenizer(load_tokenizer)
    return text_dataset(
        source.name,
        texts(table, keys["text"]),
        asked,
        classes,
        tokenizer,
        source.length,
        groups=groups,
        **source.split,
    )


def _named(table: Table, column: str) -> list[str]:
    """Return a column of names, which may be numbers too, as texts."""
    places, names = labels(table, column)
    return [names[place] for place in places]


def _texts(source: Source) -> Dataset:
    encoding = source.keys.get("encoding", "utf-8")
    found = read_text_folder(source.path, encoding)
    tokenizer, length = source.tokenizer(load_tokenizer), source.length
    return text_dataset(
        source.name, found.texts, found.labels, found.classes, tokenizer, length, **source.split
    )


def _parallel(source: Source) -> Dataset:
    languages = source.keys["languages"]
    require(len(languages) == 2, f"`data.languages` must be two codes, got {languages}.")
    pairs = read_parallel(source.path, source.keys.get("targets"))
    tokenizer = source.tokenizer(load_language_tokenizer)
    return translation_dataset(
        source.name,
        pairs.sources,
        pairs.targets,
        (languages[0], languages[1]),
        tokenizer,
        source.length,
        notes=_counted((pairs.dropped, f"pairs of {source.name} were left out: a side is empty")),
        **source.split,
    )


def _series(source: Source) -> Dataset:
    keys = source.keys
    table = read_table(source.path, [*keys["inputs"], *keys["values"]])
    fill = keys.get("fill", 0)
    inputs, values = (
        np.stack([_measured(table, column, fill) for column in keys[which]], 1)
        for which in ("inputs", "values")
    )
    horizon, stride = keys.get("horizon", 1), keys.get("stride", 1)
    cut = windows(inputs, values, source.length, horizon, stride, fill)
    notes = _counted(
        (cut.filled, f"missing values of {source.name} were interpolated"),
        (cut.dropped, f"windows of {source.name} were left out: values are missing in them"),
    )
    return series_dataset(
        source.name,
        cut.inputs,
        cut.targets,
        keys["values"],
        source.length + horizon,
        stride=stride,
        shares=source.split["shares"],
        notes=notes,
    )


def _measured(table: Table, column: str, fill: int) -> np.ndarray:
    """Return a column of numbers, NaN where one is missing that may be interpolated."""
    values = numbers(table, column, missing=True)
    missing = np.flatnonzero(np.isnan(values))
    require(
        fill > 0 or len(missing) == 0,
        f"`{column}` must hold a number in each row unless `data.fill` admits gaps, got "
        f"{len(missing)} missing, the first in row {1 + int(missing[0]) if len(missing) else 0}.",
    )
    return values


def _counted(*counts: tuple[int, str]) -> tuple[str, ...]:
    """Return a sentence for each of what occurred."""
    return tuple(f"{count} {what}." for count, what in counts if count)


READERS: dict[str, Callable[[Source], Dataset]] = {
    "idx": lambda source: _published(source, idx_folder(source.path)),
    "cifar10": lambda source: _published(source, read_cifar10(source.path)),
    "cifar100": lambda source: _published(source, read_cifar100(source.path)),
    "images": _images,
    "arrays": _arrays,
    "table": _table,
    "texts": _texts,
    "parallel": _parallel,
    "series": _series,
}
