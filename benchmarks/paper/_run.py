"""What the runs of one command have in common: arguments, settings, files and the record."""

import argparse
import hashlib
import sys
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from sosjax._errors import InputError, require

from ..record import RESULTS
from ._numbers import keep


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
      name: of the experiment.
      data: the folder of the user's data.
      out: the folder of the Jack, the figures and what is written.
      config: the settings.
      seeds: how many searches of each kind.
      stand_in: whether the data stand in for the original ones.
      recorded: whether figures go beside the record as well.
    """

    name: str
    data: Path
    out: Path
    config: dict[str, Any]
    seeds: int
    stand_in: bool
    recorded: bool

    def figure(self, name: str) -> Path:
        """Return where a figure goes."""
        stem = f"{self.name}{'_stand_in' if self.stand_in else ''}_{name}.png"
        return (RESULTS if self.recorded else self.out) / stem.replace(" ", "_").lower()


def merged(settings: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others over them, section by section.

    >>> merged({"search": {"population": 60, "rmp": 0.4}}, {"search": {"population": 20}})
    {'search': {'population': 20, 'rmp': 0.4}}
    """
    return {
        name: merged(value, over.get(name, {}))
        if isinstance(value, dict)
        else over.get(name, value)
        for name, value in {**over, **settings}.items()
    }


def check_sums(folder: Path, known: Mapping[str, str]) -> None:
    """Say which files are not those that the results were made with.

    Args:
      folder: holds the files.
      known: the first 16 digits of SHA-256 by file name.
    """
    for name, digest in known.items():
        path = folder / name
        if path.exists() and (got := hashlib.sha256(path.read_bytes()).hexdigest()[:16]) != digest:
            print(f"{name} is another edition: its SHA-256 begins with {got}, not {digest}.")


def main_of(
    name: str,
    about: str,
    config: Path,
    experiment: Callable[[Run], dict[str, Any]],
    given: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Run an experiment from the command line.

    Args:
      name: of the experiment and its record.
      about: its help.
      config: the file of the published settings.
      experiment: does it and returns what to record.
      given: arguments in place of the command line's.
    """
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, formatter_class=form)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is made")
    parser.add_argument("--config", type=Path, default=config, help="settings, TOML")
    parser.add_argument("--small", action="store_true", help="the setting for 2 cores")
    parser.add_argument("--stand-in", action="store_true", help="other real data, see above")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="also keep it in benchmarks/results")
    asked = parser.parse_args(given)
    try:
        require(asked.data.is_dir(), f"`--data` must be a folder, got none: {asked.data}.")
        settings = settings_of(asked.config, asked.stand_in, asked.small)
        asked.out.mkdir(parents=True, exist_ok=True)
        if jax.config.values["jax_compilation_cache_dir"] is None:
            # Other seeds, and single-task searches of like tasks, are the same programs.
            jax.config.update("jax_compilation_cache_dir", str(asked.out / "compiled"))
        run = Run(name, asked.data, asked.out, settings, asked.seeds, asked.stand_in, asked.record)
        start = time.perf_counter()
        content = experiment(run)
    except InputError as error:
        raise SystemExit(f"{error}") from None
    content |= {
        "command": _command(config.stem, given),
        "settings": settings,
        "device": jax.devices()[0].device_kind,
        "seconds": round(time.perf_counter() - start, 1),
    }
    if asked.record:
        table = content.pop("table")
        print(keep(f"{name}{'_stand_in' if asked.stand_in else ''}", table, content))
    return content


def _command(script: str, given: Sequence[str] | None) -> str:
    """Return how the run was called, but for where its folders are."""
    words = sys.argv[1:] if "--data" in sys.argv else list(given or ())
    for option in ("--data", "--out"):
        if option in words:
            words[words.index(option) + 1] = "FOLDER"
    return " ".join(["python -m", f"benchmarks.paper.{script}", *words])


def settings_of(path: Path, stand_in: bool, small: bool) -> dict[str, Any]:
    """Read a file of settings, with those of the stand-in and of the small setting over them."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    over = {name: content.pop(name, {}) for name in ("stand-in", "small")}
    if stand_in:
        content = merged(content, over["stand-in"])
    return merged(content, over["small"]) if small else content
