"""Moments of activations: a program rewritten so that they are computed instead of read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .._errors import InputError
from ._contraction import leaf_aliases
from ._group import Statistics
from ._program import Equation, Program


def estimating(program: Program, statistics: Sequence[Statistics]) -> Program:
    """Let the statistics be computed from the activation they normalise."""
    equations = [*program.equations]
    for pair in statistics:
        source, axis = normalised(program, pair)
        axes = tuple(place for place in range(len(program.shapes[source])) if place != axis)

        def run(data: Any, axes: tuple[int, ...] = axes) -> list[Any]:
            return [data.mean(axes), data.var(axes)]

        writes = (program.leaves[pair.mean], program.leaves[pair.variance])
        equations.append(Equation("moments", run, (source,), writes, {}))
    return replace(program, equations=tuple(equations))


def normalised(program: Program, pair: Statistics) -> tuple[int, int]:
    """Find the activation from which the mean leaf is subtracted, and its channel axis.

    Raises:
      InputError: it is subtracted from none.
    """
    aliases = leaf_aliases(program)
    for equation in program.equations:
        if equation.name == "sub" and aliases.get(equation.reads[1], ("",))[0] == pair.mean:
            axes = aliases[equation.reads[1]][1]
            shape = program.shapes[equation.reads[0]]
            return equation.reads[0], axes.index(0) + len(shape) - len(axes)
    raise InputError(
        f"`statistics` {pair.mean!r} must be subtracted from an activation, got no such use."
    )
