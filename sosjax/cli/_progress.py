"""How far a search is, on stderr: one rewritten line on a terminal, a few lines elsewhere."""

import contextlib
import math
import os
import sys
import unicodedata
from io import TextIOBase
from typing import Any, TextIO, final

_TENTHS = 10


@final
class Progress:
    """Shows journal lines and events as they come; itself the `progress` of `sosjax.search`.

    It never stops a search: what it does not understand is left out, and when its stream is gone
    it says nothing more.
    """

    def __init__(
        self, stream: TextIO | TextIOBase | None = None, terminal: bool | None = None
    ) -> None:
        """Decide how to show it.

        Args:
          stream: where to write; `None` for stderr.
          terminal: whether one line can be rewritten; `None` to ask the stream.
        """
        self._stream = sys.stderr if stream is None else stream
        if terminal is None:
            terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._terminal = terminal
        self._first: dict[str, Any] | None = None
        self._tenth = -1
        self._open = False  # whether the cursor is at the end of a line that may be rewritten

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()

    def __call__(self, line: dict[str, Any]) -> None:
        """Show one line of the journal or one event, `{"event": text}`."""
        if "event" in line:
            self._end_line()
            self._write(f"{line['event']}\n")
            return
        if self._first is None or line.get("seconds") == self._first.get("seconds"):
            # Generations come in blocks that end at the same second; the block's last one counts.
            self._first = line
        text = progress_text(line, self._first)
        if self._terminal:
            self._write("\r" + cut(text, self._width()) + "\x1b[K")
            self._open = True
        elif self._due(line):
            self._write(text + "\n")

    def _due(self, line: dict[str, Any]) -> bool:
        """Return whether another tenth of the search is done, or it is the first or last line."""
        generation, total = line.get("generation"), line.get("generations")
        if generation is None or not total:
            return True
        tenth = _TENTHS * generation // total
        due = tenth > self._tenth
        self._tenth = max(tenth, self._tenth)
        return due

    def _end_line(self) -> None:
        if self._open:
            self._write("\n")
            self._open = False

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        return (columns or 80) - 1  # a full line would wrap, and could not be rewritten

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()


def progress_text(line: dict[str, Any], first: dict[str, Any] | None = None) -> str:
    """Return a journal line in words.

    Args:
      line: `generation`, `generations`, `evaluations`, `seconds` and `hypervolume` by task, as far
        as they are there.
      first: the line that speed is measured from, which leaves out the time of compiling and of
        an earlier session; `None` or the line itself: not yet known.
    """
    total = line.get("generations")
    parts = [f"generation {line.get('generation', '?')}" + (f"/{total}" if total else "")]
    evaluations = _speed(line, first, "evaluations")
    if evaluations:
        parts.append(f"{evaluations:,.0f} evaluations/s")
    generations = _speed(line, first, "generation")
    if generations and total and total > line["generation"]:
        parts.append(f"{_clock((total - line['generation']) / generations)} left")
    volumes = [
        f"{task} {volume:.3f}"
        for task, volume in (line.get("hypervolume") or {}).items()
        if isinstance(volume, (int, float)) and math.isfinite(volume)
    ]
    if volumes:
        parts.append("hypervolume " + ", ".join(volumes))
    return "  ".join(parts)


def cut(text: str, width: int) -> str:
    """Return as much of a text as fits into so many columns of a terminal."""
    columns = 0
    for place, character in enumerate(text):
        columns += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if columns > width:
            return text[:place]
    return text


def _speed(line: dict[str, Any], first: dict[str, Any] | None, key: str) -> float | None:
    """Return how much of `key` is done in a second, or `None` where that cannot be said."""
    done, seconds = line.get(key), line.get("seconds")
    if done is None or seconds is None or first is None:
        return None
    done, seconds = done - first.get(key, 0), seconds - first.get("seconds", 0)
    return done / seconds if done > 0 and seconds > 0 else None


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
