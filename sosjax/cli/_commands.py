"""What each command does. Results go to stdout; all else goes to stderr."""

import argparse
import contextlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import InputError, require
from .._files import read_json, write_whole
from ._choice import environment_of
from ._cluster import join
from ._config import Config, example_text, parse_config, read_config, with_seed
from ._parser import DEMO
from ._runs import (
    CONFIG_NAME,
    chosen_folder,
    config_of,
    interruptible,
    reporting,
    require_finished,
    require_resumable,
    require_run,
    sets_of,
)
from ._selection import chosen_number, member_id, print_selection

if TYPE_CHECKING:
    from ..environments._environment import Environment
    from ..sets._member import Member
    from ..sets._set_of_sets import SetOfSets

# JAX takes seconds to import, so it is imported where it is needed: inside the functions.


def demo(arguments: argparse.Namespace) -> None:
    """Run the example configuration, and export one of its members."""
    folder = _free(DEMO) if arguments.out is None else Path(arguments.out)
    require_new("--out", folder)
    text = with_seed(example_text(), arguments.seed)
    config = parse_config(text, Path.cwd(), "the example")
    with _resumable(folder):
        sets = _search(config, folder, arguments.quiet)
        exported = _export_one(config, sets, folder)
        if exported is not None and not arguments.quiet:
            print(exported)
        show(folder, arguments.quiet)


def init(arguments: argparse.Namespace) -> None:
    """Write the example configuration to a new file."""
    path = Path(arguments.path)
    require_new("PATH", path)
    write_whole(path, example_text())
    print(path)


def run(arguments: argparse.Namespace) -> None:
    """Search as a configuration file says."""
    folder, leads = Path(arguments.out), join(arguments.cluster)
    if leads:
        require_new("--out", folder)
    config = read_config(Path(arguments.config))
    with _resumable(folder):
        _search(config, folder, arguments.quiet or not leads)
        if leads:
            show(folder, arguments.quiet)


def resume(arguments: argparse.Namespace) -> None:
    """Continue a run from its last checkpoint."""
    folder, leads = Path(arguments.run), join(arguments.cluster)
    require_resumable(folder)
    config = config_of(folder, adapted=False)
    with _resumable(folder):
        _resume(config, folder, arguments.quiet or not leads)
        if leads:
            show(folder, arguments.quiet)


def select(arguments: argparse.Namespace) -> None:
    """Print the member of a task that is asked for, and what was checked of it."""
    if arguments.json:
        require(
            arguments.texts is None and not arguments.why,
            "`--json` must be given without `--texts` and `--why`, got both.",
        )
        print_selection(arguments)
        return
    run = Path(arguments.run)
    place = chosen_folder(run, arguments.unrecovered)
    sets = sets_of(place)
    number = chosen_number(sets, arguments, arguments.why)
    member = sets.task(arguments.task).members[number]
    print(_described(sets, member, number, environment_of(sets, arguments)))
    print(f"{'certificate':<18}{_certified(run, place, member)}")
    if arguments.texts is not None:
        print(f"{'test texts':<18}{_written(run, member, arguments.texts)}")


def export(arguments: argparse.Namespace) -> None:
    """Write the member of a task for an environment to a folder of its own."""
    from ..deploy._formats import asked_formats

    folder = Path(arguments.out)
    names = [name.strip() for text in arguments.format for name in text.split(",")]
    asked: dict[str, Any] = {"formats": asked_formats(names, "--format")}
    asked |= {"quantize": "int8" if arguments.int8 else None}
    require_new("--out", folder)
    run = Path(arguments.run)
    config = config_of(run)
    sets = sets_of(chosen_folder(run, arguments.unrecovered))
    member = sets.task(arguments.task).members[chosen_number(sets, arguments)]
    about = {"sets": sets, "environment": environment_of(sets, arguments)}
    text, failed = _export(config, member, folder, **asked, **about)
    if arguments.json:
        description = read_json(folder / "architecture.json")
        print(json.dumps({"folder": str(folder)} | description, indent=1))
    else:
        print(text)
    if member.scores.epoch is not None and not arguments.json:
        print(f"  of the recovered sets: {_recovery(member)}")
    why = "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in failed.items())
    require(
        not failed,
        f"`--format` must name what can hold this member, got {why}; the other formats are in "
        f"{folder}.",
    )


def report(arguments: argparse.Namespace) -> None:
    """Write the page of a run again, or so far, and figures if they are wanted."""
    folder = Path(arguments.run)
    (require_run if (folder / "journal.jsonl").exists() else require_finished)(folder)
    show(folder, False, arguments.unrecovered, arguments.png, arguments.json)


def _search(config: Config, folder: Path, quiet: bool) -> "SetOfSets":
    from ..search._search import search

    with reporting(quiet) as progress:
        progress({"event": f"ranking units and compiling, for {len(config.tasks)} tasks"})
        return search(
            *_asked(config),
            adaptation=config.adaptation,
            folder=folder,
            config=config.text,
            progress=progress,
        )


