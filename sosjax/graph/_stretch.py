"""Stretches: parts of a program that the units of one group do not leave, and its narrower forms.

Between the product that makes a group's units and the one that sums over them, what is removed
need not be computed. A unit is as good as any other of its group, so that the program that was cut
to the first few serves any few: they are gathered to the front.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from .._types import Array
from ._cut import Cut
from ._equation import Equation, Region
from ._mask import Masked
from ._program import evaluate
from ._rules._elementwise import NAMES as ELEMENTWISE
from ._rules._rule import cut_equation
from ._shrink import make_cut
from ._traced import Traced
from ._units import Axis, Fixed

ALIKE = frozenset(
    [
        *ELEMENTWISE,
        *("mask", "moments", "custom_jvp_call"),
        *("transpose", "broadcast_in_dim", "reshape", "expand_dims", "squeeze"),
        *("reduce_max", "reduce_min", "reduce_sum", "reduce_window_max", "reduce_window_sum"),
        *("dot_general", "conv_general_dilated"),
    ]
)
"""Equations to which every unit is as good as any other."""


@final
@dataclass(frozen=True, eq=False)
class Places:
    """Where a group's units lie along an axis, each on as many indices.

    Attributes:
      unit: which unit each index belongs to, [n].
      index: the indices of each unit, [size, n / size].
    """

    unit: np.ndarray
    index: np.ndarray

    def first(self, order: Array, width: int) -> Array:
        """Return the indices of the first units of an order, laid out as those of the first few."""
        rank = np.zeros_like(self.unit)
        rank[self.index] = np.arange(self.index.shape[1])
        few = np.flatnonzero(self.unit < width)
        return jnp.asarray(self.index)[order[self.unit[few]], rank[few]]


@final
@dataclass(frozen=True, eq=False)
class Stretch:
    """All equations that touch a group's units.

    Attributes:
      group: the group's number.
      size: how many units it has.
      inputs: the values that come from outside.
      outputs: the values that are asked for outside.
      places: for each value with the units, on which axes and where.
      regions: the equations for arrays that hold so many units, by that number; all of them first.
    """

    group: int
    size: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    places: dict[int, dict[int, Places]]
    regions: dict[int, Region]

    def at(self, width: int, constants: Mapping[int, Any], order: Array, *arrays: Any) -> list[Any]:
        """Run the equations for the first units of an order; others are zero where one looks."""
        given = dict(zip(self.inputs, arrays, strict=True))
        places = self.places if width < self.size else {}
        for number in given:
            for axis, own in places.get(number, {}).items():
                given[number] = jnp.take(given[number], own.first(order, width), axis, mode="clip")
        out = evaluate(self.regions[width], given, self.outputs, constants)
        for place, number in enumerate(self.outputs):
            for axis, own in places.get(number, {}).items():
                out[place] = _spread(out[place], own.first(order, width), own.unit.size, axis)
        return out


class Units:
    """Finds groups' units along the axes of a masked program's values.

    Attributes:
      network: as it was traced.
      masking: wrote the masks into it.
      held: how many units the arrays hold of groups that are cut already, by the group's number.
      cut: which indices that leaves of every axis.
      sizes: all units of each group.
    """

    def __init__(self, network: Traced, masking: Masked, held: Mapping[int, int]) -> None:
        """Take a network."""
        self.network, self.masking, self.held = network, masking, held
        self.sizes = [group.size for group in network.layout.groups]
        self.cut = make_cut(network, self._masks(held), {})
        self._starts = np.cumsum([1, *self.sizes])
        self._tables: dict[int, tuple[Axis, np.ndarray | None]] = {}

    def inside(self, group: int, width: int) -> "Units":
        """Return the same where one more group is cut."""
        return Units(self.network, self.masking, {**self.held, group: width})

    def _masks(self, counts: Mapping[int, int]) -> list[np.ndarray]:
        """Return masks that keep the first units of some groups, and all of the others."""
        return [np.arange(size) < counts.get(at, size) for at, size in enumerate(self.sizes)]

    def axes(self, number: int) -> Sequence[Axis]:
        """Return a value's axes; none where the program does not know it."""
        made = self.masking.axes.get(number)
        return self.network.relations.axes.get(number, ()) if made is None else made

    def table(self, axis: Axis) -> np.ndarray | None:
        """Return the units of each index that is left, [n, k]; `None` where all stay."""
        if isinstance(axis, Fixed):
            return None
        if id(axis) not in self._tables:
            table, kept = self.network.layout.table(axis), self.cut.kept(axis)
            table = table if table is None or kept is None else table[kept]
            self._tables[id(axis)] = (axis, table)
        return self._tables[id(axis)][1]

    def touches(self, number: int, group: int) -> bool:
        """Return whether a value has units of a group."""
        tables = [self.table(axis) for axis in self.axes(number)]
        return any(table is not None and bool(self._among(table, group).any()) for table in tables)

    def is_data(self, number: int) -> bool:
        """Return whether a value depends on the inputs; masks do not."""
        made = self.masking.axes.get(number)
        return number in self.network.relations.data if made is None else len(made) > 1

    def touching(self, equations: Sequence[Equation], group: int) -> list[Equation]:
        """Return the equations that read or write a group's units, as data."""
        return [
            one
            for one in equations
            if one.name != "combine" and any(self.touches(n, group) for n in _numbers(one))
        ]

    def places(self, number: int, group: int) -> dict[int, Places] | None:
        """Return where a group's units lie; `None` if not each on as many indices of its own."""
        found = {}
        for place, axis in enumerate(self.axes(number)):
            table = self.table(axis)
            own = None if table is None else self._among(table, group)
            if table is None or own is None or not own.any():
                continue
            if (own.sum(1) != 1).any():
                return None
            unit, size = table[own] - self._starts[group], self.sizes[group]
            counts = np.bincount(unit, minlength=size)
            if (counts != counts[0]).any():
                return None
            index = np.argsort(unit, kind="stable").reshape(size, counts[0])
            found[place] = Places(unit, index)
        return found

    def _among(self, table: np.ndarray, group: int) -> np.ndarray:
        low = self._starts[group]
        return (table >= low) & (table < low + self.sizes[group])


