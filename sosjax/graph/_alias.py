"""Which values are a parameter with its axes moved about, and nothing else."""

from ._equation import Equation
from ._program import Program

Axes = tuple[int | None, ...]
Aliases = dict[int, tuple[str, Axes]]

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
