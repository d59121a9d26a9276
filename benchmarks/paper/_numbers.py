"""Our numbers beside the published ones, and where both are kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..record import record

BYTES = 2  # the paper counts 16 bit for each parameter that is not zero


def megabytes(parameters: float) -> float:
    """Return the size, as the paper counts it, of so many parameters that are not zero."""
    return BYTES * parameters / 1e6


def print_table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with a column for each key; numbers get four digits, what is missing a dash.

    Args:
      title: a line above.
      rows: `{"task": ..., "ours": ..., "published": ...}`, say.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[text(row.get(key)) for key in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    print(f"\n{title}")
    for line in [columns, *cells]:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def text(value: Any) -> str:
    """Return a cell of a table."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def keep(name: str, table: Sequence[Mapping[str, Any]], content: Mapping[str, Any]) -> Path:
    """Write `results/NAME.json` with the table in front, and return its path.

    Args:
      name: of the experiment, `paper_mnist` say.
      table: what `print_table` was given.
      content: settings, data, and numbers for each seed, ready for JSON.
    """
    return record(name, {"table": list(table), **content}, ("flax", "optax"))
