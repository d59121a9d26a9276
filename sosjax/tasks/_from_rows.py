"""Data sets from rows: split, and with nothing in two parts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._errors import require
from ..readers._split import duplicates, split_rows
from ._dataset import Dataset, Split

SHARES = (0.6, 0.2, 0.2)


def dataset_of_rows(
    name: str,
    inputs: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    groups: Sequence[str] | np.ndarray | None = None,
    order: str | None = None,
    gap: int = 0,
    notes: Sequence[str] = (),
) -> Dataset:
    """Split rows into search, validation and test.

    Without groups and order, classes keep their shares in every part. Rows whose inputs are in an
    earlier part already are left out and counted in the notes.

    Args:
      name: for reports.
      inputs: float or int32 [B, ...].
      labels: as a `Split` has them: [B] classes, [B, O] values, or [B, S] tokens.
      classes: the names of classes or values; none for tokens.
      shares: of the three parts, in total 1.
      seed: another seed, another split.
      groups: a name for each row, a document say: no group is in two parts.
      order: `"time"` if rows are in the order of time: the earliest are for the search.
      gap: rows left out between two parts in time.
      notes: what is to be known of the rows.

    Raises:
      InputError: rows, labels or groups do not go together, or a part is empty.
    """
    require(
        len(inputs) == len(labels),
        f"`inputs` and `labels` of {name} must be as many, got {len(inputs)} and {len(labels)}.",
    )
    asked = np.asarray(labels)
    stratified = asked if groups is None and order is None and asked.ndim == 1 else None
    parts = split_rows(len(inputs), shares, seed, groups, stratified, order, gap)
    require(len(parts) == 3, f"`shares` of {name} must be three, got {len(parts)}.")
    kept, twice = _without_duplicates(parts, inputs)
    if twice:
        notes = (*notes, f"{twice} rows of {name} that are in an earlier part were left out.")
    search, validation, test = (Split(inputs[rows], asked[rows]) for rows in kept)
    return Dataset(name, tuple(classes), search, validation, test, tuple(notes))


def text_dataset(
    name: str,
    texts: Sequence[str],
    labels: np.ndarray,
    classes: Sequence[str],
    tokenizer: Any,
    length: int,
    *,
    groups: Sequence[str] | None = None,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> Dataset:
    """Turn labelled texts into tokens and split them.

    Args:
      name: for reports.
      texts: one a row.
      labels: whole numbers [B].
      classes: their names.
      tokenizer: of the network, from `sosjax.models.load_tokenizer`.
      length: tokens of a text; longer ones are cut, and counted in the notes.
      groups: a name for each row; by default the text itself, so that equal texts of all data sets
        are in the same part.
      shares: as for `dataset_of_rows`.
      seed: likewise.

    Raises:
      InputError: as `dataset_of_rows`, or a text is none.
    """
    encoded = tokenizer.encode(texts, length)
    return dataset_of_rows(
        name,
        encoded.ids,
        labels,
        classes,
        shares=shares,
        seed=seed,
        groups=list(texts) if groups is None else groups,
        notes=_cut_note(name, encoded.truncated, len(texts), length),
    )


def translation_dataset(
    name: str,
    sources: Sequence[str],
    targets: Sequence[str],
    languages: tuple[str, str],
    tokenizer: Any,
    length: int,
    *,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Dataset:
    """Turn sentences and their translations into tokens and split them, by source sentence.

    Args:
      name: for reports.
      sources: sentences.
      targets: their translations.
      languages: codes of source and target, `("cs", "en")` say.
      tokenizer: of the network, from `sosjax.models.load_language_tokenizer`.
      length: tokens of a sentence; longer ones are cut, and counted in the notes.
      shares: as for `dataset_of_rows`.
      seed: likewise.
      notes: likewise.

    Returns:
      Inputs [B, 2, S], source and decoder input; labels [B, S], the tokens that come next.

    Raises:
      InputError: as `dataset_of_rows`, or sentences and translations differ in number.
    """
    require(
        len(sources) == len(targets),
        f"`sources` and `targets` of {name} must be as many, got {len(sources)} and "
        f"{len(targets)}.",
    )
    given = tokenizer.source(sources, languages[0], length)
    wanted = tokenizer.target(targets, languages[1], length)
    cut = _cut_note(name, given.truncated + wanted.truncated, 2 * len(sources), length)
    return dataset_of_rows(
        name,
        np.stack([given.ids, wanted.inputs], 1),
        np.where(wanted.labels == tokenizer.pad, -1, wanted.labels),
        (),
        shares=shares,
        seed=seed,
        groups=list(sources),
        notes=(*notes, *cut),
    )


def series_dataset(
    name: str,
    inputs: np.ndarray,
    targets: np.ndarray,
    values: Sequence[str],
    rows: int,
    *,
    stride: int = 1,
    shares: Sequence[float] = SHARES,
    notes: Sequence[str] = (),
) -> Dataset:
    """Split windows of a time series in time: the earliest for the search, the last for the test.

    Args:
      name: for reports.
      inputs: float [B, S, channels], in the order of time.
      targets: float [B, O].
      values: the targets' names.
      rows: rows of the series from a window's first to its target: as many windows are left out
        between two parts as it takes that no two of them overlap.
      stride: rows from a window's first to that of the next.
      shares: of the three parts, in total 1.
      notes: what is to be known of the windows.

    Raises:
      InputError: as `dataset_of_rows`.
    """
    floats = inputs.astype(np.float32), targets.astype(np.float32)
    gap = -(-rows // stride) - 1
    return dataset_of_rows(name, *floats, values, shares=shares, order="time", gap=gap, notes=notes)


def _without_duplicates(
    parts: Sequence[np.ndarray], inputs: np.ndarray
) -> tuple[list[np.ndarray], int]:
    """Leave out of each part the rows that an earlier part has."""
    again = duplicates(*(inputs[rows] for rows in parts))
    kept = [np.delete(rows, twice) for rows, twice in zip(parts, again, strict=True)]
    return kept, sum(map(len, again))


def _cut_note(name: str, cut: int, count: int, length: int) -> tuple[str, ...]:
    return (f"{cut} of {count} texts of {name} were cut at {length} tokens.",) if cut else ()
