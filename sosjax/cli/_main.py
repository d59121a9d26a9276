"""The command `sosjax`: arguments, and what an error looks like."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from .._errors import InputError
from . import _commands
from ._cluster import leave

FAILED = 2
INTERRUPTED = 130  # as shells have it: 128 and the number of the signal

_NAME = "sosjax"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
      argv: the arguments after the command's name; `None` for the process's own.

    Returns:
      The exit code: 0; 2 if the input cannot be used, with one sentence on stderr; 130 after an
      interruption, with the command that continues; 1 if the reader of stdout went away.
    """
    for stream in (sys.stdout, sys.stderr):
        # A task's name that the terminal cannot show must not end a run.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore
    try:
        code = _checked(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        code = _abandon_stdout(1)
    except OSError as error:
        code = _abandon_stdout(_fail(_sentence(error)))
    return leave(code)


def _checked(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parser().parse_args(argv)
        arguments.action(arguments)
    except SystemExit as stop:  # argparse, after --help or with its own message
        return stop.code if isinstance(stop.code, int) else FAILED
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt as stop:
        print(f"{_NAME}: {'; '.join(['interrupted', *map(str, stop.args)])}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _fail(sentence: str) -> int:
    print(f"{_NAME}: error: {sentence}".replace("\n", " "), file=sys.stderr)
    return FAILED


def _sentence(error: OSError) -> str:
    place = f": {error.filename}" if error.filename is not None else ""
    return f"{error.strerror or error}{place}."


def _abandon_stdout(code: int) -> int:
    """Send what is left to nowhere, or Python would complain once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_NAME,
        description="One pretrained network, many tasks, many environments: one evolutionary "
        "search finds for each task a Pareto set of compact sub-networks.",
        epilog="Start with `sosjax demo`, or with `sosjax init` and `sosjax run`.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{_NAME} {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, action: Callable[[Any], None], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
        )
        added.set_defaults(action=action)
        return added

    _add_searches(command)
    _add_recovery(command)
    _add_fidelity(command)
    _add_readers(command)
    return parser


def _add_searches(command: Callable[..., argparse.ArgumentParser]) -> None:
    demo = command("demo", _commands.demo, "search with the embedded network and images")
    demo.add_argument(
        "--out", metavar="DIR", help=f"a new folder (default: {_commands.DEMO}, or -2, -3, ...)"
    )
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    init = command("init", _commands.init, "write an example configuration, ready to run")
    init.add_argument(
        "path", nargs="?", default="sosjax.toml", metavar="PATH", help="default: sosjax.toml"
    )
    run = command("run", _commands.run, "search as a configuration file says")
    run.add_argument("config", metavar="CONFIG", help="a TOML file; see `sosjax init`")
    run.add_argument("--out", metavar="RUN", required=True, help="a new folder")
    resume = command("resume", _commands.resume, "continue a run from its last checkpoint")
    resume.add_argument("run", metavar="RUN", help="the folder of a run")
    for parser in (run, resume):
        parser.add_argument(
            "--cluster",
            metavar="C",
            help="started on several hosts: auto (Cloud TPU, SLURM, Kubernetes, Open MPI), or "
            "ADDRESS:PORT,COUNT,NUMBER of the first process, of all, and of this one",
        )
    for parser in (demo, run, resume):
        parser.add_argument(
            "--quiet", action="store_true", help="print nothing but the path of the report"
        )


def _add_recovery(command: Callable[..., argparse.ArgumentParser]) -> None:
    recover = command("recover", _commands.recover, "train the members of a run further")
    recover.add_argument("run", metavar="RUN", help="the folder of a finished run")
    recover.add_argument("--epochs", type=int, metavar="N", help="default: as configured")
    recover.add_argument("--rate", type=float, metavar="R", help="the peak learning rate")
    recover.add_argument("--parts", metavar="P", help="what is trained: all, norms or low-rank")
    recover.add_argument(
        "--quiet", action="store_true", help="print nothing but the path of the report"
    )


def _add_fidelity(command: Callable[..., argparse.ArgumentParser]) -> None:
    text = "compare the fitness of a run with errors after recovery"
    fidelity = command("fidelity", _commands.fidelity, text)
    fidelity.add_argument("run", metavar="RUN", help="the folder of a finished run")
    fidelity.add_argument(
        "--candidates", type=int, default=40, metavar="N", help="for each task (default: 40)"
    )
    fidelity.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    fidelity.add_argument("--out", metavar="DIR", help="default: RUN/fidelity")
    fidelity.add_argument(
        "--quiet", action="store_true", help="print nothing but the path of the page"
    )


def _add_readers(command: Callable[..., argparse.ArgumentParser]) -> None:
    select = command("select", _commands.select, "show the sub-network for a task and place")
    export = command("export", _commands.export, "write the sub-network for a task and place")
    report = command("report", _commands.report, "show the table of a run and write its page")
    for parser in (select, export, report):
        parser.add_argument("run", metavar="RUN", help="the folder of a finished run")
        parser.add_argument(
            "--unrecovered",
            action="store_true",
            help="the sets as they were found, where they were recovered",
        )
    for parser in (select, export):
        parser.add_argument("--task", required=True, metavar="T", help="the name of a task")
        parser.add_argument("--env", required=True, metavar="E", help="the name of an environment")
    select.add_argument(
        "--texts",
        type=int,
        metavar="N",
        help="write the translations of N test sentences and tell BLEU and chrF",
    )
    export.add_argument("--out", metavar="DIR", required=True, help="a new folder")
    export.add_argument(
        "--format",
        metavar="F",
        action="append",
        default=[],
        help="beside safetensors and StableHLO, which are always written: onnx, pytorch; may be "
        "given again, or as a list with commas",
    )
    export.add_argument(
        "--int8",
        action="store_true",
        help="store matrices as int8, with a scale for each output, and tell the test error",
    )


def _version() -> str:
    try:
        return metadata.version(_NAME)
    except metadata.PackageNotFoundError:  # run from its source, not installed
        return "(not installed)"