def _resume(config: Config, folder: Path, quiet: bool) -> "SetOfSets":
    from ..search._search import resume as resume_search

    with reporting(quiet) as progress:
        asked = _asked(config)
        return resume_search(*asked, folder, progress=progress, adaptation=config.adaptation)


def _asked(config: Config) -> tuple[Any, Any, Any, Any, Any]:
    """Load what a configuration names: network, data, tasks, environments, settings."""
    return *config.load(), config.environments, config.settings


def show(
    folder: Path, quiet: bool, unrecovered: bool = False, png: bool = False, as_json: bool = False
) -> None:
    """Write the page, and figures with `png`; print the table of chosen members and the paths."""
    from rich.console import Console

    from ..report import figures, read_folder, summary, table_of, write_page

    result = read_folder(folder, unrecovered)
    drawn = figures(result) if png else []
    path = write_page(result)
    if quiet or as_json:
        print(json.dumps(summary(result, path, drawn), indent=1) if as_json else path)
        return
    Console().print(table_of(result))
    print("\n".join([f"report: {path}", *(f"figure: {one}" for one in drawn)]))


def _export(
    config: Config, member: "Member", folder: Path, **asked: Any
) -> tuple[str, dict[str, str]]:
    """Export a member; return what was checked and measured, and what could not be written."""
    from ..deploy._export import export as export_member
    from ..deploy._told import told
    from ..tasks._task import data_of

    if asked.get("quantize") is None:
        jat = config.model.load()
    else:  # whose test error is told
        jat, data, tasks = config.load()
        task = next(one for one in tasks if one.name == member.task)
        asked["data"] = data_of(task.on(data))
    certificate = export_member(jat, member, folder, **asked)
    text = f"export: {folder}\n{certificate}\n{told(folder)}".replace("\n", "\n  ")
    return text, certificate.failed


def _certified(run: Path, place: Path, member: "Member") -> str:
    """Return a member's certificate, which is kept where its set is."""
    from ..deploy._certify import kept_certificate

    if not (run / CONFIG_NAME).exists():
        return "none: the network of a run of the library is not at hand"
    load = config_of(run).model.load
    return str(kept_certificate(place, load, member)).replace("\n", "\n" + 18 * " ")


def _written(folder: Path, member: "Member", count: int) -> str:
    """Return how good the translations of test sentences are, the member's and the Jack's."""
    from ..deploy._translator import Translator
    from ..models._sentencepiece import load_language_tokenizer
    from ..tasks._task import data_of

    config = config_of(folder)
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
            place = folder / "exports" / name
            return _export(config, member, place, sets=sets, environment=environment)[0]
    return None


def _described(
    sets: "SetOfSets", member: "Member", number: int, environment: "Environment | None"
) -> str:
    from ..environments._environment import amount

    scores = member.scores
    groups = sets.facts["network"]["groups"]
    kept = [
        f"{group['name']} {count}/{group['size']}"
        for group, count in zip(groups, scores.kept, strict=True)
    ]
    limits = {} if environment is None else environment.limits
    within = ", ".join(f"{cost} <= {amount(limit)}" for cost, limit in limits.items())
    if environment is not None and environment.device is not None:
        within += f", batches of {environment.batch}"
    place = "none" if environment is None else f"{environment.name} ({within})"
    rows = {
        "task": f"{member.task} ({', '.join(member.classes)})" if member.classes else member.task,
        "member": member_id(member.task, number),
        "environment": place,
        **{cost: f"{value:,}" for cost, value in scores.costs.items()},
        "validation error": _measured(sets, member, "validation") + _expected(member),
        "test error": _measured(sets, member, "test"),
        "kept": ", ".join(kept),
    }
    if scores.epoch is not None:
        rows["recovery"] = _recovery(member)
    return "\n".join(f"{key:<18}{value}" for key, value in rows.items())


def _measured(sets: "SetOfSets", member: "Member", part: str) -> str:
    """Return an error in percent, and in its own unit if it has one."""
    from ..report._number import measured

    error = getattr(member.scores, f"{part}_error")
    unit = sets.facts.get("units", {}).get(member.task, {}).get(part)
    own = measured(error, sets.facts.get("kind", "classes"), unit)
    return f"{100 * error:.2f} %" + (f" ({own})" if own else "")


def _expected(member: "Member") -> str:
    """Return what a member is chosen by, where that is not its own error."""
    expected = member.scores.expected_error
    return "" if expected is None else f", expected {100 * expected:.2f} %"


def _recovery(member: "Member") -> str:
    """Return what recovery made of a member."""
    scores = member.scores
    seen, unseen = scores.validation_error_before, scores.test_error_before
    end = "; its training diverged" if scores.diverged else ""
    if not scores.epoch or seen is None or unseen is None:
        return f"no epoch was better than the member as it was found{end}"
    return (
        f"epoch {scores.epoch}; before it validation error {100 * seen:.2f} %, test error "
        f"{100 * unseen:.2f} %{end}"
    )


def _resumable(folder: Path) -> contextlib.AbstractContextManager[None]:
    return interruptible(folder, ["sosjax", "resume", str(folder)])


def require_new(argument: str, path: Path) -> None:
    """Refuse a path where something is: nothing is overwritten."""
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
