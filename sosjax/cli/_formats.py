"""From files to data sets, one function for each format; imported where it is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from .._errors import require
from ..models._jat import Jat
from ..models._sentencepiece import load_language_tokenizer
from ..models._tokenizer import load_tokenizer, require_vocabulary
from ..readers import (
    LabelledImages,
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
        len(shares) == 2 and min(shares) > 0,
        f"`data.shares` must be those of search and validation here, got {list(shares)}.",
    )
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
    size = source.keys["size"]
    require(len(size) == 2, f"`data.size` must be height and width, got {size}.")
    channels = source.jat.graph.inputs.shape[-1]
    found = read_image_folder(source.path, (size[0], size[1]), channels)
    return dataset_of_rows(
        source.name, _scaled(found.images), found.labels, found.classes, **source.split
    )


def _arrays(source: Source) -> Dataset:
    found = read_arrays(source.path, ("inputs", "labels"))
    extra = read_arrays(source.path)
    classes = extra.get("classes")
    if classes is None and found["labels"].ndim == 1:
        classes = np.arange(found["labels"].max() + 1)
    groups = extra.get("groups")
    return dataset_of_rows(
        source.name,
        found["inputs"],
        found["labels"],
        tuple(map(str, [] if classes is None else classes.tolist())),
        groups=None if groups is None else groups.astype(str),
        **source.split,
    )


def _table(source: Source) -> Dataset:
    keys = source.keys
    columns = [keys[key] for key in ("text", "label", "group") if key in keys]
    table = read_table(source.path, [*columns, *keys.get("inputs", ())])
    asked, classes = labels(table, keys["label"])
    groups = texts(table, keys["group"]) if "group" in keys else None
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


def _texts(source: Source) -> Dataset:
    found = read_text_folder(source.path)
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
        **source.split,
    )


def _series(source: Source) -> Dataset:
    keys = source.keys
    table = read_table(source.path, [*keys["inputs"], *keys["values"]])
    fill = keys.get("fill", 0)
    inputs, values = (
        np.stack([numbers(table, column, missing=fill > 0) for column in keys[which]], 1)
        for which in ("inputs", "values")
    )
    horizon, stride = keys.get("horizon", 1), keys.get("stride", 1)
    cut = windows(inputs, values, source.length, horizon, stride, fill)
    return series_dataset(
        source.name,
        cut.inputs,
        cut.targets,
        keys["values"],
        source.length + horizon,
        **source.split,
    )


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
