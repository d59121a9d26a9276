"""Tables by columns: CSV, TSV, Orange's tables, JSON lines and Parquet."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError, listing, nearest, require, require_known, require_unique
from ._content import read_lines, read_text, reason

Table = dict[str, list[Any] | np.ndarray]
"""A list or an array for each column, all of one length, by the column's name."""

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "orange",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_KINDS = {"", "d", "c", "s", "t", "m", "discrete", "continuous", "string", "time", "meta"}
_Rows = Iterator[tuple[int, list[str]]]


def read_table(
    path: str | Path,
    columns: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    format: str | None = None,
    encoding: str = "utf-8",
) -> Table:
    """Read columns of a table.

    Cells of CSV, TSV and Orange's tables stay texts, values of JSON lines and Parquet stay what
    they are; `numbers`, `texts` and `labels` turn a column into what is needed. Quotes have a
    meaning in CSV and Orange's tables, none in TSV. Blank lines are no rows. An Orange table (.tab)
    has three header lines: names, kinds and roles; rows of nothing but empty cells are passed over.

    Args:
      path: the file, gzipped or plain.
      columns: the columns wanted, in this order; `None` for all.
      names: names for the columns of a CSV or TSV without a header line.
      format: "csv", "tsv", "orange", "jsonl" or "parquet"; `None` to go by the file's ending.
      encoding: of the text, for all but Parquet.

    Returns:
      The columns by name.

    Raises:
      InputError: the file is missing, damaged, empty or not of this encoding, a row has too many
        or too few cells, a column is missing; for Parquet also where pyarrow is missing.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "words.csv"
    >>> _ = path.write_text('word,count\\n"a, b",2\\nc,3\\n')
    >>> read_table(path, ["count", "word"])
    {'count': ['2', '3'], 'word': ['a, b', 'c']}
    """
    path = Path(path)
    format = _format(path) if format is None else format
    require_known("format", format, sorted(set(_FORMATS.values())))
    require(
        names is None or format in ("csv", "tsv"),
        f"`names` are for a CSV or TSV without header, got them for {path} as {format!r}.",
    )
    require(path.is_file(), f"{path} must be a file, got none there.")
    if format == "parquet":
        return _parquet(path, columns)
    if format == "jsonl":
        return _json_lines(path, columns, encoding)
    rows = _unquoted(path, encoding) if format == "tsv" else _quoted(path, encoding, format)
    return _delimited(path, rows, columns, names, format == "orange")


def _format(path: Path) -> str:
    ending = Path(path.stem if path.suffix == ".gz" else path.name).suffix.lower()
    require(
        ending in _FORMATS,
        f"{path} must end in {listing(_FORMATS)} (or that and .gz), got {ending!r}; else name its "
        "`format`.",
    )
    return _FORMATS[ending]


def require_columns(source: str | Path, columns: Sequence[str], known: Sequence[str]) -> None:
    """Refuse columns that a table lacks, and say which it has."""
    missing = [name for name in columns if name not in known]
    require(
        not missing,
        f"{source} must have the columns {listing(columns)}, it lacks {listing(missing)}"
        f"{nearest(missing[0], known) if missing else ''}; it has {listing(known)}.",
    )


def _unquoted(path: Path, encoding: str) -> _Rows:
    for number, line in enumerate(read_lines(path, encoding), 1):
        if line:
            yield number, line.split("\t")


def _quoted(path: Path, encoding: str, format: str) -> _Rows:
    file = io.StringIO(read_text(path, encoding), newline="")
    reader = csv.reader(file, delimiter="," if format == "csv" else "\t", strict=True)
    usual = csv.field_size_limit(1 << 30)  # a document may be longer than the usual limit
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(
            f"{path} line {reader.line_num} must be a row of {format.upper()}, got {reason(error)}."
        ) from None
    finally:
        csv.field_size_limit(usual)


def _delimited(
    path: Path,
    rows: _Rows,
    columns: Sequence[str] | None,
    names: Sequence[str] | None,
    orange: bool,
) -> Table:
    held = list(rows)
    if names is None:
        require(held, f"{path} must begin with the names of its columns, got an empty file.")
        names = held.pop(0)[1]
    require_unique(f"{path}: columns", names)
    columns = names if columns is None else columns
    require_columns(path, columns, names)
    if orange:
        _require_orange(path, held)
        held = [(number, cells) for number, cells in held[2:] if any(cells)]
    for number, cells in held:
        require(
            len(cells) == len(names),
            f"{path} line {number} must have {len(names)} cells, one for each column, "
            f"got {len(cells)}.",
        )
    require(held, f"{path} must hold rows, got none.")
    places = {name: names.index(name) for name in columns}
    return {name: [cells[place] for _, cells in held] for name, place in places.items()}


def _require_orange(path: Path, held: list[tuple[int, list[str]]]) -> None:
    kinds = held[0][1] if held else ["none"]
    require(
        len(held) >= 2 and set(kinds) <= _KINDS,
        f"{path} must have the kinds of its columns in its second line and their roles in its "
        f"third, got {listing(kinds, 4)!r}; without them give `format`='tsv'.",
    )


def _json_lines(path: Path, columns: Sequence[str] | None, encoding: str) -> Table:
    table: dict[str, list[Any]] = {}
    for number, line in enumerate(read_lines(path, encoding), 1):
        if not line.strip():
            continue
        row = _json_object(path, number, line)
        if not table:
            columns = list(row) if columns is None else columns
            table = {name: [] for name in columns}
        require_columns(f"{path} line {number}", list(table), list(row))
        for name, values in table.items():
            values.append(row[name])
    require(table, f"{path} must hold rows, got none.")
    return {**table}


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} line {number} must be JSON, got {reason(error)}.") from None
    require(
        isinstance(row, dict) and row,
        f"{path} line {number} must be an object with the columns, got {type(row).__name__}.",
    )
    return row


def _parquet(path: Path, columns: Sequence[str] | None) -> Table:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError("Parquet needs pyarrow: pip install 'sosjax[data]'.") from None
    try:
        with parquet.ParquetFile(path) as file:
            known = file.schema_arrow.names
            columns = known if columns is None else columns
            require_unique(f"{path}: columns", known)
            require_columns(path, columns, known)
            read = file.read(columns=list(columns))
        require(read.num_rows, f"{path} must hold rows, got none.")
        return {name: _arrow(read.column(name)) for name in columns}
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} must be a whole Parquet file, got {reason(error)}.") from None


def _arrow(column: Any) -> list[Any] | np.ndarray:
    """Return an array for numbers, NaN where one is null, and a list for anything else."""
    from pyarrow import types

    number = types.is_floating(column.type) or types.is_integer(column.type)
    return column.to_numpy() if number else column.to_pylist()