def stretch_of(
    units: Units,
    equations: Sequence[Equation],
    targets: Sequence[int],
    group: int,
    widths: Sequence[int],
) -> Stretch | None:
    """Return a group's stretch.

    Args:
      units: of the network.
      equations: of the program, in order; stretches among them are one equation each.
      targets: the values that are asked for.
      group: its number.
      widths: those that it may be cut to, the largest first.

    Returns:
      `None` where its units are not alike to some equation, or what comes between depends on it.
    """
    own = units.touching(equations, group)
    inside = {number for one in own for number in one.writes}
    if not own or not all(_alike(one) for one in own) or _returns(equations, own):
        return None
    touched = {n for one in own for n in _numbers(one) if units.touches(n, group)}
    places = {number: units.places(number, group) for number in touched}
    if None in places.values():
        return None
    reads = tuple(dict.fromkeys(n for one in own for n in one.reads if n not in inside))
    mine = {id(one) for one in own}
    others = {n for one in equations if id(one) not in mine for n in (*one.reads, *one.shared)}
    asked = others.union(targets)
    writes = tuple(n for one in own for n in one.writes if n in asked)
    # To gather data and to spread them takes longer than it saves.
    if units.held and any(units.is_data(n) and places.get(n) for n in (*reads, *writes)):
        return None
    traced = {one.writes[0]: one for one in units.network.program.region.equations}

    def region(width: int) -> Region:
        cut = units.inside(group, width).cut
        smaller = tuple(_narrower(cut, one, traced.get(one.writes[0])) for one in own)
        return Region(reads, writes, smaller)

    size = units.sizes[group]
    regions = {size: Region(reads, writes, tuple(own))} | {one: region(one) for one in widths}
    known = {number: found for number, found in places.items() if found}
    return Stretch(group, size, reads, writes, known, regions)


def _numbers(equation: Equation) -> Iterable[int]:
    inside = (n for body in equation.bodies for one in body.equations for n in _numbers(one))
    return (*equation.reads, *equation.writes, *inside)


def _alike(equation: Equation) -> bool:
    return equation.name in ALIKE and all(
        _alike(one) for body in equation.bodies for one in body.equations
    )


def _returns(equations: Sequence[Equation], own: Sequence[Equation]) -> bool:
    """Return whether what some equations read depends on what they write by way of others."""
    mine, inside = {id(one) for one in own}, set[int]()
    behind: set[int] = set()
    for one in equations:
        if id(one) in mine:
            if not behind.isdisjoint(one.reads):
                return True
            inside.update(one.writes)
        elif not (inside | behind).isdisjoint((*one.reads, *one.shared)):
            behind.update(one.writes)
    return False


def _narrower(cut: Cut, equation: Equation, traced: Equation | None) -> Equation:
    """Return an equation for values from which units are gone.

    The rules know the equation as it was traced: masked operands are alike but for their numbers.
    """
    if traced is None:
        return equation
    smaller = cut_equation(cut, traced)
    return replace(
        equation,
        params=smaller.params,
        bodies=smaller.bodies,
        rewritten=smaller.rewritten,
        run=smaller.run if equation.run is traced.run else equation.run,
    )


def _spread(array: Array, rows: Array, size: int, axis: int) -> Array:
    """Put rows in their places along an axis of zeros."""
    moved = jnp.moveaxis(array, axis, 0)
    full = jnp.zeros((size, *moved.shape[1:]), moved.dtype).at[rows].set(moved)
    return jnp.moveaxis(full, 0, axis)
