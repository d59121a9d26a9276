"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html)."""

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError, require, require_known
from ._content import read_content, reason
from ._labelled import LabelledImages
from ._pickled import plain_data

CIFAR_CHECKSUMS = {
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
    "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
}
"""The MD5 sums that the source states; an archive of such a name is held to it."""

_PIXELS = 3 * 32 * 32
_MEMBER = 1 << 28  # bytes; the largest true file has 155 million
_Open = Callable[[str], bytes | None]


@dataclass(frozen=True)
class _Version:
    """One of the files' forms: where rows and class names are."""

    train: tuple[str, ...]
    test: str
    names: str
    rows: Callable[[bytes, str], tuple[np.ndarray, np.ndarray]]
    classes: Callable[[bytes, str], tuple[str, ...]]


def read_cifar10(path: str | Path) -> tuple[LabelledImages, LabelledImages]:
    """Read CIFAR-10, in its binary or its Python version.

    Args:
      path: the archive as downloaded (`cifar-10-binary.tar.gz`, `cifar-10-python.tar.gz`), which is
        not unpacked, or the folder of its files (`data_batch_1.bin`, or `data_batch_1`). The
        Python version is a pickle; it is read without running it.

    Returns:
      The training and the test images [B, 32, 32, 3], with ten class names.

    Raises:
      InputError: a file is missing, truncated or not what its name says.
    """
    batches = tuple(f"data_batch_{number}" for number in range(1, 6))
    binary = _Version(
        tuple(f"{batch}.bin" for batch in batches),
        "test_batch.bin",
        "batches.meta.txt",
        lambda content, source: _binary_rows(content, source, 1, 0, 10),
        _text_names,
    )
    pickled = _Version(
        batches,
        "test_batch",
        "batches.meta",
        lambda content, source: _pickled_rows(content, source, b"labels", 10),
        lambda content, source: _pickled_names(content, source, b"label_names"),
    )
    return _read(Path(path), (binary, pickled))


def read_cifar100(path: str | Path, labels: str = "fine") -> tuple[LabelledImages, LabelledImages]:
    """Read CIFAR-100, in its binary or its Python version.

    Args:
      path: the archive as downloaded (`cifar-100-binary.tar.gz`, `cifar-100-python.tar.gz`), which
        is not unpacked, or the folder of its files (`train.bin`, or `train`).
      labels: "fine" for the hundred classes, "coarse" for the twenty they belong to.

    Returns:
      The training and the test images [B, 32, 32, 3], with the class names.

    Raises:
      InputError: a file is missing, truncated or not what its name says, or labels unknown.
    """
    require_known("labels", labels, ("fine", "coarse"))
    place, count = (1, 100) if labels == "fine" else (0, 20)
    binary = _Version(
        ("train.bin",),
        "test.bin",
        f"{labels}_label_names.txt",
        lambda content, source: _binary_rows(content, source, 2, place, count),
        _text_names,
    )
    pickled = _Version(
        ("train",),
        "test",
        "meta",
        lambda content, source: _pickled_rows(content, source, f"{labels}_labels".encode(), count),
        lambda content, source: _pickled_names(content, source, f"{labels}_label_names".encode()),
    )
    return _read(Path(path), (binary, pickled))


def _read(path: Path, versions: Sequence[_Version]) -> tuple[LabelledImages, LabelledImages]:
    opened = _archive(path, versions) if path.is_file() else _folder(path)
    version = next((v for v in versions if opened(v.train[0]) is not None), versions[0])

    def content(name: str) -> bytes:
        found = opened(name)
        if found is None:
            raise InputError(f"{path} must hold {name}, got no such file in it.")
        return found

    classes = version.classes(content(version.names), f"{path}: {version.names}")
    parts = []
    for names in (version.train, (version.test,)):
        rows = [version.rows(content(name), f"{path}: {name}") for name in names]
        images, labels = (np.concatenate(column) for column in zip(*rows, strict=True))
        parts.append(LabelledImages(images, labels, classes))
    return parts[0], parts[1]


def _folder(path: Path) -> _Open:
    require(path.is_dir(), f"{path} must be a folder or a .tar.gz archive, got none there.")
    return lambda name: read_content(path / name) if (path / name).is_file() else None


def _archive(path: Path, versions: Sequence[_Version]) -> _Open:
    """Read the files that a version may need out of an archive, by their names alone."""
    _require_published(path)
    wanted = {name for v in versions for name in (*v.train, v.test, v.names)}
    held: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if member.isreg() and name in wanted:
                    require(
                        member.size <= _MEMBER,
                        f"{path}: {name} must have at most {_MEMBER} bytes, got {member.size}.",
                    )
                    file = archive.extractfile(member)
                    held[name] = file.read() if file else b""
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a whole .tar.gz archive, got {reason(error)}.") from None
    return held.get


def _require_published(path: Path) -> None:
    wanted = CIFAR_CHECKSUMS.get(path.name)
    if wanted is not None:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        require(
            found.hexdigest() == wanted,
            f"{path} must be the published archive with the MD5 sum {wanted}, "
            f"got {found.hexdigest()}: download it again.",
        )


def _binary_rows(
    content: bytes, source: str, width: int, place: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of rows with `width` labels in front, that at `place` taken."""
    row = width + _PIXELS
    require(
        len(content) > 0 and len(content) % row == 0,
        f"{source} must hold rows of {row} bytes, got {len(content)} bytes: is it truncated?",
    )
    rows = np.frombuffer(content, np.uint8).reshape(-1, row)
    labels = _labels(rows[:, place].tolist(), source, classes)
    return _images(rows[:, width:]), labels


def _pickled_rows(
    content: bytes, source: str, key: bytes, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    data = plain_data(content, source)
    images = data.get(b"data")
    if not (isinstance(images, np.ndarray) and images.shape[1:] == (_PIXELS,)):
        raise InputError(f"{source} must hold `data` of {_PIXELS} bytes an image, got none.")
    labels = _labels(_entry(data, source, key), source, classes)
    require(
        len(labels) == len(images),
        f"{source} must have one label for each image, "
        f"got {len(images)} images and {len(labels)} labels.",
    )
    return _images(images), labels


def _entry(data: dict, source: str, key: bytes) -> list[Any]:
    entry = data.get(key)
    if not isinstance(entry, list):
        raise InputError(f"{source} must hold the list `{key.decode()}`, got none.")
    return entry


def _labels(labels: list[Any], source: str, classes: int) -> np.ndarray:
    wrong = [label for label in labels if type(label) is not int or not 0 <= label < classes]
    require(not wrong, f"{source} must have labels in [0, {classes}), got {wrong[:1]}.")
    return np.array(labels, np.int32)


def _images(rows: np.ndarray) -> np.ndarray:
    """Return [B, 32, 32, 3] of rows that hold one colour after the other."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _text_names(content: bytes, source: str) -> tuple[str, ...]:
    return tuple(content.decode("ascii", "replace").split())


def _pickled_names(content: bytes, source: str, key: bytes) -> tuple[str, ...]:
    names = _entry(plain_data(content, source), source, key)
    return tuple(
        name.decode("ascii", "replace") if isinstance(name, bytes) else str(name) for name in names
    )
