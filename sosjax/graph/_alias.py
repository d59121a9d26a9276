"""Which values are a parameter with its axes moved about, and nothing else, or a scale."""

from typing import NamedTuple

from ._equation import Equation
from ._program import Program

Axes = tuple[int | None, ...]
Aliases = dict[int, tuple[str, Axes]]


class Scaled(NamedTuple):
    """A leaf with its axes moved about, perhaps times or by what follows from other leaves.

    Attributes:
      leaf: its path.
      axes: as in `Aliases`.
      scale: the multiplication or division by that, `None` if there is none; it reads the leaf
        first.
    """

    leaf: str
    axes: Axes
    scale: Equation | None


_SAME = frozenset(("convert_element_type", "copy", "stop_gradient"))


def leaf_aliases(program: Program) -> Aliases:
    """Return the values that are a leaf with its axes moved about: number -> (path, leaf axes)."""
    aliases: Aliases = {
        number: (name, tuple(range(len(program.shape(number)))))
        for name, number in program.leaves.items()
    }
    for equation in program.region.equations:
        if equation.reads and equation.reads[0] in aliases and len(equation.writes) == 1:
            leaf, axes = aliases[equation.reads[0]]
            moved = _moved(equation, axes, program)
            if moved is not None:
                aliases[equation.writes[0]] = (leaf, moved)
    return aliases


def fixed_values(program: Program) -> set[int]:
    """Return the values that no input has a part in."""
    fixed = {*program.constants, *program.leaves.values()}
    for equation in program.region.equations:
        if fixed.issuperset((*equation.reads, *equation.shared)):
            fixed.update(equation.writes)
    return fixed


def scaled_leaves(program: Program) -> dict[int, Scaled]:
    """Return the values that are a leaf, its axes moved about and once scaled at most."""
    fixed = fixed_values(program)
    found = {
        number: Scaled(leaf, axes, None) for number, (leaf, axes) in leaf_aliases(program).items()
    }
    for equation in program.region.equations:
        if not equation.reads or len(equation.writes) != 1 or equation.writes[0] in found:
            continue
        one = found.get(equation.reads[0])
        if one is None:
            continue
        if equation.name in ("mul", "div") and one.scale is None and equation.reads[1] in fixed:
            found[equation.writes[0]] = one._replace(scale=equation)
        elif (moved := _moved(equation, one.axes, program)) is not None:
            found[equation.writes[0]] = one._replace(axes=moved)
    return found


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
        old, new = program.shape(equation.reads[0]), program.shape(equation.writes[0])
        wide = [axis for axis, size in zip(axes, old, strict=True) if size != 1]
        if [size for size in old if size != 1] == [size for size in new if size != 1]:
            rest = iter(wide)
            return tuple(next(rest) if size != 1 else None for size in new)
    return None
