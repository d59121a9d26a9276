"""Parallel text: sentences and their translations, line by line."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from .._errors import require
from ._content import read_lines


@final
@dataclass(frozen=True)
class Pairs:
    """Sentences and their translations.

    Attributes:
      sources: a sentence each.
      targets: the translation of each.
      dropped: how many pairs were left out since a side was empty.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    dropped: int

    def __len__(self) -> int:
        return len(self.sources)


def read_parallel(
    source: str | Path, target: str | Path | None = None, columns: tuple[int, int] = (0, 1)
) -> Pairs:
    """Read two aligned files with a sentence a line, or two columns of one tab-separated file.

    Args:
      source: the file of the sentences, or of both; gzipped or plain, UTF-8.
      target: the file of the translations; `None` if `source` holds both.
      columns: where source and target are on a line, counted from 0, without `target`.

    Returns:
      The pairs, without spaces around a sentence; pairs with an empty side are dropped and counted.

    Raises:
      InputError: a file is missing or no UTF-8 text, the files differ in number of lines, a line
        has too few columns, or no pair is left.
    """
    if target is None:
        first, second = _columns(Path(source), columns)
    else:
        first, second = read_lines(source), read_lines(target)
        require(
            len(first) == len(second),
            f"{source} and {target} must be aligned line by line, "
            f"got {len(first)} and {len(second)} lines.",
        )
    pairs = [(one.strip(), two.strip()) for one, two in zip(first, second, strict=True)]
    kept = [pair for pair in pairs if all(pair)]
    require(kept, f"{source} must hold pairs of sentences, got none that is not empty.")
    sources, targets = zip(*kept, strict=True)
    return Pairs(sources, targets, len(pairs) - len(kept))


def _columns(path: Path, columns: tuple[int, int]) -> tuple[list[str], list[str]]:
    require(min(columns) >= 0, f"`columns` must be counted from 0, got {columns}.")
    rows = [line.split("\t") for line in read_lines(path)]
    needed = max(columns) + 1
    for number, row in enumerate(rows, 1):
        require(
            len(row) >= needed or row == [""],
            f"{path} line {number} must have {needed} columns with a tab between, got {len(row)}.",
        )
    rows = [row if row != [""] else [""] * needed for row in rows]
    return [row[columns[0]] for row in rows], [row[columns[1]] for row in rows]
