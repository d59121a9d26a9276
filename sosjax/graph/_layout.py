"""From related units to groups: which units can be removed, and where each of them lies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import final

import numpy as np

from ._group import Group
from ._relations import Relations
from ._units import Axis, Fixed, Ids, Solution

Place = tuple[str, int]
"""A leaf's path and an axis."""

Table = np.ndarray
"""Mask numbers along an axis, int32 [n, k]: an index is there if all its k are; 0 always is."""


@final
@dataclass(frozen=True)
class Rules:
    """What the user says of groups.

    Attributes:
      protect: patterns of leaf paths that must not be cut.
      only: patterns of leaf paths; a group is kept if one of its leaves matches.
      granularity: kept counts are multiples of it.
    """

    protect: tuple[str, ...] = ()
    only: tuple[str, ...] = ("*",)
    granularity: int = 1

    def protects(self, leaf: str) -> bool:
        """Return whether a leaf must not be cut."""
        return any(fnmatchcase(leaf, pattern) for pattern in self.protect)


@final
@dataclass(frozen=True)
class Layout:
    """The groups of a network and where their units lie.

    Attributes:
      groups: what can be removed, in a fixed order.
      pinned: for every leaf axis of more than one unit that is not cut, why.
      footprint: a digest of where every unit lies; equal for equal groups of equal order.
    """

    groups: tuple[Group, ...]
    pinned: dict[tuple[str, int], str]
    footprint: str
    _solution: Solution
    _numbers: np.ndarray

    def table(self, axis: Axis) -> Table | None:
        """Return which masks decide over the indices of an axis; `None` where all stay."""
        if isinstance(axis, Fixed):
            return None
        rows = self._solution.rows(axis)
        table = np.where(rows < 0, 0, self._numbers[rows])
        return table.astype(np.int32) if table.any() else None

    def labels(self, axis: Axis) -> np.ndarray:
        """Return which class each unit of an axis is in, pinned ones too; empty where fixed."""
        none = np.zeros(0, np.int64)
        return none if isinstance(axis, Fixed) else self._solution.label[axis]


def find_groups(relations: Relations, rules: Rules) -> Layout:
    """Solve the units and pin what cannot be removed by itself, until nothing changes."""
    finder = _Finder(relations, rules)
    while True:
        solution = relations.units.solve()
        faults = list(finder.faults(solution))
        for ids, text in faults:
            relations.units.pin(ids, relations.units.reason(text))
        if not faults:
            return finder.layout(solution)


class _Finder:
    def __init__(self, relations: Relations, rules: Rules) -> None:
        self.relations, self.rules = relations, rules
        leaves = relations.program.leaves
        self.leaf_axes: dict[Place, Ids] = {
            (name, place): axis
            for name, number in leaves.items()
            for place, axis in enumerate(relations.axes_of(number))
            if not isinstance(axis, Fixed)
        }
        everything = [axis for axes in relations.axes.values() for axis in axes]
        everything += relations.blocks.values()
        self.arrays = _distinct([*self.leaf_axes.values(), *everything])
        self.absorbed = {id(axis) for axis in relations.absorbed}
        for (name, _), axis in self.leaf_axes.items():
            if rules.protects(name):
                relations.units.pin(axis, relations.units.reason("`protect` names it"))

    def faults(self, solution: Solution) -> Iterator[tuple[Ids, str]]:
        """Yield units that must stay although no operation says so."""
        size = len(solution.reason)
        unit = np.zeros(size, np.int64)
        unit[solution.label] = np.arange(len(solution.label))
        free = np.unique(solution.atoms[solution.atoms >= 0])

        def among(axes: Sequence[Axis]) -> np.ndarray:
            seen = np.zeros(size, bool)
            for axis in _distinct(axes):
                rows = solution.rows(axis)
                seen[rows[rows >= 0]] = True
            return seen[free]

        for there, text in (
            (among(list(self.leaf_axes.values())), "no parameter has it"),
            (among(self.relations.consumed), "no contraction sums over it"),
            (among(self.relations.produced), "no parameter produces it"),
        ):
            if not there.all():
                yield unit[free[~there]], text
                free = free[:0]
                return
        groups = _members(solution, self.arrays, free)
        for members, places in zip(groups, self._places(solution, groups), strict=True):
            if len(members) == 1:
                yield unit[members], "it is alone: without it an axis would be empty"
            elif not self._wanted(places):
                yield unit[members], "`only` does not name it"
        irregular = _irregular(solution, self.arrays, groups)
        if len(irregular):
            yield unit[irregular], "it is used in an irregular pattern"

    def _wanted(self, places: Sequence[Place]) -> bool:
        if self.rules.only == ("*",):
            return True
        names = {name for name, _ in places}
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.rules.only)

    def _places(self, solution: Solution, groups: Sequence[np.ndarray]) -> list[list[Place]]:
        """Return the leaf axes on which each group's units lie."""
        group = _numbered(solution, groups)
        places: list[list[Place]] = [[] for _ in groups]
        for place, axis in self.leaf_axes.items():
            rows = solution.rows(axis)
            for number in np.unique(group[rows[rows >= 0]]):
                if number >= 0:
                    places[number].append(place)
        return places

    def layout(self, solution: Solution) -> Layout:
        """Name, order and number the groups."""
        free = np.unique(solution.atoms[solution.atoms >= 0])
        found = []
        order = {place: number for number, place in enumerate(self.leaf_axes)}
        members_of = _members(solution, self.arrays, free)
        places_of = self._places(solution, members_of)
        for members, places in zip(members_of, places_of, strict=True):
            home = self._home(places)
            rows = solution.rows(self.leaf_axes[home]).ravel()
            ordered = rows[np.isin(rows, members)]
            ordered = ordered[np.sort(np.unique(ordered, return_index=True)[1])]
            first = int(np.flatnonzero(rows == ordered[0])[0])
            found.append(((order[home], first), home, places, ordered))
        found.sort(key=lambda one: one[0])
        names = _unique([layer_name(home) for _, (home, _), _, _ in found])
        numbers = np.zeros(len(solution.reason), np.int64)
        groups, used = [], 1
        for name, (_, _, places, ordered) in zip(names, found, strict=True):
            numbers[ordered] = used + np.arange(len(ordered))
            used += len(ordered)
            groups.append(Group(name, len(ordered), tuple(places), self.rules.granularity))
        layout = Layout(tuple(groups), {}, "", solution, numbers)
        pinned = self._pinned(solution, layout)
        return replace(layout, pinned=pinned, footprint=self._footprint(layout))

    def _footprint(self, layout: Layout) -> str:
        digest = sha256(repr([(group.name, group.size) for group in layout.groups]).encode())
        for place, axis in self.leaf_axes.items():
            table = layout.table(axis)
            digest.update(repr(place).encode())
            digest.update(b"" if table is None else table.tobytes())
        return digest.hexdigest()

    def _home(self, places: Sequence[tuple[str, int]]) -> tuple[str, int]:
        """Return the leaf axis that names a group: the first that produces it."""

        def rank(place: tuple[str, int]) -> tuple[bool, bool]:
            shape = self.relations.shape(self.relations.program.leaves[place[0]])
            return id(self.leaf_axes[place]) in self.absorbed, len(shape) < 2

        return min(places, key=rank)

    def _pinned(self, solution: Solution, layout: Layout) -> dict[tuple[str, int], str]:
        pinned = {}
        for place, axis in self.leaf_axes.items():
            if layout.table(axis) is None:
                reasons = solution.reason[solution.label[axis]]
                known = reasons[reasons >= 0]
                text = self.relations.units.reasons[int(known[0])] if len(known) else "unused"
                pinned[place] = text
        return pinned


