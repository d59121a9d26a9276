"""Stretches: parts of a program that the units of one group do not leave, and its narrower forms.

Between the product that makes a group's units and the one that sums over them, what is removed
need not be computed. A unit is as good as any other of its group, so that the program that was cut
to the first few serves any few: they are gathered to the front.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import lax

from .._types import AnyArray, Array
from ._cut import Cut
from ._equation import Equation, Region
from ._program import evaluate
from ._rules._elementwise import NAMES as ELEMENTWISE
from ._rules._rule import cut_equation
from ._unit_map import Places, UnitMap, numbers_of

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
class Stretch:
    """Equations that touch a group's units: all of them, or one product of a stream.

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

    def at(
        self, width: int, constants: Mapping[int, Any], order: Array | None, *arrays: Any
    ) -> list[Any]:
        """Run the equations for the first units of an order; others are zero where one looks.

        Without an order units are in theirs already, and the first are sliced off.
        """
        given = dict(zip(self.inputs, arrays, strict=True))
        places = self.places if width < self.size else {}
        for number in given:
            for axis, own in places.get(number, {}).items():
                given[number] = _gathered(given[number], own.first(order, width), axis)
        out = evaluate(self.regions[width], given, self.outputs, constants)
        for place, number in enumerate(self.outputs):
            for axis, own in places.get(number, {}).items():
                out[place] = _spread(out[place], own.first(order, width), own.unit.size, axis)
        return out


def stretch_of(
    units: UnitMap,
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
    places = _places(units, own, group)
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
    return _stretch(units, own, places, reads, writes, group, widths)


def single(units: UnitMap, equation: Equation, group: int, widths: Sequence[int]) -> Stretch:
    """Return one equation as a stretch of a group whose units come in order; see `is_stream`."""
    reads = tuple(dict.fromkeys(equation.reads))
    places = _places(units, [equation], group)
    return _stretch(units, [equation], places, reads, equation.writes, group, widths)


def _places(
    units: UnitMap, own: Sequence[Equation], group: int
) -> dict[int, dict[int, Places] | None]:
    """Return where a group's units lie in each value of some equations that has them."""
    touched = {n for one in own for n in numbers_of(one) if units.touches(n, group)}
    return {number: units.places(number, group) for number in touched}


def is_stream(units: UnitMap, equations: Sequence[Equation], group: int) -> bool:
    """Return whether a group's units are alike, but run through what depends on them.

    So it is of the width of a residual stream: no stretch holds its units, since blocks read them
    and add to them.
    """
    own = units.touching(equations, group)
    if not own or not all(_alike(one) for one in own) or not _returns(equations, own):
        return False
    places = _places(units, own, group)
    if None in places.values() or not places.keys().isdisjoint(units.network.program.constants):
        return False
    # Of data as few as are kept lie in front, or to gather them would take longer than it saves.
    data = [found for number, found in places.items() if units.is_data(number)]
    return all(own.index.shape[1] == 1 for found in data for own in (found or {}).values())


def _stretch(
    units: UnitMap,
    own: Sequence[Equation],
    places: Mapping[int, dict[int, Places] | None],
    reads: tuple[int, ...],
    writes: tuple[int, ...],
    group: int,
    widths: Sequence[int],
) -> Stretch:
    """Return equations and what they read and write as a stretch."""
    traced = {one.writes[0]: one for one in units.network.program.region.equations}

    def region(width: int) -> Region:
        cut = units.inside(group, width).cut
        smaller = tuple(_narrower(cut, one, traced.get(one.writes[0])) for one in own)
        return Region(reads, writes, smaller)

    size = units.sizes[group]
    regions = {size: Region(reads, writes, tuple(own))} | {one: region(one) for one in widths}
    known = {number: found for number, found in places.items() if found}
    return Stretch(group, size, reads, writes, known, regions)


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


def _gathered(array: AnyArray, rows: AnyArray, axis: int) -> Array:
    """Return rows of an array along an axis."""
    if _leading(rows):
        return lax.slice_in_dim(array, 0, len(rows), axis=axis)
    return jnp.take(array, rows, axis, mode="clip")


def _spread(array: Array, rows: AnyArray, size: int, axis: int) -> Array:
    """Put rows in their places along an axis of zeros."""
    if _leading(rows):
        after = [(0, 0)] * array.ndim
        after[axis] = (0, size - len(rows))
        return jnp.pad(array, after)
    moved = jnp.moveaxis(array, axis, 0)
    full = jnp.zeros((size, *moved.shape[1:]), moved.dtype).at[rows].set(moved)
    return jnp.moveaxis(full, 0, axis)


def _leading(rows: AnyArray) -> bool:
    """Return whether rows are known to be the first ones."""
    return isinstance(rows, np.ndarray) and bool((rows == np.arange(len(rows))).all())
