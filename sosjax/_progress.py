"""How long work tells how far it is: lines for whoever asks for them."""

from collections.abc import Callable
from typing import Any

Progress = Callable[[dict[str, Any]], None]
"""Called with a line: `{"event": sentence}`, or what a generation has come to."""


def silent(line: dict[str, Any]) -> None:
    """Tell nobody."""
    del line
