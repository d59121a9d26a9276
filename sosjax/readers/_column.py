"""One column of a table as what is needed: numbers, texts or labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import InputError, listing, nearest, require, require_unique
from ._table import Table, require_columns

_MISSING = {"", "na", "n/a", "nan", "null", "none"}


def numbers(table: Table, column: str, missing: bool = False) -> np.ndarray:
    """Return a column as float64 [B].

    Args:
      table: the table.
      column: its name.
      missing: whether empty cells, NA, NaN and null may occur; they become NaN.

    Raises:
      InputError: no such column, a cell is no number, is infinite, or is missing where none may be;
        rows are counted from 1, without the header.

    >>> numbers({"height": ["1.5", " 2"]}, "height")
    array([1.5, 2. ])
    """
    values = _values(table, column)
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        read = values.astype(np.float64)
    else:
        read = np.array([_number(value, column, row) for row, value in enumerate(values, 1)])
    bad = np.isinf(read) if missing else ~np.isfinite(read)
    require(
        not bad.any(),
        f"`{column}` must hold a finite number in each row, got {int(bad.sum())} missing or "
        f"infinite, the first in row {int(np.argmax(bad)) + 1}.",
    )
    return read


def texts(table: Table, column: str, empty: bool = False) -> list[str]:
    """Return a column as texts, as they are.

    Args:
      table: the table.
      column: its name.
      empty: whether empty texts may occur.

    Raises:
      InputError: no such column, a cell is no text, or is empty where none may be; rows are counted
        from 1, without the header.
    """
    values = list(_values(table, column))
    values = ["" if value is None else value for value in values]
    other = [row for row, value in enumerate(values, 1) if not isinstance(value, str)]
    require(
        not other,
        f"`{column}` must hold texts, got {values[other[0] - 1] if other else ''!r} "
        f"in row {other[0] if other else 0}.",
    )
    bare = [row for row, value in enumerate(values, 1) if not value.strip()]
    require(
        empty or not bare,
        f"`{column}` must hold a text in each row, got {len(bare)} empty, "
        f"the first in row {bare[0] if bare else 0}.",
    )
    return values


def labels(
    table: Table, column: str, classes: Sequence[str] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a column as labels.

    Args:
      table: the table.
      column: its name.
      classes: the class names in the order of the labels; `None` for those that occur, sorted by
        size if all are whole numbers, else by name.

    Returns:
      The labels, int32 [B], and the class names.

    Raises:
      InputError: no such column, a cell is empty or names no class.

    >>> labels({"animal": ["frog", "cat", "frog"]}, "animal")
    (array([1, 0, 1], dtype=int32), ('cat', 'frog'))
    """
    names = ["" if value is None else str(value).strip() for value in _values(table, column)]
    bare = [row for row, name in enumerate(names, 1) if name.lower() in _MISSING]
    require(
        not bare,
        f"`{column}` must hold a label in each row, got {len(bare)} missing, "
        f"the first in row {bare[0] if bare else 0}.",
    )
    if classes is None:
        found = set(names)
        whole = all(name.lstrip("-").isdecimal() for name in found)
        classes = sorted(found, key=lambda name: (int(name), name)) if whole else sorted(found)
    require_unique("classes", classes)
    place = {name: index for index, name in enumerate(classes)}
    for row, name in enumerate(names, 1):
        require(
            name in place,
            f"`{column}` must be one of {listing(classes)}, got {name!r} in row {row}"
            f"{'' if name in place else nearest(name, classes)}.",
        )
    return np.array([place[name] for name in names], np.int32), tuple(classes)


def _values(table: Table, column: str) -> list[Any] | np.ndarray:
    require_columns("the table", [column], list(table))
    return table[column]


def _number(value: Any, column: str, row: int) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in _MISSING):
        return np.nan
    try:
        if "_" not in str(value):  # Python reads 1_000 as a number, no table means it so
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"`{column}` must hold numbers, got {value!r} in row {row}.")
