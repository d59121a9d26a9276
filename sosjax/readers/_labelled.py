"""Labelled images and texts, as a file or a folder of classes holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from .._errors import require


@final
@dataclass(frozen=True)
class LabelledImages:
    """Images as stored, and what they show.

    Attributes:
      images: uint8 [B, H, W, C].
      labels: int32 [B], each in [0, classes) where the classes are named.
      classes: the class names in the order of the labels; empty if the format names none.
      files: the file of each image below the folder read; empty if they were in one file.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


@final
@dataclass(frozen=True)
class LabelledTexts:
    """Texts and what they are about.

    Attributes:
      texts: one for each document.
      labels: int32 [B], each in [0, classes).
      classes: the class names in the order of the labels.
      files: the file of each text below the folder read.
    """

    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    files: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


def class_files(folder: Path, suffixes: Sequence[str], refused: Sequence[str] = ()) -> list[Path]:
    """List the files `FOLDER/CLASS/FILE` by class, then by name; hidden ones are passed over.

    Args:
      folder: the folder of class folders.
      suffixes: the endings of names that count, in small letters; others are passed over.
      refused: endings that are refused, since passing over such a file would be a surprise.

    Raises:
      InputError: no such folder, fewer than two classes, a class without files, or a file with a
        refused ending.
    """
    require(folder.is_dir(), f"{folder} must be a folder of class folders, got none there.")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    require(
        len(classes) >= 2,
        f"{folder} must hold a folder for each of two or more classes, got {len(classes)}.",
    )
    files = []
    for inner in classes:
        shown = sorted(p for p in inner.iterdir() if p.is_file() and not p.name.startswith("."))
        other = [p for p in shown if p.suffix.lower() in refused]
        require(not other, f"{folder} must hold only {', '.join(suffixes)}, got {_first(other)}.")
        counted = [p for p in shown if p.suffix.lower() in suffixes]
        require(counted, f"{inner} must hold files named {', '.join(suffixes)}, got none.")
        files += counted
    return files


def class_labels(files: Sequence[Path]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return int32 labels [B] by the folder of each file, and the class names."""
    classes = sorted({file.parent.name for file in files})
    place = {name: index for index, name in enumerate(classes)}
    return np.array([place[file.parent.name] for file in files], np.int32), tuple(classes)


def _first(files: list[Path]) -> str:
    return str(files[0]) if files else ""
