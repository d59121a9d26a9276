"""Parts of a data set that have nothing in common, and rows that they share nonetheless."""

import hashlib
from collections.abc import Sequence

import numpy as np

from .._errors import listing, require, require_number

_WIDTH = 16  # bytes of a digest: enough that two contents never share one by chance


def split_rows(
    count: int,
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    groups: Sequence[str] | np.ndarray | None = None,
    labels: np.ndarray | None = None,
    order: str | None = None,
    gap: int = 0,
) -> tuple[np.ndarray, ...]:
    """Split rows into parts, the same on every machine.

    Where groups are given, a hash of a group's name and the seed puts all its rows into one part:
    groups that come later move no other. Shares are then met only roughly, and with few groups a
    part may stay empty. Texts as their own groups keep equal texts together. Where labels are
    given, each class is split by the shares, to one row. Else rows are drawn.

    Args:
      count: number of rows.
      shares: the share of each part, in total 1.
      seed: another seed, another split.
      groups: a name for each row; no group is in two parts.
      labels: whole numbers [B]; the parts have the same shares of each.
      order: "time" if rows are in the order of time: the first part is the earliest.
      gap: rows left out between two parts in time, so that windows do not overlap: for windows of
        stride 1, `length + horizon - 1`.

    Returns:
      The rows of each part, int64, rising; together they are all rows, but for the gaps.

    Raises:
      InputError: shares are not positive or not 1 in total, groups or labels are not one a row,
        more than one of groups, labels and order is given, or a part is empty.

    >>> [part.tolist() for part in split_rows(6, (0.5, 0.5), order="time")]
    [[0, 1, 2], [3, 4, 5]]
    """
    require_number("count", count, 1, whole=True)
    require_number("gap", gap, 0, whole=True)
    _check_shares(shares)
    given = {"groups": groups, "labels": labels, "order": order}
    named = [name for name, value in given.items() if value is not None]
    require(
        len(named) <= 1,
        f"rows must be split by one of groups, labels and order, got {listing(named)}.",
    )
    require(order in (None, "time"), f"`order` must be 'time' or None, got {order!r}.")
    require(not gap or order, f"`gap` goes with `order`='time', got gap {gap} without.")
    for name in ("groups", "labels"):
        value = given[name]
        require(
            value is None or len(value) == count,
            f"`{name}` must have one for each of {count} rows, "
            f"got {0 if value is None else len(value)}.",
        )
    if groups is not None:
        places = _group_places(groups, seed)
    elif labels is not None:
        places = _stratified_places(np.asarray(labels), seed)
    else:
        ranks = np.arange(count) if order else _ranks(np.arange(count), seed)
        places = (ranks + 0.5) / count
    parts = _cut(places, shares)
    if order:
        parts = (parts[0], *(part[gap:] for part in parts[1:]))
    for number, part in enumerate(parts, 1):
        require(
            len(part),
            f"part {number} of {len(parts)} must hold rows, got none of {count}: give more rows or "
            "groups, other `shares` or another `seed`.",
        )
    return parts


def duplicates(*parts: Sequence[str] | np.ndarray) -> tuple[np.ndarray, ...]:
    """Find rows whose content is in an earlier part too.

    Args:
      parts: texts or arrays [B, ...], the rows of each part.

    Returns:
      For each part the places of such rows, int64, rising; of the first part none.

    >>> duplicates(["a", "b"], ["c", "b"])
    (array([], dtype=int64), array([1]))
    """
    seen: set[bytes] = set()
    found = []
    for part in parts:
        digests = [_content_digest(row) for row in part]
        places = [place for place, digest in enumerate(digests) if digest in seen]
        found.append(np.array(places, np.int64))
        seen.update(digests)
    return tuple(found)


def _check_shares(shares: Sequence[float]) -> None:
    for share in shares:
        require_number("shares", share, 0, 1)
    require(
        len(shares) >= 2 and min(shares) > 0 and abs(sum(shares) - 1) < 1e-6,
        f"`shares` must be two or more positive numbers with the sum 1, got {tuple(shares)}.",
    )


def _cut(places: np.ndarray, shares: Sequence[float]) -> tuple[np.ndarray, ...]:
    """Put each row into the part whose share of [0, 1) its place falls into."""
    bounds = np.cumsum(shares)[:-1] - 1e-9  # or a row at 0.8 would turn on the sum's rounding
    chosen = np.searchsorted(bounds, places, side="right")
    return tuple(np.flatnonzero(chosen == part) for part in range(len(shares)))


def _group_places(groups: Sequence[str] | np.ndarray, seed: int) -> np.ndarray:
    names = [str(group) for group in groups]
    place = {name: _hashed(name, seed) for name in set(names)}
    return np.array([place[name] for name in names])


def _stratified_places(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return places that are even within each class, from an offset that the class's hash gives.

    Without the offset, all classes of one row would be in the same part.
    """
    places = np.zeros(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places[rows] = (_ranks(rows, seed) + _hashed(f"class {label}", seed)) / len(rows)
    return places


def _ranks(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return a permutation of [0, rows) that depends on nothing but the rows and the seed."""
    hashes = np.array([_hashed(str(row), seed) for row in rows.tolist()])
    return np.argsort(np.argsort(hashes, kind="stable"), kind="stable")


def _hashed(name: str, seed: int) -> float:
    """Return a number in [0, 1)."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def _content_digest(row: str | np.ndarray) -> bytes:
    content = row.encode() if isinstance(row, str) else _described(np.asarray(row))
    return hashlib.blake2b(content, digest_size=_WIDTH).digest()


def _described(row: np.ndarray) -> bytes:
    return f"{row.dtype.str}{row.shape}".encode() + row.tobytes()
