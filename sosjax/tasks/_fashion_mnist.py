"""Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017, https://arxiv.org/abs/1708.07747)."""

from importlib import resources
from pathlib import Path

import numpy as np

from .._errors import require
from .._files import sha256
from ..readers import read_idx as read_idx
from ..readers import read_idx_pair
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


def idx_split(folder: Path, prefix: str) -> Split:
    """Read `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte`, gzipped or plain.

    Returns:
      A split with float32 images [B, H, W, 1] in [0, 1].

    Raises:
      InputError: a file is missing, truncated or of another type, or images and labels differ in
        number.
    """
    pair = read_idx_pair(folder, prefix)
    return Split(pair.images.astype(np.float32) / 255, pair.labels)


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


def _require_checksums(folder: Path) -> None:
    for line in (folder / _CHECKSUMS).read_text().splitlines():
        digest, name = line.split()
        require(
            sha256(folder / name) == digest,
            f"the embedded file {name} is damaged: reinstall sosjax.",
        )
