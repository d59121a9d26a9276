"""Dot products and convolutions: what makes units and what uses them up."""

from collections.abc import Sequence

import numpy as np

from .._cut import Cut
from .._equation import Equation
from .._relations import Axes, Relations
from .._units import Axis, Fixed
from ._rule import Rule, register, with_params


def contracted(equation: Equation) -> list[tuple[int, int]]:
    """Return the pairs (axis of operand 0, axis of operand 1) that a contraction sums over."""
    params = equation.params
    if equation.name == "dot_general":
        return list(zip(*params["dimension_numbers"][0], strict=True))
    if equation.name == "ragged_dot_general":
        numbers = params["ragged_dot_dimension_numbers"].dot_dimension_numbers
        return list(zip(*numbers[0], strict=True))
    numbers = params["dimension_numbers"]
    return [(numbers.lhs_spec[1], numbers.rhs_spec[1])]


def summed(equation: Equation) -> list[int]:
    """Return the axes of operand 1 that a contraction sums over, those of a window included."""
    axes = [place for _, place in contracted(equation)]
    if equation.name == "conv_general_dilated":
        axes += equation.params["dimension_numbers"].rhs_spec[2:]
    return axes


def _sums(equation: Equation) -> list[tuple[int, int]]:
    return [(side, pair[side]) for pair in contracted(equation) for side in (0, 1)]


def _consume(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> None:
    # In a product of two weights, each makes what the other sums over.
    weights = [equation.reads[side] for side in relations.weights(equation) if side < 2]
    both = len(weights) == 2 and not any(relations.constant(number) for number in weights)
    for left, right in contracted(equation):
        relations.units.unite(reads[0][left], reads[1][right])
        relations.consumed.append(reads[0][left])
        if both:
            relations.produced.append(reads[0][left])
        for side, axis in enumerate((reads[0][left], reads[1][right])):
            if equation.reads[side] not in relations.data:
                relations.absorbed.append(axis)


def _produce(relations: Relations, equation: Equation, side: int, axes: Sequence[Axis]) -> None:
    if equation.reads[side] not in relations.data:
        relations.produced.extend(axes)


def _dot(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    (_, (batch_left, batch_right)) = equation.params["dimension_numbers"]
    pairs = contracted(equation)
    _consume(relations, equation, reads)
    out = [
        relations.units.unite(reads[0][left], reads[1][right])
        for left, right in zip(batch_left, batch_right, strict=True)
    ]
    for side, batch in enumerate((batch_left, batch_right)):
        gone = {*batch, *(pair[side] for pair in pairs)}
        free = [axis for place, axis in enumerate(reads[side]) if place not in gone]
        _produce(relations, equation, side, [*free, *(reads[side][place] for place in batch)])
        out += free
    return [tuple(out)]


def _ragged(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    """Rows [m, k] in consecutive groups, each with its own matrix of [g, k, n]."""
    numbers = equation.params["ragged_dot_dimension_numbers"]
    plain = (
        numbers.dot_dimension_numbers == (((1,), (1,)), ((), ()))
        and tuple(numbers.lhs_ragged_dimensions) == (0,)
        and tuple(numbers.rhs_group_dimensions) == (0,)
    )
    if not plain:
        return relations.stay(equation, reads, "this layout is not known of")
    _consume(relations, equation, reads)
    for axis in (reads[1][0], *reads[2]):
        relations.pin(axis, "rows are sorted by it in", equation)
    rows = relations.pin(reads[0][0], "rows are sorted along it in", equation)
    _produce(relations, equation, 1, [reads[1][2]])
    return [(rows, reads[1][2])]


def _conv(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    numbers = equation.params["dimension_numbers"]
    left, right, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    if equation.params["batch_group_count"] != 1:
        return relations.stay(equation, reads, "examples are grouped by")
    axes: list[Axis] = [relations.fixed("it is a spatial axis of", equation)] * len(out)
    for place in left[2:]:
        relations.pin(reads[0][place], "it is a spatial axis of", equation)
    for place in right[2:]:
        relations.pin(reads[1][place], "it is a spatial axis of", equation)
    axes[out[0]], axes[out[1]] = reads[0][left[0]], reads[1][right[0]]
    groups = equation.params["feature_group_count"]
    if groups == 1:
        _consume(relations, equation, reads)
    else:
        _group_channels(relations, equation, reads, groups)
    _produce(relations, equation, 1, [reads[1][right[0]]])
    return [tuple(axes)]


def _group_channels(
    relations: Relations, equation: Equation, reads: Sequence[Axes], groups: int
) -> None:
    """Define channels in and out as group and place within the group; both can be removed."""
    numbers = equation.params["dimension_numbers"]
    block, inner = relations.fresh(groups), reads[1][numbers.rhs_spec[1]]
    relations.blocks[equation.writes[0]] = block
    if not isinstance(inner, Fixed):
        relations.consumed += [block, inner]
    for axis, number, place, within in (
        (reads[0][numbers.lhs_spec[1]], equation.reads[0], numbers.lhs_spec[1], inner),
        (reads[1][numbers.rhs_spec[0]], equation.reads[1], numbers.rhs_spec[0], None),
    ):
        size = relations.shape(number)[place]
        each = np.arange(size)
        places = relations.fresh(size // groups) if within is None else within
        width = size // groups
        relations.units.define(axis, [(block, each // width), (places, each % width)])


def _fewer_groups(cut: Cut, equation: Equation) -> Equation:
    block = cut.relations.blocks.get(equation.writes[0])
    kept = None if block is None else cut.kept(block)
    return equation if kept is None else with_params(equation, feature_group_count=len(kept))


register(Rule(_dot, sums=_sums), "dot_general")
register(Rule(_ragged, sums=_sums), "ragged_dot_general")
register(Rule(_conv, _fewer_groups, _sums), "conv_general_dilated")
