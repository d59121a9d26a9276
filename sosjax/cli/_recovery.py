"""The commands that train members of a finished run further, and hold its fitness against that."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .._files import read_json
from ._commands import show
from ._config import Config
from ._runs import (
    FIDELITY,
    RECOVERED,
    config_of,
    interruptible,
    reporting,
    require_finished,
    require_same,
    sets_of,
)

if TYPE_CHECKING:
    from ..training._recovery import Recovery


def recover(arguments: argparse.Namespace) -> None:
    """Train the members of a finished run further, or go on with that."""
    run = Path(arguments.run)
    require_finished(run)
    config = config_of(run)
    given = {key: getattr(arguments, key) for key in ("epochs", "rate", "parts")}
    given = {key: value for key, value in given.items() if value is not None}
    recovery, folder = replace(config.recovery, **given), run / RECOVERED
    require_same(folder, {"settings": asdict(recovery)})
    options = [text for key, value in given.items() for text in (f"--{key}", str(value))]
    with interruptible(folder, ["sosjax", "recover", str(run), *options]):
        if (folder / "sets.json").exists():
            print(f"recovered already: {folder}", file=sys.stderr)
        else:
            _recover(config, run, recovery, arguments.quiet)
        show(run, arguments.quiet)


def fidelity(arguments: argparse.Namespace) -> None:
    """Compare the fitness with what recovery makes of sub-networks of a finished run."""
    run = Path(arguments.run)
    require_finished(run)
    config, own = config_of(run), {"candidates": arguments.candidates, "sample": arguments.seed}
    folder = run / FIDELITY if arguments.out is None else Path(arguments.out)
    require_same(folder, {"settings": asdict(config.recovery) | own})
    command = ["sosjax", "fidelity", str(run), "--candidates", str(arguments.candidates)]
    command += ["--seed", str(arguments.seed)]
    command += [] if arguments.out is None else ["--out", arguments.out]
    with interruptible(folder, command):
        if (folder / "fidelity.json").exists():
            print(f"compared already: {folder}", file=sys.stderr)
        else:
            _compare(config, run, folder, arguments)
        _show_fidelity(run, folder, arguments)


def _recover(config: Config, run: Path, recovery: "Recovery", quiet: bool) -> None:
    from ..recover._recover import recover as recover_sets

    with reporting(quiet) as progress:
        sets = sets_of(run)
        # Tasks that were there before an extension may have been recovered then.
        fresh = [
            task for task in sets.tasks if any(one.scores.epoch is None for one in task.members)
        ]
        fresh = fresh or list(sets.tasks)
        count = sum(len(task.members) for task in fresh)
        progress({"event": f"recovering {count} members of {len(fresh)} tasks"})
        names = [task.name for task in fresh]
        own = tuple(task for task in config.tasks if task.name in names)
        jat, data, tasks = replace(config, tasks=own).load()
        recover_sets(jat, sets, data, tasks, recovery, folder=run / RECOVERED, progress=progress)


def _compare(config: Config, run: Path, folder: Path, arguments: argparse.Namespace) -> None:
    from ..recover._fidelity import fidelity as compare

    with reporting(arguments.quiet) as progress:
        jat, data, tasks = config.load()
        compare(
            jat,
            sets_of(run),
            data,
            tasks,
            config.recovery,
            candidates=arguments.candidates,
            seed=arguments.seed,
            folder=folder,
            progress=progress,
        )


def _show_fidelity(run: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """Write the page; print the table unless quiet, and the page's path; or all as JSON."""
    from rich.console import Console

    from ..report import fidelity_report, fidelity_table
    from ..report import report as write_report

    page = fidelity_report(folder)
    if arguments.json:
        print(json.dumps({"page": str(page)} | read_json(folder / "fidelity.json"), indent=1))
    elif arguments.quiet:
        print(page)
    else:
        Console().print(fidelity_table(folder))
        print(f"fidelity: {page}")
    if (run / "report.html").exists():
        write_report(run)  # which links to it
