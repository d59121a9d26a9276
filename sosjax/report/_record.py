"""A JSON object that knows where it stands, so that every refusal names the place."""

import math
from pathlib import Path
from typing import Any

from .._errors import InputError

LARGEST = 2**62
"""No count may be larger; keeps the absurd numbers of a damaged file out of the arithmetic."""


class Record:
    """A JSON object in a file; each method reads one field and checks its kind.

    Args:
      file: the file, for the sentence.
      path: where in the file, as `tasks[0].jack`; empty for the whole.
      content: what stands there.

    Raises:
      InputError: here and in every method, if the content is not what was asked for.
    """

    def __init__(self, file: Path, path: str, content: Any):
        self.file, self.path, self.content = file, path, content
        if not isinstance(content, dict):
            raise self._refusal(path or "the content", "a JSON object", content)

    def table(self, key: str) -> "Record":
        """Return an object."""
        return Record(self.file, self._at(key), self._field(key))

    def tables(self, key: str, optional: bool = False) -> list["Record"]:
        """Return a list of objects; an empty one if it is optional and absent."""
        if optional and key not in self.content:
            return []
        rows = enumerate(self.list(key))
        return [Record(self.file, f"{self._at(key)}[{index}]", row) for index, row in rows]

    def list(self, key: str) -> list[Any]:
        """Return a list of anything."""
        value = self._field(key)
        if not isinstance(value, list):
            raise self._refusal(self._at(key), "a list", value)
        return value

    def name(self, key: str) -> str:
        """Return a printable text of 1 to 200 characters."""
        return self._name(self._at(key), self._field(key))

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of printable texts."""
        rows = enumerate(self.list(key))
        return tuple(self._name(f"{self._at(key)}[{index}]", row) for index, row in rows)

    def count(self, key: str) -> int:
        """Return a whole number of at least 0."""
        return self._count(self._at(key), self._field(key))

    def counts(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers of at least 0."""
        rows = enumerate(self.list(key))
        return tuple(self._count(f"{self._at(key)}[{index}]", row) for index, row in rows)

    def share(self, key: str) -> float:
        """Return a number in [0, 1]."""
        return float(self._number(key, 1))

    def optional_share(self, key: str) -> float | None:
        """Return a number in [0, 1], or `None` where the field says null."""
        return None if self._field(key) is None else self.share(key)

    def optional_number(self, key: str, low: float, high: float) -> float | None:
        """Return a number in [low, high], or `None` where the field says null."""
        value = self._field(key)
        if value is None:
            return None
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and low <= value <= high):
            raise self._refusal(self._at(key), f"a number from {low} to {high}", value)
        return float(value)

    def amount(self, key: str) -> float:
        """Return a finite number of at least 0."""
        return self._number(key, LARGEST)

    def texts(self, key: str) -> dict[str, str]:
        """Return the plain values of an optional object as printable texts."""
        values = self.content.get(key)
        return plain(values) if isinstance(values, dict) else {}

    def sentences(self, key: str) -> tuple[str, ...]:
        """Return an optional list of texts, printable and of at most 500 characters."""
        rows = self.list(key) if key in self.content else []
        return tuple(_printable(str(row), 500) for row in rows)

    def _field(self, key: str) -> Any:
        if key not in self.content:
            raise InputError(f"`{self._at(key)}` must be in {self.file}, got no such field.")
        return self.content[key]

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _name(self, path: str, value: Any) -> str:
        good = isinstance(value, str) and len(value.strip()) > 0 and len(value) <= 200
        if not (good and value.isprintable()):
            raise self._refusal(path, "a printable name of 1 to 200 characters", value)
        return value

    def _count(self, path: str, value: Any) -> int:
        good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST
        if not good:
            raise self._refusal(path, "a whole number of at least 0", value)
        return value

    def _number(self, key: str, high: float) -> float:
        value = self._field(key)
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not (good and 0 <= value <= high and math.isfinite(value)):
            wanted = "a number from 0 to 1" if high == 1 else "a finite number of at least 0"
            raise self._refusal(self._at(key), wanted, value)
        return value

    def _refusal(self, path: str, wanted: str, value: Any) -> InputError:
        return InputError(f"`{path}` in {self.file} must be {wanted}, got {excerpt(value)}.")


def plain(values: dict[str, Any]) -> dict[str, str]:
    """Return the texts and numbers of an object as printable texts of at most 200 characters."""
    kept = {key: value for key, value in values.items() if isinstance(value, str | int | float)}
    return {_printable(key): _printable(str(value)) for key, value in kept.items()}


def excerpt(value: Any) -> str:
    """Return a value for a sentence: its beginning, if it is long."""
    text = type(value).__name__ if isinstance(value, int) and value > LARGEST else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _printable(text: str, longest: int = 200) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:longest])
