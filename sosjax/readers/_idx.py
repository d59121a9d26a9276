"""idx files, the format of MNIST and its family (LeCun, http://yann.lecun.com/exdb/mnist)."""

from math import prod
from pathlib import Path

import numpy as np

from .._errors import InputError, require
from ._content import read_content
from ._labelled import LabelledImages


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """Read an idx file of bytes, gzipped or plain.

    Args:
      path: the file.
      dimensions: the number of dimensions wanted: 3 for images, 1 for labels.

    Returns:
      A uint8 array.

    Raises:
      InputError: the file is missing, truncated or of another type.
    """
    content = read_content(path)
    head = 4 + 4 * dimensions
    wanted = bytes([0, 0, 8, dimensions])
    require(
        len(content) >= head and content[:4] == wanted,
        f"{path} must be an idx file of bytes in {dimensions} dimensions, got another format.",
    )
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4).tolist())
    require(
        len(content) == head + prod(shape),
        f"{path} must hold {prod(shape)} bytes for shape {shape}, "
        f"got {len(content) - head}: is it truncated?",
    )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def read_idx_pair(folder: str | Path, prefix: str) -> LabelledImages:
    """Read `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte`, gzipped or plain.

    A dot in place of the dash before `idx` is understood too, as some copies are named.

    Returns:
      Images [B, H, W, 1]; the classes have no names.

    Raises:
      InputError: as `read_idx`, or images and labels differ in number.
    """
    folder = Path(folder)
    images = read_idx(_existing(folder, prefix, "images", "idx3-ubyte"), 3)
    labels = read_idx(_existing(folder, prefix, "labels", "idx1-ubyte"), 1)
    require(
        len(images) == len(labels),
        f"{folder}: `{prefix}` must have one label for each image, "
        f"got {len(images)} images and {len(labels)} labels.",
    )
    return LabelledImages(images[..., None], labels.astype(np.int32))


def idx_folder(folder: str | Path) -> tuple[LabelledImages, LabelledImages]:
    """Read the four files of MNIST, Fashion-MNIST or KMNIST: `train-*` and `t10k-*`.

    Returns:
      The training and the test images, in the order of the files.

    Raises:
      InputError: as `read_idx_pair`.
    """
    return read_idx_pair(folder, "train"), read_idx_pair(folder, "t10k")


def _existing(folder: Path, prefix: str, kind: str, ending: str) -> Path:
    plain = f"{prefix}-{kind}-{ending}"
    for name in (plain, f"{prefix}-{kind}.{ending}"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    path = folder / f"{plain}.gz"
    raise InputError(f"`data.folder` must hold {path.name}, got no such file: {path}.")
