"""What became of a bucket's members, in one file: many times smaller than their checkpoints."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._errors import InputError
from ..models._weights import load_arrays, save_arrays
from ._case import Case, FineTuned

NAME = "tuned.safetensors"
NUMBERS = ("epoch", "lost", "before", "after", "loss")


def digest(cases: Sequence[Case]) -> str:
    """Return a name for members: what is kept of some is never taken for that of others.

    Those that a round seeks may be others on another machine, whose numbers are not quite the same.
    """
    found = hashlib.sha256()
    for case in cases:
        found.update(repr((case.task, [mask.shape for mask in case.masks])).encode())
        for mask in case.masks:
            found.update(np.packbits(mask).tobytes())
    return found.hexdigest()[:16]


def save_tuned(folder: Path, tuned: Sequence[FineTuned]) -> None:
    """Write what became of members, and remove the checkpoints beside it.

    Raises:
      InputError: the disk is full or the folder cannot be written.
    """
    arrays, numbers = {}, []
    for row, one in enumerate(tuned):
        arrays |= {f"{row}/{name}": leaf for name, leaf in one.weights.items()}
        numbers.append({name: getattr(one, name) for name in NUMBERS})
    save_arrays(folder / NAME, arrays, {"members": json.dumps(numbers)})
    for place in folder.iterdir():
        if place.is_dir():
            shutil.rmtree(place)


def load_tuned(folder: Path) -> tuple[list[FineTuned] | None, list[str]]:
    """Read what `save_tuned` wrote.

    Returns:
      What became of the members, `None` where that is not yet known, and a sentence where a file is
      damaged: they are trained again.
    """
    if not (folder / NAME).exists():
        return None, []
    try:
        arrays, metadata = load_arrays(folder / NAME)
    except InputError:
        return None, [f"{folder / NAME} is damaged: its members are trained again"]
    found = [FineTuned({}, **numbers) for numbers in json.loads(metadata["members"])]
    for path, leaf in arrays.items():
        row, name = path.split("/", 1)
        found[int(row)].weights[name] = leaf
    return found, []