def _distinct(axes: Sequence[Axis]) -> list[Ids]:
    return list({id(axis): axis for axis in axes if not isinstance(axis, Fixed)}.values())


def _members(solution: Solution, arrays: Sequence[Ids], free: np.ndarray) -> list[np.ndarray]:
    """Group units that lie along exactly the same axes, in the same part, equally often."""
    keys = np.zeros(len(solution.reason), np.uint64)
    hashes = iter(np.random.default_rng(0).integers(1, 2**63, (len(arrays) * 13 + 1,), np.uint64))
    for axis in arrays:
        for part in solution.rows(axis).T:
            atoms, counts = np.unique(part[part >= 0], return_counts=True)
            keys[atoms] += next(hashes) * counts.astype(np.uint64)
    _, first, group = np.unique(keys[free], return_index=True, return_inverse=True)
    return [free[group == g] for g in np.argsort(first)]


def _numbered(solution: Solution, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Return the number of every class's group, -1 where it is in none."""
    group = np.full(len(solution.reason), -1)
    for number, members in enumerate(groups):
        group[members] = number
    return group


def _irregular(
    solution: Solution, arrays: Sequence[Ids], groups: Sequence[np.ndarray]
) -> np.ndarray:
    """Return units of axes whose size is no sum of products of kept counts."""
    group = _numbered(solution, groups)
    bad = []
    for axis in arrays:
        rows = solution.rows(axis)
        if rows.shape[1] == 1 or (rows[:, 1:] < 0).all():
            continue
        kinds = np.where(rows >= 0, group[rows], -1)
        for kind in np.unique(kinds, axis=0):
            if (kind >= 0).sum() < 2:
                continue
            own = rows[(kinds == kind).all(1)]
            _, counts = np.unique(own, axis=0, return_counts=True)
            full = np.prod([len(groups[int(g)]) for g in kind if g >= 0])
            if len(counts) != full or (counts != counts[0]).any():
                bad.append(own[own >= 0])
    return np.unique(np.concatenate(bad)) if bad else np.zeros(0, np.int64)


def layer_name(leaf: str) -> str:
    """Return the layer's path: that of its leaf without the leaf's own name."""
    parts = [part for part in leaf.split("/") if part not in ("value", "params")]
    return "/".join(parts[:-1] or parts)


def _unique(names: Sequence[str]) -> list[str]:
    """Number the names that occur more than once."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, -1) + 1
        out.append(f"{name}.{seen[name]}" if names.count(name) > 1 else name)
    return out
