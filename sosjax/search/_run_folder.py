"""A run's folder: what was asked, a journal of what happened, checkpoints, and the sets."""

import json
import os
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any, final

from .._errors import InputError, require
from .._files import new_folder, read_json, write_json, write_whole

FORMAT = "sosjax-run"
VERSION = 1
PACKAGES = ("sosjax", "jax", "jaxlib", "flax", "optax", "evosax", "orbax-checkpoint", "numpy")


@final
class RunFolder:
    """The files of one run.

    Attributes:
      path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, asked: dict[str, Any], config: str | None) -> "RunFolder":
        """Make the folder, whole or not at all.

        Args:
          path: must not exist.
          asked: what the run is of, compared when it is resumed.
          config: the text of the configuration file, kept word for word.

        Raises:
          InputError: the folder exists or cannot be made.
        """
        try:
            with new_folder("folder", path) as aside:
                if config is not None:
                    write_whole(aside / "config.toml", config)
                write_json(aside / "run.json", _header(asked))
        except OSError as error:
            raise InputError(
                f"`folder` {path} cannot be made: {error.strerror or error}."
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path, asked: dict[str, Any] | None = None) -> "RunFolder":
        """Open an existing run.

        Args:
          path: the folder.
          asked: what the run must be of; `None` to only look.

        Raises:
          InputError: it is no run folder, of another version, or of something else.
        """
        require(path.is_dir(), f"`run` must be a run folder, got none at {path}.")
        header = read_json(path / "run.json")
        require(
            isinstance(header, dict) and header.get("format") == FORMAT,
            f"`run` must be a run folder of sosjax, got {path}.",
        )
        ours, theirs = metadata.version("sosjax"), (header.get("versions") or {}).get("sosjax")
        require(
            header.get("version") == VERSION,
            f"`run` must be of format version {VERSION}, got {header.get('version')!r} in {path}: "
            f"use sosjax {theirs}.",
        )
        if asked is not None:
            wanted = json.loads(json.dumps(asked))
            kept = header.get("asked") or {}
            differing = [
                _difference(key, wanted[key], kept.get(key))
                for key in wanted
                if wanted[key] != kept.get(key)
            ]
            require(
                not differing,
                f"`run` must be resumed with what it was started with, got other "
                f"{', '.join(differing)} for {path}.",
            )
            require(
                ours == theirs,
                f"`run` must be resumed with the sosjax it was started with, {theirs}, got {ours}.",
            )
        return cls(path)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def remove_checkpoints(self) -> None:
        """Remove the checkpoints: there is nothing left to go on with."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    @property
    def journal(self) -> Path:
        """One JSON object a line: generation, evaluations, hypervolume, seconds."""
        return self.path / "journal.jsonl"

    def rewind_journal(self, generation: int) -> list[dict[str, Any]]:
        """Drop the lines after a generation, and a line cut short by a kill; return the rest."""
        lines = []
        texts = self.journal.read_text(errors="replace") if self.journal.exists() else ""
        for line in map(_line, texts.splitlines()):
            if line is None or line["generation"] > generation:
                break
            lines.append(line)
        write_whole(self.journal, "".join(json.dumps(line) + "\n" for line in lines))
        return lines

    def append_journal(self, lines: list[dict[str, Any]]) -> None:
        """Append lines to the journal.

        Raises:
          InputError: the disk is full.
        """
        try:
            with open(self.journal, "a") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))
        except OSError as error:
            raise InputError(f"{self.journal} cannot be written: {error.strerror}.") from error


def _line(text: str) -> dict[str, Any] | None:
    """Return a line of a journal, or `None` for one that was cut short."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    whole = isinstance(line, dict) and {"generation", "seconds"} <= line.keys()
    return line if whole else None


def _difference(name: str, wanted: Any, kept: Any) -> str:
    """Return what differs; of settings also how."""
    if name != "settings" or not isinstance(kept, dict):
        return name
    keys = [key for key in wanted | kept if wanted.get(key) != kept.get(key)]
    changes = [f"{key} {wanted.get(key)!r}, not {kept.get(key)!r}" for key in keys]
    return f"{name} ({'; '.join(changes)})"


def _header(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "asked": asked,
        "seed": asked["settings"]["seed"],
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
    }
