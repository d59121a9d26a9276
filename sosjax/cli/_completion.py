"""Scripts that complete commands and options in a shell."""

import argparse

from .._errors import require_known
from ._parser import NAME, parser

FOLDERS = {"RUN", "DIR"}
FILES = {"CONFIG", "PATH", "FILE"}


def completion(arguments: argparse.Namespace) -> None:
    """Print the script for a shell."""
    import shtab

    require_known("SHELL", arguments.shell, shtab.SUPPORTED_SHELLS)
    print(shtab.complete(_with_places(parser("")), arguments.shell, root_prefix=NAME))


def _with_places(own: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Mark what takes a file or a folder."""
    import shtab

    for action in own._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _with_places(command)
        elif action.metavar in FOLDERS:
            action.complete = shtab.DIRECTORY  # pyright: ignore[reportAttributeAccessIssue]
        elif action.metavar in FILES:
            action.complete = shtab.FILE  # pyright: ignore[reportAttributeAccessIssue]
    return own
