"""Tasks that are added to a finished run, from TOML files of their own."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from .._errors import require
from ._commands import require_new, show
from ._config import Config, parse_config, parse_toml, text_of
from ._keys import path_of, require_keys, wanted_key
from ._runs import chosen_folder, config_of, interruptible, reporting, sets_of

PATHS = ("folder", "path", "targets")
"""The keys of a task's data that are paths."""


def extend(arguments: argparse.Namespace) -> None:
    """Search for new tasks from a finished run on, into a run folder of all tasks."""
    run, folder = Path(arguments.run), Path(arguments.out)
    place, config = chosen_folder(run, arguments.unrecovered), config_of(run)
    if not (folder / "run.json").exists():  # else this extension goes on, or that run is refused
        require_new("--out", folder)
    whole = extended(config, [Path(one) for one in arguments.task])
    command = ["sosjax", "extend", str(run), "--out", str(folder)]
    command += [text for one in arguments.task for text in ("--task", one)]
    if arguments.generations is not None:
        command += ["--generations", str(arguments.generations)]
    command += ["--unrecovered"] if arguments.unrecovered else []
    with interruptible(folder, command):
        _search(whole, len(config.tasks), place, folder, arguments)
        show(folder, arguments.quiet)


def _search(
    whole: Config, old: int, place: Path, folder: Path, arguments: argparse.Namespace
) -> None:
    from ..search._extend import extend as extend_sets

    new = replace(whole, tasks=whole.tasks[old:])
    with reporting(arguments.quiet) as progress:
        progress({"event": f"{len(new.tasks)} new beside {old} tasks: ranking units and compiling"})
        jat, data, tasks = new.load()
        extend_sets(
            jat,
            sets_of(place),
            data,
            tasks,
            generations=arguments.generations,
            folder=folder,
            config=whole.text,
            progress=progress,
        )


def extended(config: Config, paths: Sequence[Path]) -> Config:
    """Return the configuration with the tasks of files added.

    Args:
      config: of the run.
      paths: TOML files of nothing but `[[tasks]]`; paths in them are relative to them.

    Raises:
      InputError: a file cannot be read or holds something else, or a task does not fit.
    """
    tables = [table for path in paths for table in _tables(path)]
    text = (
        config.text.rstrip()
        + "\n\n# Added by `sosjax extend`:\n"
        + tomli_w.dumps({"tasks": tables})
    )
    whole = parse_config(text, Path.cwd(), " and ".join(map(str, paths)))
    return replace(whole, model=config.model)  # as the run adapted it


def _tables(path: Path) -> list[dict[str, Any]]:
    content = parse_toml(text_of(path, "--task"), str(path))
    tables = content.get("tasks", ())
    require(
        len(tables) > 0 and set(content) <= {"tasks", "base"},
        f"`--task` must be a TOML file of one or more [[tasks]] and nothing else, got "
        f"{', '.join(content) or 'nothing'} in {path}.",
    )
    base = Path(content.get("base", path.absolute().parent))
    for table in tables:
        require_keys("tasks", table, f" in {path}")
        wanted_key("tasks", table, "name", f" in {path}")
        data = table.get("data", {})
        data |= {key: str(path_of(f"data.{key}", data[key], base)) for key in PATHS if key in data}
    return tables
