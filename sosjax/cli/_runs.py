"""Run folders as commands find them, and what an interruption of them says."""

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import InputError, require
from .._files import read_json
from ._config import Config, read_config
from ._interruption import Report, stopping_at_checkpoints
from ._programs import Compiling
from ._progress import Progress

if TYPE_CHECKING:
    from ..sets._set_of_sets import SetOfSets

CONFIG_NAME = "config.toml"
RECOVERED = "recovered"
"""The folder of a run's recovered sets, in the run's own."""
FIDELITY = "fidelity"
"""The folder of a run's fidelity comparison, in the run's own."""


def config_of(folder: Path, adapted: bool = True) -> Config:
    """Read the configuration that a run keeps.

    Args:
      folder: the run's.
      adapted: whether the network is meant as the run's adaptation, if it has one, has made it;
        else as it was before.

    Raises:
      InputError: it is no run folder, or one of the library.
    """
    require_run(folder)
    path = folder / CONFIG_NAME
    require(
        path.exists(),
        f"`RUN` must be a run of the command line, got one of the library, without {CONFIG_NAME}: "
        f"{folder}.",
    )
    config = read_config(path)
    if config.adaptation is None or not adapted:
        return config
    from ..models._adapted import JACK_NAME

    return replace(config, model=replace(config.model, adapted=folder / JACK_NAME))


def chosen_folder(folder: Path, unrecovered: bool) -> Path:
    """Return where the sets to use are: the recovered ones of a run, if finished and wanted.

    Raises:
      InputError: it is no run folder, or of a run that is not finished.
    """
    require_finished(folder)
    recovered = folder / RECOVERED
    return recovered if not unrecovered and (recovered / "sets.json").exists() else folder


def sets_of(folder: Path) -> "SetOfSets":
    """Read the sets in a folder."""
    from ..sets._store import load_sets

    return load_sets(folder)


def require_run(folder: Path) -> None:
    """Refuse anything but a run folder."""
    came = "a folder without run.json" if folder.is_dir() else "no such folder"
    came = "a file" if folder.is_file() else came
    require((folder / "run.json").is_file(), f"`RUN` must be a run folder, got {came}: {folder}.")


def require_resumable(folder: Path) -> None:
    """Refuse a run that another command began, and goes on with."""
    require_run(folder)
    header = read_json(folder / "run.json")
    asked = header.get("asked") if isinstance(header, dict) else None
    require(
        not isinstance(asked, dict) or "extended" not in asked,
        f"`RUN` must be a run that `sosjax run` began, got one of `sosjax extend`, which goes on "
        f"with the same command: {folder}.",
    )


def require_finished(folder: Path) -> None:
    """Refuse anything but the folder of a finished run."""
    require_run(folder)
    require(
        (folder / "sets.json").exists(),
        f"`RUN` must be a finished run, got one without sets: "
        f"continue it with: {shlex.join(['sosjax', 'resume', str(folder)])}",
    )


def require_same(folder: Path, asked: dict[str, Any]) -> None:
    """Refuse to go on in a folder with other settings than it was begun with."""
    from ..search._run_folder import RunFolder

    if not folder.exists():
        return
    try:
        RunFolder.open(folder, asked)
    except InputError as error:
        if not (folder / "run.json").exists():
            raise
        raise InputError(f"{str(error).removesuffix('.')}; to begin anew, remove it.") from None


@contextlib.contextmanager
def interruptible(folder: Path, command: Sequence[str]) -> Iterator[None]:
    """Pass an interruption on with the command that continues.

    Args:
      folder: has a `run.json` once there is something to continue.
      command: continues it.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not (folder / "run.json").exists():
            raise KeyboardInterrupt("nothing was written") from None
        raise KeyboardInterrupt(f"continue with: {shlex.join(command)}") from None


@contextlib.contextmanager
def reporting(quiet: bool) -> Iterator[Report]:
    """Show how far a search is, on stderr; stop it after a checkpoint when interrupted."""
    with Progress() as shown:

        def warnings_only(line: dict[str, Any]) -> None:
            if line.get("warning"):
                shown(line)

        compiling = Compiling()
        with stopping_at_checkpoints(warnings_only if quiet else shown) as progress:
            yield progress
        if not quiet:
            shown({"event": str(compiling)})
