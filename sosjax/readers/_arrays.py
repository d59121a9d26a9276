"""Arrays in a .npz file."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._errors import InputError, listing, nearest, require
from ._content import reason

_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,  # a way of packing that no .npz file has
    RuntimeError,  # encrypted
    MemoryError,  # a shape beyond all bounds
    zipfile.BadZipFile,
    zlib.error,
)


def read_arrays(path: str | Path, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read the arrays of a .npz file; arrays of Python objects are refused, since they are pickles.

    Args:
      path: the file.
      names: the arrays wanted; `None` for all.

    Returns:
      The arrays by name, in the order asked for.

    Raises:
      InputError: the file is missing, damaged or no .npz file, an array is missing or holds
        objects.
    """
    path = Path(path)
    require(path.is_file(), f"{path} must be a file, got none there.")
    arrays = {}
    try:
        with open(path, "rb") as opened:
            # NumPy takes a file for a .npz by its first bytes, for a pickle if all else fails.
            whole = opened.read(2) == b"PK" and zipfile.is_zipfile(opened)
            require(whole, f"{path} must be a .npz file, got another format or a truncated one.")
            opened.seek(0)
            file = np.load(opened, allow_pickle=False)
            for name in file.files if names is None else names:
                require(
                    name in file.files,
                    f"{path} must hold the array {name!r}, got {listing(file.files)}"
                    f"{nearest(name, file.files)}.",
                )
                arrays[name] = _plain(file, name, path)
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{path} must be a whole .npz file, got a damaged one: {reason(error)}."
        ) from None
    return arrays


def _plain(file: np.lib.npyio.NpzFile, name: str, path: Path) -> np.ndarray:
    try:
        array = file[name]
    except ValueError as error:
        said = "an array of objects" if "allow_pickle" in str(error) else reason(error)
        raise InputError(
            f"{path}: {name!r} must be an array of numbers or texts, got {said}; "
            "save it without objects."
        ) from None
    require(
        isinstance(array, np.ndarray) and array.dtype.kind in "biufcUS",
        f"{path}: {name!r} must be an array of numbers or texts, got another content.",
    )
    return array
