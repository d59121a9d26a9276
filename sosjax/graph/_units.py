"""Units: what may be removed, joined by what must be removed together.

Every index of every axis carries a unit. Rules join units that an operation forces together, pin
units that must stay, and define units as conjunctions: index `i` of an axis of heads x head size is
there if its head and its place within the head both are. The conjunctions stay symbolic until
`solve`, so the order in which a network uses its axes does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ids = np.ndarray
"""The units along an axis, int64 [n]."""


@final
@dataclass(frozen=True)
class Fixed:
    """An axis of which nothing can be removed.

    Attributes:
      reason: the number of the reason.
    """

    reason: int


Axis = Ids | Fixed

_DEPTH = 8
"""How often one axis may be cut into blocks within blocks."""


@final
@dataclass(frozen=True)
class Solution:
    """Every unit resolved.

    Attributes:
      label: the class of every unit, [units].
      atoms: for every class the classes that must all be there, padded with -1, [classes, k].
        A class that stands for itself has itself; a pinned one has none.
      reason: why a class is pinned, as a number; -1 where it is not, [classes].
    """

    label: np.ndarray
    atoms: np.ndarray
    reason: np.ndarray

    def rows(self, ids: Ids) -> np.ndarray:
        """Return the atoms of the units of an axis, [n, k]."""
        return self.atoms[self.label[ids]]


class Units:
    """Collects what the rules say of units, and solves it at the end."""

    def __init__(self) -> None:
        self.count = 0
        self.reasons: list[str] = []
        self._numbers: dict[str, int] = {}
        self._joined: list[tuple[Ids, Ids]] = []
        self._pinned: list[tuple[Ids, int]] = []
        self._defined: list[tuple[Ids, list[Ids]]] = []

    def reason(self, text: str) -> int:
        """Return the number of a reason."""
        if text not in self._numbers:
            self._numbers[text] = len(self.reasons)
            self.reasons.append(text)
        return self._numbers[text]

    def fresh(self, size: int) -> Ids:
        """Return new units."""
        self.count += size
        return np.arange(self.count - size, self.count)

    def pin(self, axis: Axis, reason: int) -> None:
        """Say that units must stay."""
        if not isinstance(axis, Fixed):
            self._pinned.append((axis, reason))

    def unite(self, first: Axis, second: Axis) -> Axis:
        """Join the units of two axes index by index; return the axis to go on with."""
        if isinstance(first, Fixed):
            self.pin(second, first.reason)
            return first
        if isinstance(second, Fixed):
            self.pin(first, second.reason)
            return second
        if first is not second:
            self._joined.append((first, second))
        return first

    def define(self, axis: Axis, parts: Sequence[tuple[Axis, np.ndarray]]) -> None:
        """Say that index `i` is there if all its parts are.

        Args:
          axis: the units that are defined, [n].
          parts: pairs of an axis and the index into it for each `i`, int [n].
        """
        if isinstance(axis, Fixed):
            for part, _ in parts:
                self.pin(part, axis.reason)
            return
        free = [part[places] for part, places in parts if not isinstance(part, Fixed)]
        fixed = [part.reason for part, _ in parts if isinstance(part, Fixed)]
        if free:
            self._defined.append((axis, free))
        else:
            self.pin(axis, fixed[0])

    def solve(self) -> Solution:
        """Resolve everything that was said."""
        return _Solver(self.count, self._joined, self._pinned, self._defined).run(
            self.reason("one axis is cut into blocks in two ways that do not fit"),
            self.reason("it repeats units that can be removed by themselves"),
        )


class _Solver:
    """Works by rounds over whole arrays; every round only joins or pins more."""

    def __init__(
        self,
        count: int,
        joined: Sequence[tuple[Ids, Ids]],
        pinned: Sequence[tuple[Ids, int]],
        defined: Sequence[tuple[Ids, list[Ids]]],
    ) -> None:
        self.label = np.arange(count)
        self.reason = np.full(count, -1)
        self.heads = np.concatenate([np.zeros(0, np.int64), *(head for head, _ in defined)])
        width = max((len(parts) for _, parts in defined), default=1)
        rows = [_padded(np.stack(parts, 1), width) for _, parts in defined]
        self.parts = np.concatenate([np.zeros((0, width), np.int64), *rows])
        for ids, reason in pinned:
            self.reason[ids] = np.where(self.reason[ids] < 0, reason, self.reason[ids])
        if joined:
            # At first every unit is a class of its own, so units are given as classes.
            first, second = zip(*joined, strict=True)
            self._join(np.concatenate(first), np.concatenate(second))

    def run(self, conflict: int, repeated: int) -> Solution:
        while True:
            self._settle(repeated)
            atoms, circular = self._expand()
            if not (self._match(atoms) or self._refuse(atoms, circular, conflict)):
                return Solution(self.label, atoms, self.reason)

    def _join(self, first: np.ndarray, second: np.ndarray) -> bool:
        """Merge classes pair by pair; return whether anything changed."""
        if (first == second).all():
            return False
        size = len(self.reason)
        edges = coo_array((np.ones(len(first), bool), (first, second)), (size, size))
        count, component = connected_components(edges, directed=False)
        free = np.iinfo(np.int64).max
        reason = np.full(count, free)
        np.minimum.at(reason, component, np.where(self.reason < 0, free, self.reason))
        self.reason = np.where(reason == free, -1, reason)
        self.label = component[self.label].astype(np.int64)
        return True

    def _pin(self, classes: np.ndarray, reasons: np.ndarray) -> bool:
        free = self.reason[classes] < 0
        self.reason[classes[free]] = reasons[free]
        return bool(free.any())

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return definitions as classes; parts that are pinned or repeated are dropped (-1)."""
        heads = self.label[self.heads]
        parts = np.where(self.parts < 0, -1, self.label[self.parts])
        parts = np.where((parts >= 0) & (self.reason[parts] >= 0), -1, parts)
        for k in range(1, parts.shape[1]):
            repeated = (parts[:, :k] == parts[:, k : k + 1]).any(1)
            parts[repeated, k] = -1
        return heads, parts

    def _settle(self, repeated: int) -> None:
        """Do what follows without a choice: pinned wholes, and wholes of no or one free part."""
        changed = True
        while changed:
            heads, parts = self._rows()
            whole = self.reason[heads] >= 0
            broad = np.broadcast_to(heads[:, None], parts.shape)
            hit = whole[:, None] & (parts >= 0)
            changed = self._pin(parts[hit], self.reason[broad[hit]])
            count = (parts >= 0).sum(1)
            empty = (count == 0) & ~whole
            raw = np.where(self.parts < 0, -1, self.reason[self.label[self.parts]])
            changed |= self._pin(heads[empty], raw.max(1)[empty])
            single = count == 1
            hit = single[:, None] & (parts >= 0)
            if self._join(broad[hit], parts[hit]):
                changed = True
                continue
            # A whole that is one of its own parts is there only if the others are, so these stay.
            own = parts == heads[:, None]
            hit = own.any(1)[:, None] & (parts >= 0) & ~own
            changed |= self._pin(parts[hit], np.full(int(hit.sum()), repeated))

    def _expand(self) -> tuple[np.ndarray, np.ndarray]:
        """Put definitions in for what they define, until only atoms are left.

        Returns:
          The atoms of every class, and which classes are defined by themselves in the end.
        """
        size = len(self.reason)
        atoms = np.where(self.reason < 0, np.arange(size), -1)[:, None]
        heads, parts = self._rows()
        count = (parts >= 0).sum(1)
        live = np.flatnonzero((self.reason[heads] < 0) & (count > 1))
        # Of several definitions the first by what it says, not the first that was said.
        live = live[np.lexsort((*parts[live].T[::-1], count[live]))]
        first = np.full(size, -1)
        first[heads[live][::-1]] = live[::-1]
        split = (atoms >= 0) & (first[atoms] >= 0)
        for _ in range(_DEPTH):
            if not split.any():
                break
            put = np.where(split[..., None], parts[first[atoms]], -1)
            put[..., 0] = np.where(split, put[..., 0], atoms)
            atoms = _trimmed(_unrepeated(put.reshape(size, put.shape[1] * put.shape[2])))
            split = (atoms >= 0) & (first[atoms] >= 0)
        return atoms, np.asarray(split.any(1))

    def _against(self, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return heads, the atoms their definition gives, and those of the class itself."""
        heads, parts = self._rows()
        live = (self.reason[heads] < 0) & ((parts >= 0).sum(1) > 1)
        heads, parts = heads[live], parts[live]
        width = parts.shape[1] * atoms.shape[1]
        theirs = np.where(parts[..., None] >= 0, atoms[parts], -1).reshape(len(heads), width)
        theirs, ours = _trimmed(_unrepeated(theirs)), atoms[heads]
        width = max(theirs.shape[1], ours.shape[1])
        return heads, _padded(theirs, width), _padded(ours, width)

    def _match(self, atoms: np.ndarray) -> bool:
        """Join, part by part, definitions of one class that have as many parts."""
        _, theirs, ours = self._against(atoms)
        same = (theirs >= 0).sum(1) == (ours >= 0).sum(1)
        same &= (np.sort(theirs, 1) != np.sort(ours, 1)).any(1)
        hit = same[:, None] & (theirs >= 0)
        return self._join(theirs[hit], ours[hit])

    def _refuse(self, atoms: np.ndarray, circular: np.ndarray, conflict: int) -> bool:
        """Pin classes whose definitions differ in the number of parts, or run in a circle."""
        heads, theirs, ours = self._against(atoms)
        differ = (np.sort(theirs, 1) != np.sort(ours, 1)).any(1)
        hits = [heads[differ], theirs[differ].ravel(), ours[differ].ravel()]
        hits = np.concatenate([*hits, np.flatnonzero(circular)])
        hits = hits[hits >= 0]
        return self._pin(hits, np.full(len(hits), conflict))


def _padded(rows: np.ndarray, width: int) -> np.ndarray:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])), constant_values=-1)


def _unrepeated(rows: np.ndarray) -> np.ndarray:
    rows = rows.copy()
    for k in range(1, rows.shape[1]):
        rows[(rows[:, :k] == rows[:, k : k + 1]).any(1), k] = -1
    return rows


def _trimmed(rows: np.ndarray) -> np.ndarray:
    """Move what is there to the front, order kept, and drop empty columns."""
    order = np.argsort(rows < 0, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, 1)
    width = max(1, int((rows >= 0).sum(1).max(initial=1)))
    return rows[:, :width]
