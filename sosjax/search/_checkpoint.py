"""Checkpoints of a search: written by orbax, with checksums that say whether one is whole."""

import contextlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from .._errors import InputError, require
from .._files import read_json, sha256, write_json

MANIFEST = "SHA256.json"
ARRAYS = "arrays.json"
KEEP = 2
_ORBAX = threading.Lock()
"""Recovery saves from several threads, and orbax would close one's event loop for another."""


def save_checkpoint(folder: Path, generation: int, state: Any) -> None:
    """Write a checkpoint aside, then rename it; older ones but one are removed.

    Args:
      folder: where the run's checkpoints are.
      generation: names the checkpoint.
      state: a pytree of arrays.

    Raises:
      InputError: the disk is full or the folder cannot be written.
    """
    aside, place = folder / f".{generation:08d}.part", folder / f"{generation:08d}"
    try:
        folder.mkdir(exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        _clear(folder)
        with _ORBAX, _quiet(), _checkpointer() as checkpointer:
            checkpointer.save(aside.absolute(), _arrays(state))
        write_json(aside / ARRAYS, _described(state))
        write_json(aside / MANIFEST, _digests(aside))
        os.replace(aside, place)
        # A later one is damaged, or the search would have gone on from it.
        later = [one for one in _finished(folder) if int(one.name) > generation]
        for old in (*later, *[one for one in _finished(folder) if one not in later][:-KEEP]):
            shutil.rmtree(old)
    except (OSError, ValueError) as error:
        # orbax reports a full disk as a ValueError of its storage layer.
        _clear(folder)
        full = "No space left on device"
        reason = full if full in str(error) else str(error)
        raise InputError(f"{place} cannot be written: {reason}.") from error


def load_checkpoint(folder: Path, like: Any) -> tuple[Any, list[str]]:
    """Read the newest whole checkpoint.

    Args:
      folder: where the run's checkpoints are; need not exist.
      like: a pytree of arrays with the wanted shapes and dtypes.

    Returns:
      The state, or `None` where there is none, and a sentence for each damaged checkpoint that was
      passed over.

    Raises:
      InputError: a checkpoint holds other arrays.
    """
    warnings = []
    for place in reversed(_finished(folder)):
        if _whole(place):
            # orbax would return arrays of other shapes, and cast those of other types.
            require(
                (place / ARRAYS).exists() and read_json(place / ARRAYS) == _described(like),
                f"{place} must be what this version of sosjax wrote for the same network, data and "
                "settings, got other arrays: begin in a new folder.",
            )
            with _ORBAX, _checkpointer() as checkpointer:
                arrays = checkpointer.restore(place.absolute(), _arrays(like))
            leaves, structure = jax.tree.flatten(like)
            kept = iter(arrays)
            found = [jnp.asarray(next(kept) if np.size(leaf) else leaf) for leaf in leaves]
            return jax.tree.unflatten(structure, found), warnings
        warnings.append(f"checkpoint {place.name} is damaged: using the one before it")
    return None, warnings


def _checkpointer() -> ocp.StandardCheckpointer:
    """Return orbax's, for this process alone: of several, the others may do without."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"process-{own}"
    )
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep orbax's threads from logging a traceback of what is raised here as well."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _arrays(state: Any) -> list[np.ndarray]:
    """Return the leaves: orbax need not know the classes of a state, nor its devices.

    It refuses those without entries, such as the weights of a block that is gone.
    """
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state) if np.size(leaf)]


def _described(state: Any) -> list[Any]:
    return [[list(array.shape), str(array.dtype)] for array in _arrays(state)]


def _clear(folder: Path) -> None:
    """Remove what a kill or a full disk left unfinished, orbax's own folders among it."""
    for left in folder.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)


def _finished(folder: Path) -> list[Path]:
    return sorted(place for place in folder.glob("*") if place.name.isdigit())


def _whole(place: Path) -> bool:
    try:
        return read_json(place / MANIFEST) == _digests(place)
    except InputError:
        return False


def _digests(place: Path) -> dict[str, str]:
    return {
        str(path.relative_to(place)): sha256(path)
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
