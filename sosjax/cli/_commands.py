"""What each command does. Results go to stdout; all else goes to stderr."""

import argparse
import contextlib
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import InputError, require
from .._files import write_whole
from ..report._number import measured
from ._config import Config, example_text, parse_config, read_config, with_seed
from ._interruption import Report, stopping_at_checkpoints
from ._progress import Progress

if TYPE_CHECKING:
    from ..sets._member import Member
    from ..sets._set_of_sets import SetOfSets

# JAX takes seconds to import, so it is imported where it is needed: inside the functions.

DEMO = "sosjax-demo"
CONFIG_NAME = "config.toml"


def demo(arguments: argparse.Namespace) -> None:
    """Run the example configuration, and export one of its members."""
    folder = _free(DEMO) if arguments.out is None else Path(arguments.out)
    _require_new("--out", folder)
    text = with_seed(example_text(), arguments.seed)
    config = parse_config(text, Path.cwd(), "the example")
    with _interruptible(folder):
        sets = _search(config, folder, arguments.quiet)
        exported = _export_one(config, sets, folder)
        if exported is not None and not arguments.quiet:
            print(exported)
        _show(folder, arguments.quiet)


def init(arguments: argparse.Namespace) -> None:
    """Write the example configuration to a new file."""
    path = Path(arguments.path)
    _require_new("PATH", path)
    write_whole(path, example_text())
    print(path)


def run(arguments: argparse.Namespace) -> None:
    """Search as a configuration file says."""
    folder = Path(arguments.out)
    _require_new("--out", folder)
    config = read_config(Path(arguments.config))
    with _interruptible(folder):
        _search(config, folder, arguments.quiet)
        _show(folder, arguments.quiet)


def resume(arguments: argparse.Namespace) -> None:
    """Continue a run from its last checkpoint."""
    folder = Path(arguments.run)
    config = _config_of(folder)
    with _interruptible(folder):
        _resume(config, folder, arguments.quiet)
        _show(folder, arguments.quiet)


def select(arguments: argparse.Namespace) -> None:
    """Print the member of a task for an environment, and what was checked of it."""
    folder = Path(arguments.run)
    sets = _sets_of(folder)
    member = sets.select(arguments.task, arguments.env)
    print(_described(sets, member, arguments.env))
    print(f"{'certificate':<18}{_certified(folder, member)}")
    if arguments.texts is not None:
        print(f"{'test texts':<18}{_written(folder, member, arguments.texts)}")


def export(arguments: argparse.Namespace) -> None:
    """Write the member of a task for an environment to a folder of its own."""
    folder = Path(arguments.out)
    _require_new("--out", folder)
    config = _config_of(Path(arguments.run))
    sets = _sets_of(Path(arguments.run))
    print(_export(config, sets.select(arguments.task, arguments.env), folder))


def report(arguments: argparse.Namespace) -> None:
    """Write the page of a finished run again."""
    folder = Path(arguments.run)
    _require_finished(folder)
    _show(folder, quiet=False)


def _search(config: Config, folder: Path, quiet: bool) -> "SetOfSets":
    from ..search._search import search

    with _reporting(quiet) as progress:
        progress({"event": f"ranking units and compiling, for {len(config.tasks)} tasks"})
        return search(*_asked(config), folder=folder, config=config.text, progress=progress)


def _resume(config: Config, folder: Path, quiet: bool) -> "SetOfSets":
    from ..search._search import resume as resume_search

    with _reporting(quiet) as progress:
        return resume_search(*_asked(config), folder, progress=progress)


def _asked(config: Config) -> tuple[Any, Any, Any, Any, Any]:
    """Load what a configuration names: network, data, tasks, environments, settings."""
    return *config.load(), config.environments, config.settings


@contextlib.contextmanager
def _reporting(quiet: bool) -> Iterator[Report]:
    with Progress() as shown:

        def warnings_only(line: dict[str, Any]) -> None:
            if line.get("warning"):
                shown(line)

        with stopping_at_checkpoints(warnings_only if quiet else shown) as progress:
            yield progress


def _show(folder: Path, quiet: bool) -> None:
    """Write the page; print the table of chosen members unless quiet, and the page's path."""
    from rich.console import Console

    from ..report import report as write_report
    from ..report import table

    path = write_report(folder)
    if quiet:
        print(path)
        return
    Console().print(table(folder))
    print(f"report: {path}")


def _export(config: Config, member: "Member", folder: Path) -> str:
    """Export a member, and say what was checked."""
    from ..deploy._export import export as export_member

    certificate = export_member(config.model.load(), member, folder)
    return f"export: {folder}\n  " + str(certificate).replace("\n", "\n  ")


