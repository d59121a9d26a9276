"""Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017, https://arxiv.org/abs/1708.07747)."""

import gzip
import zlib
from importlib import resources
from pathlib import Path

import numpy as np

from .._errors import InputError, require
from .._files import sha256
from ._dataset import Dataset, Split

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
TRAINING = 50_000  # the first images of the training file, which the embedded JAT was trained on
SEARCH = 8_000  # the next images; the rest of the file is for validation
_CHECKSUMS = "SHA256SUMS"


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Read an idx file of bytes, gzipped or plain.

    Args:
      path: the file, named `*.gz` if gzipped.
      dimensions: the number of dimensions wanted: 3 for images, 1 for labels.

    Returns:
      A uint8 array.

    Raises:
      InputError: the file is missing, truncated or of another type.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except FileNotFoundError:
        raise InputError(
            f"`data.folder` must hold {path.name}, got no such file: {path}."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} must be a whole gzip file, got a damaged one: {error}.") from None
    head = 4 + 4 * dimensions
    wanted = bytes([0, 0, 8, dimensions])
    require(
        len(content) >= head and content[:4] == wanted,
        f"{path} must be an idx file of bytes in {dimensions} dimensions, got another format.",
    )
    shape = tuple(np.frombuffer(content, ">u4", dimensions, 4).tolist())
    require(
        len(content) == head + int(np.prod(shape)),
        f"{path} must hold {int(np.prod(shape))} bytes for shape {shape}, "
        f"got {len(content) - head}: is it truncated?",
    )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def idx_split(folder: Path, prefix: str) -> Split:
    """Read `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte`, gzipped or plain.

    Returns:
      A split with float32 images [B, H, W, 1] in [0, 1].

    Raises:
      InputError: as `read_idx`, or images and labels differ in number.
    """
    images, labels = (
        read_idx(_existing(folder / f"{prefix}-{kind}-ubyte"), dimensions)
        for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1))
    )
    require(
        len(images) == len(labels),
        f"{folder}: `{prefix}` must have one label for each image, "
        f"got {len(images)} images and {len(labels)} labels.",
    )
    return Split(images[..., None].astype(np.float32) / 255, labels.astype(np.int32))


def fashion_mnist(folder: str | Path | None = None) -> Dataset:
    """Return Fashion-MNIST split into search, validation and test.

    Of the original training file, images 50,000 to 57,999 are the search split and 58,000 to
    59,999 the validation split; the embedded JAT was trained on the first 50,000. The embedded
    subset holds these 10,000 and the first 2,000 of the original test file.

    Args:
      folder: a folder with the four original idx files, whose 10,000 test images are then all
        used; `None` for the embedded subset.

    Returns:
      A `Dataset` with images [B, 28, 28, 1] in [0, 1] and ten classes.

    Raises:
      InputError: a file is missing, damaged or not what its name says.
    """
    if folder is None:
        with resources.as_file(resources.files("sosjax") / "data" / "fashion_mnist") as path:
            _require_checksums(path)
            held_out, test = idx_split(path, "train"), idx_split(path, "t10k")
    else:
        whole, test = idx_split(Path(folder), "train"), idx_split(Path(folder), "t10k")
        require(
            len(whole) == 60_000,
            f"`data.folder` must hold the 60,000 training images, got {len(whole)}.",
        )
        held_out = Split(whole.inputs[TRAINING:], whole.labels[TRAINING:])
    return Dataset(
        name="Fashion-MNIST",
        classes=CLASSES,
        search=Split(held_out.inputs[:SEARCH], held_out.labels[:SEARCH]),
        validation=Split(held_out.inputs[SEARCH:], held_out.labels[SEARCH:]),
        test=test,
    )


def _existing(plain: Path) -> Path:
    return plain if plain.exists() else plain.with_name(plain.name + ".gz")


def _require_checksums(folder: Path) -> None:
    for line in (folder / _CHECKSUMS).read_text().splitlines():
        digest, name = line.split()
        require(
            sha256(folder / name) == digest,
            f"the embedded file {name} is damaged: reinstall sosjax.",
        )
