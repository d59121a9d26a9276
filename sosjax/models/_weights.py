"""Parameters in safetensors files; the only file that knows the format."""

import contextlib
import json
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from .._errors import InputError, listing, require, require_finite
from .._files import write_whole
from .._tree import named_leaves, with_leaves


def save_arrays(
    path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None
) -> None:
    """Write named arrays to a safetensors file, whole or not at all."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    write_whole(path, safetensors.numpy.save(arrays, metadata))


def load_arrays(
    path: Path, only: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read every array, or only those of some names, and the metadata of a safetensors file.

    Raises:
      InputError: the file is missing, truncated or of another format.
    """
    with _opened(path) as file:
        names, metadata = file.keys(), file.metadata() or {}
    arrays = {}
    for name in names:
        if only is not None and name not in only:
            continue
        # Opened anew: what was read of an open file stays in memory beside its copy.
        with _opened(path) as file:
            arrays[name] = file.get_tensor(name)
    return arrays, metadata


def load_metadata(path: Path) -> dict[str, str]:
    """Read a safetensors file's metadata alone.

    Raises:
      InputError: as `load_arrays`.
    """
    with _opened(path) as file:
        return file.metadata() or {}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path} must be a safetensors file, got no such file.") from None
    except (OSError, safetensors.SafetensorError, struct.error) as error:
        require(
            not _is_pickle(path),
            f"{path} must be a safetensors file, got a pickle, as PyTorch writes them: save it as "
            "safetensors, or name it .pth (in a folder pytorch_model.bin), to be read by PyTorch's "
            "weights-only reader: pip install 'sosjax[torch]'.",
        )
        raise InputError(
            f"{path} must be a whole safetensors file, got a damaged or another one: {error}."
        ) from None


def _is_pickle(path: Path) -> bool:
    """Return whether a file begins as a pickle, or as the archive that PyTorch puts one into."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError:
        return False
    return start == b"PK\x03\x04" or (start[:1] == b"\x80" and 2 <= start[1] <= 5)


def save_weights(path: Path, params: Any, metadata: dict[str, str] | None = None) -> None:
    """Write a pytree of arrays to a safetensors file, one tensor per leaf, named by its path."""
    arrays = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    save_arrays(path, arrays, metadata)


def load_weights(path: Path, like: Any) -> Any:
    """Read a safetensors file into the structure of `like`.

    Args:
      path: a file with one tensor per leaf, named by its path (`outer/inner/leaf`).
      like: a pytree with the wanted structure, shapes and dtypes (`jax.ShapeDtypeStruct` will do).

    Returns:
      A pytree of numpy arrays.

    Raises:
      InputError: leaves are missing, unknown, of another shape or dtype, or not finite; the
        message names them.
    """
    arrays, _ = load_arrays(Path(path))
    wanted = named_leaves(like)
    missing = [name for name in wanted if name not in arrays]
    unknown = [name for name in arrays if name not in wanted]
    require(
        not missing and not unknown,
        f"`weights` must hold the leaves of the model, got {path}"
        + (f" without {listing(missing)}" if missing else "")
        + (" and" if missing and unknown else "")
        + (f" with unknown {listing(unknown)}" if unknown else "")
        + ".",
    )
    wrong = [
        f"{name} {arrays[name].dtype}{list(arrays[name].shape)} for {leaf.dtype}{list(leaf.shape)}"
        for name, leaf in wanted.items()
        if arrays[name].shape != leaf.shape or arrays[name].dtype != leaf.dtype
    ]
    require(not wrong, f"`weights` must fit the model, got {listing(wrong)} in {path}.")
    for name, array in arrays.items():
        require_finite(f"weights {name}", array)
    return with_leaves(like, arrays)


def architecture_in(path: Path) -> dict[str, Any] | None:
    """Return what a file of `save` says of its network; `None` for another safetensors file."""
    if path.suffix != ".safetensors":
        return None
    described = load_metadata(path).get("architecture")
    try:
        return None if described is None else dict(json.loads(described))
    except (TypeError, ValueError):
        raise InputError(f"{path} must describe its network in JSON, got a damaged text.") from None
