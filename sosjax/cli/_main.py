"""The command `sosjax`: which function a command is, and what an error looks like."""

import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from .._errors import InputError
from ._cluster import leave
from ._parser import NAME, parser

FAILED = 2
INTERRUPTED = 130  # as shells have it: 128 and the number of the signal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
      argv: the arguments after the command's name; `None` for the process's own.

    Returns:
      The exit code: 0; 2 if the input cannot be used, with one sentence on stderr; 130 after an
      interruption, with the command that continues; 1 if the reader of stdout went away, or
      `sosjax doctor` found a fault.
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
        arguments = parser(_version()).parse_args(argv)
        # Imported now, so that help and what is misspelt need not wait for the rest.
        module, _, function = arguments.action.partition(".")
        return getattr(import_module(f".{module}", __package__), function)(arguments) or 0
    except SystemExit as stop:  # argparse, after --help or with its own message
        return stop.code if isinstance(stop.code, int) else FAILED
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt as stop:
        print(f"{NAME}: {'; '.join(['interrupted', *map(str, stop.args)])}", file=sys.stderr)
        return INTERRUPTED


def _fail(sentence: str) -> int:
    print(f"{NAME}: error: {sentence}".replace("\n", " "), file=sys.stderr)
    return FAILED


def _sentence(error: OSError) -> str:
    place = f": {error.filename}" if error.filename is not None else ""
    return f"{error.strerror or error}{place}."


def _abandon_stdout(code: int) -> int:
    """Send what is left to nowhere, or Python would complain once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _version() -> str:
    try:
        return metadata.version(NAME)
    except metadata.PackageNotFoundError:  # run from its source, not installed
        return "(not installed)"
