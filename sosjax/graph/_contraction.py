"""Where a leaf is contracted with data: what consumes units, and what FLOPs are counted of."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from ._program import Equation, Program

Axes = tuple[int | None, ...]
Aliases = dict[int, tuple[str, Axes]]

_SAME = frozenset(("convert_element_type", "copy", "stop_gradient"))


@final
@dataclass(frozen=True)
class Contraction:
    """A dot product or convolution.

    Attributes:
      equation: its place in the program.
      data: which operand is data: 0 or 1.
      leaf: the path of the leaf that is the other operand; `None` where both are data.
      contracted: leaf axis -> data axis, for each contracted axis.
      flops: two for each multiply-accumulate, at the traced shapes.
    """

    equation: int
    data: int
    leaf: str | None
    contracted: dict[int, int]
    flops: int


def leaf_aliases(program: Program) -> Aliases:
    """Return the values that are a leaf with its axes moved about: number -> (path, leaf axes)."""
    aliases: Aliases = {
        number: (name, tuple(range(len(program.shapes[number]))))
        for name, number in program.leaves.items()
    }
    for equation in program.equations:
        if equation.reads and equation.reads[0] in aliases and len(equation.writes) == 1:
            leaf, axes = aliases[equation.reads[0]]
            moved = _moved(equation, axes, program)
            if moved is not None:
                aliases[equation.writes[0]] = (leaf, moved)
    return aliases


def _moved(equation: Equation, axes: Axes, program: Program) -> Axes | None:
    if equation.name in _SAME:
        return axes
    if equation.name == "transpose":
        return tuple(axes[axis] for axis in equation.params["permutation"])
    if equation.name == "broadcast_in_dim":
        moved: list[int | None] = [None] * len(equation.params["shape"])
        for axis, target in zip(axes, equation.params["broadcast_dimensions"], strict=True):
            moved[target] = axis
        return tuple(moved)
    if equation.name == "reshape":
        old, new = program.shapes[equation.reads[0]], program.shapes[equation.writes[0]]
        wide = [axis for axis, size in zip(axes, old, strict=True) if size != 1]
        if [size for size in old if size != 1] == [size for size in new if size != 1]:
            rest = iter(wide)
            return tuple(next(rest) if size != 1 else None for size in new)
    return None


def contractions(program: Program) -> Iterator[Contraction]:
    """Yield every dot product and convolution of a program."""
    aliases = leaf_aliases(program)
    for index, equation in enumerate(program.equations):
        if equation.name not in ("dot_general", "conv_general_dilated"):
            continue
        pairs = _contracted_axes(equation)
        flops = _flops(equation, pairs, program)
        side = next((side for side in (1, 0) if equation.reads[side] in aliases), None)
        if side is None:
            yield Contraction(index, 0, None, {}, flops)
            continue
        leaf, axes = aliases[equation.reads[side]]
        # An axis that no leaf axis became has size one: nothing can be removed along it.
        named = [(axes[pair[side]], pair[1 - side]) for pair in pairs]
        contracted = {axis: data for axis, data in named if axis is not None}
        yield Contraction(index, 1 - side, leaf, contracted, flops)


def _contracted_axes(equation: Equation) -> list[tuple[int, int]]:
    """Return the pairs (axis of operand 0, axis of operand 1) that are summed over."""
    numbers: Any = equation.params["dimension_numbers"]
    if equation.name == "dot_general":
        return list(zip(*numbers[0], strict=True))
    return [(numbers.lhs_spec[1], numbers.rhs_spec[1])]


def _flops(equation: Equation, pairs: list[tuple[int, int]], program: Program) -> int:
    right = program.shapes[equation.reads[1]]
    summed = math.prod(right[axis] for _, axis in pairs)
    if equation.name == "conv_general_dilated":
        spec = equation.params["dimension_numbers"].rhs_spec
        summed *= math.prod(right[axis] for axis in spec[2:])
    return 2 * summed * math.prod(program.shapes[equation.writes[0]])
