"""Lookups and updates by index: axes that are indexed stay, whole ones pass.

Known indices, such as a permutation, only move units about.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._cut import Cut
from .._equation import Equation
from .._relations import Axes, Relations
from .._units import Axis, Fixed
from ._layout import pick
from ._rule import Rule, register, with_params

_PICKED = "it is indexed by"


def _gather(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    shape = relations.shape(equation.reads[0])
    if _is_known(relations, equation, reads[0]):
        return [_looked_up(relations, equation, reads[0])]
    operand, indices = reads[0], list(reads[1])
    for place, other in zip(
        numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True
    ):
        indices[other] = relations.units.unite(operand[place], indices[other])
    gone = {*numbers.collapsed_slice_dims, *numbers.operand_batching_dims}
    passed: list[Axis] = []
    for place, axis in enumerate(operand):
        if place in numbers.operand_batching_dims:
            continue
        # A window as large as its axis starts at zero, or is out of bounds at any size.
        if sizes[place] != shape[place]:
            axis = relations.pin(axis, _PICKED, equation)
        if place not in gone:
            passed.append(axis)
    _produce(relations, equation, passed)
    relations.pin(indices[-1], _PICKED, equation)
    batch, windows = iter(indices[:-1]), iter(passed)
    rank = len(relations.shape(equation.writes[0]))
    return [
        tuple(next(windows if place in numbers.offset_dims else batch) for place in range(rank))
    ]


def _is_known(relations: Relations, equation: Equation, operand: Axes) -> bool:
    """Say whether units are looked up along one axis by known indices, and remember them."""
    numbers = equation.params["dimension_numbers"]
    along, shape = numbers.start_index_map, relations.shape(equation.reads[0])
    plain = len(along) == 1 and numbers.collapsed_slice_dims == along
    if not plain or numbers.operand_batching_dims or isinstance(operand[along[0]], Fixed):
        return False
    rows = relations.known(equation.reads[1])
    if rows is None or rows.ndim != 2 or len(rows) < 2:
        return False
    place, rows = int(along[0]), rows[:, 0].astype(np.int64)
    if (rows < 0).any() or (rows >= shape[place]).any():
        return False
    relations.lookups[equation.writes[0]] = (place, rows)
    return True


def _looked_up(relations: Relations, equation: Equation, operand: Axes) -> Axes:
    place, rows = relations.lookups[equation.writes[0]]
    axes = list(operand)
    axis = axes.pop(place)
    axes.insert(_moved_to(equation), axis if isinstance(axis, Fixed) else axis[rows])
    _produce(relations, equation, axes)
    return tuple(axes)


def _produce(relations: Relations, equation: Equation, axes: Sequence[Axis]) -> None:
    table = equation.reads[0]
    if table not in relations.data and not relations.constant(table):
        relations.produced.extend(axes)


def _moved_to(equation: Equation) -> int:
    """Return the only axis of the output that is not an offset."""
    offsets = equation.params["dimension_numbers"].offset_dims
    return next(place for place in range(len(offsets) + 1) if place not in offsets)


def _fewer_indices(cut: Cut, equation: Equation) -> Equation:
    place, rows = cut.relations.lookups[equation.writes[0]]
    target = _moved_to(equation)
    rows = rows[cut.indices(equation.writes[0]).get(target, slice(None))]
    left = cut.indices(equation.reads[0]).get(place)
    rows = rows if left is None else np.searchsorted(left, rows)

    def run(array: Any, indices: Any) -> list[Any]:
        del indices
        return [jnp.moveaxis(pick(array, rows, place), place, target)]

    return replace(equation, run=run)


def _whole_windows(cut: Cut, equation: Equation) -> Equation:
    if equation.writes[0] in cut.relations.lookups:
        return _fewer_indices(cut, equation)
    sizes = list(equation.params["slice_sizes"])
    for place, kept in cut.indices(equation.reads[0]).items():
        if sizes[place] != 1 or cut.relations.shape(equation.reads[0])[place] == 1:
            sizes[place] = len(kept)
    return with_params(equation, slice_sizes=tuple(sizes))


def _scatter(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    numbers = equation.params["dimension_numbers"]
    operand, indices, updates = reads
    shape, update_shape = (relations.shape(equation.reads[side]) for side in (0, 2))
    axes, windows = list(operand), list(numbers.update_window_dims)
    batches = dict(
        zip(numbers.scatter_indices_batching_dims, numbers.operand_batching_dims, strict=True)
    )
    rest = [place for place in range(len(updates)) if place not in windows]
    for place, axis in enumerate(indices):
        if place in batches:
            joined = relations.units.unite(axis, updates[rest[place]])
            axes[batches[place]] = relations.units.unite(axes[batches[place]], joined)
            continue
        relations.pin(axis, _PICKED, equation)
        if place < len(rest):
            relations.pin(updates[rest[place]], _PICKED, equation)
    for place, axis in enumerate(operand):
        if place in batches.values():
            continue
        if place in numbers.inserted_window_dims:
            axes[place] = relations.pin(axis, _PICKED, equation)
            continue
        window = windows.pop(0)
        if shape[place] == update_shape[window]:
            axes[place] = relations.units.unite(axis, updates[window])
        else:
            relations.pin(updates[window], _PICKED, equation)
            axes[place] = relations.pin(axis, _PICKED, equation)
    return [tuple(axes)]


def _dynamic_slice(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    sizes, shape = equation.params["slice_sizes"], relations.shape(equation.reads[0])
    return [
        tuple(
            axis if size == full else relations.pin(axis, _PICKED, equation)
            for axis, size, full in zip(reads[0], sizes, shape, strict=True)
        )
    ]


def _slice_sizes(cut: Cut, equation: Equation) -> Equation:
    return with_params(equation, slice_sizes=cut.shape(equation.writes[0]))


def _dynamic_update(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    shapes = [relations.shape(number) for number in equation.reads[:2]]
    axes = []
    for operand, update, full, size in zip(reads[0], reads[1], *shapes, strict=True):
        if full == size:
            axes.append(relations.units.unite(operand, update))
        else:
            relations.pin(update, _PICKED, equation)
            axes.append(relations.pin(operand, _PICKED, equation))
    return [tuple(axes)]


register(Rule(_gather, _whole_windows), "gather")
_SCATTERS = """
scatter scatter-add scatter-max scatter-min scatter-mul scatter-sub scatter_add scatter_max
scatter_min scatter_mul scatter_sub
"""
register(Rule(_scatter), *_SCATTERS.split())
register(Rule(_dynamic_slice, _slice_sizes), "dynamic_slice")
register(Rule(_dynamic_update), "dynamic_update_slice")
