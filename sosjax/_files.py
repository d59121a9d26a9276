"""Files are written whole or not at all: beside their place first, then renamed."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._errors import InputError, require


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file so that a reader sees the old content or all of the new.

    Raises:
      InputError: the disk is full or the place cannot be written; nothing was changed.
    """
    raw = content.encode() if isinstance(content, str) else content
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(aside, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error


def require_new(argument: str, path: Path) -> None:
    """Refuse a path where something is, were it a link to nowhere."""
    require(
        not os.path.lexists(path),
        f"`{argument}` must be a new folder, got one that exists: {path}; nothing was changed.",
    )


@contextlib.contextmanager
def new_folder(argument: str, path: Path) -> Iterator[Path]:
    """Fill a folder aside; it takes its place when the block ends, or leaves nothing if it fails.

    Args:
      argument: what the path was given as, for the message.
      path: must not exist.

    Raises:
      InputError: the path exists.
    """
    require_new(argument, path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        aside.mkdir(parents=True)
        yield aside
        os.rename(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole or not at all; NaN is refused, since it is no JSON."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
      InputError: the file is missing or is not whole JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path} must be a file, got none there.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must hold JSON, got a damaged file: {error}.") from None