def _certified(folder: Path, member: "Member") -> str:
    from ..deploy._certify import kept_certificate

    if not (folder / CONFIG_NAME).exists():
        return "none: the network of a run of the library is not at hand"
    model = read_config(folder / CONFIG_NAME).model
    return str(kept_certificate(folder, model.load, member)).replace("\n", "\n" + 18 * " ")


def _written(folder: Path, member: "Member", count: int) -> str:
    """Return how good the translations of test sentences are, the member's and the Jack's."""
    from ..deploy._translator import Translator
    from ..models._sentencepiece import load_language_tokenizer
    from ..tasks._task import data_of

    config = _config_of(folder)
    jat, data, tasks = config.load()
    task = next(one for one in tasks if one.name == member.task).on(data)
    path = config.model.path
    require(
        path is not None and data_of(task).kind == "tokens",
        f"`--texts` must be left out unless the network writes texts, got it for {task.name!r}.",
    )
    assert path is not None
    translator = Translator(jat, load_language_tokenizer(path if path.is_dir() else path.parent))
    test = data_of(task).test
    found = [
        ", ".join(f"{name} {score:.2f}" for name, score in one.items())
        for one in (translator.scores(test, which, count) for which in (member, None))
    ]
    return f"{found[0]} (the Jack {found[1]}) of {min(count, len(test))} test sentences"


def _export_one(config: Config, sets: "SetOfSets", folder: Path) -> str | None:
    """Export the first member that any task has for any environment, if there is one."""
    for task in config.tasks:
        for environment in config.environments:
            try:
                member = sets.select(task.name, environment.name)
            except InputError:
                continue
            name = re.sub(r"[^\w.-]+", "-", f"{task.name}-{environment.name}")
            (folder / "exports").mkdir(exist_ok=True)
            return _export(config, member, folder / "exports" / name)
    return None


def _described(sets: "SetOfSets", member: "Member", environment: str) -> str:
    scores = member.scores
    groups = sets.facts["network"]["groups"]
    kept = [
        f"{group['name']} {count}/{group['size']}"
        for group, count in zip(groups, scores.kept, strict=True)
    ]
    limits = sets.environment(environment).limits
    within = ", ".join(f"{cost} <= {limit:,.0f}" for cost, limit in limits.items())
    rows = {
        "task": f"{member.task} ({', '.join(member.classes)})" if member.classes else member.task,
        "environment": f"{environment} ({within})",
        **{cost: f"{value:,}" for cost, value in scores.costs.items()},
        "validation error": _measured(sets, member, "validation"),
        "test error": _measured(sets, member, "test"),
        "kept": ", ".join(kept),
    }
    return "\n".join(f"{key:<18}{value}" for key, value in rows.items())


def _measured(sets: "SetOfSets", member: "Member", part: str) -> str:
    """Return an error in percent, and in its own unit if it has one."""
    error = getattr(member.scores, f"{part}_error")
    unit = sets.facts.get("units", {}).get(member.task, {}).get(part)
    own = measured(error, sets.facts.get("kind", "classes"), unit)
    return f"{100 * error:.2f} %" + (f" ({own})" if own else "")


@contextlib.contextmanager
def _interruptible(folder: Path) -> Iterator[None]:
    """Pass an interruption on with the command that continues."""
    try:
        yield
    except KeyboardInterrupt:
        if not (folder / "run.json").exists():
            raise KeyboardInterrupt("nothing was written") from None
        command = shlex.join(["sosjax", "resume", str(folder)])
        raise KeyboardInterrupt(f"continue with: {command}") from None


def _config_of(folder: Path) -> Config:
    _require_run(folder)
    path = folder / CONFIG_NAME
    require(
        path.exists(),
        f"`RUN` must be a run of the command line, got one of the library, without {CONFIG_NAME}: "
        f"{folder}.",
    )
    return read_config(path)


def _sets_of(folder: Path) -> "SetOfSets":
    _require_finished(folder)
    from ..sets._store import load_sets

    return load_sets(folder)


def _require_run(folder: Path) -> None:
    came = "a folder without run.json" if folder.is_dir() else "no such folder"
    came = "a file" if folder.is_file() else came
    require((folder / "run.json").is_file(), f"`RUN` must be a run folder, got {came}: {folder}.")


def _require_finished(folder: Path) -> None:
    _require_run(folder)
    require(
        (folder / "sets.json").exists(),
        f"`RUN` must be a finished run, got one without sets: "
        f"continue it with: {shlex.join(['sosjax', 'resume', str(folder)])}",
    )


def _require_new(argument: str, path: Path) -> None:
    require(
        not os.path.lexists(path),
        f"`{argument}` must be new, got a path that exists: {path}; nothing was changed.",
    )


def _free(name: str) -> Path:
    """Return a path in this folder that does not exist: the name, or with -2, -3, ..."""
    path, number = Path(name), 1
    while os.path.lexists(path):
        number += 1
        path = Path(f"{name}-{number}")
    return path
