"""Primitives that move indices about: every unit goes where its index goes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from jax import lax

from .._cut import Cut
from .._equation import Equation
from .._relations import Axes, Relations
from .._units import Axis, Fixed
from ._rule import Rule, register, with_params


def _transpose(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    del relations
    return [tuple(reads[0][place] for place in equation.params["permutation"])]


def _squeeze(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    gone = equation.params["dimensions"]
    for place in gone:
        relations.pin(reads[0][place], "one unit is picked by", equation)
    return [tuple(axis for place, axis in enumerate(reads[0]) if place not in gone)]


def _broadcast(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    shape = equation.params["shape"]
    axes = [relations.fresh(size) for size in shape]
    operand = relations.shape(equation.reads[0])
    for place, target in enumerate(equation.params["broadcast_dimensions"]):
        if operand[place] == shape[target]:
            axes[target] = reads[0][place]
        else:
            relations.pin(reads[0][place], "it is repeated by", equation)
    return [tuple(axes)]


def _same_shape(cut: Cut, equation: Equation) -> Equation:
    return with_params(equation, shape=cut.shape(equation.writes[0]))


def _expand_dims(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    axes = list(relations.free(equation.writes[0]))
    gone = {place % len(axes) for place in equation.params["dimensions"]}
    kept = [place for place in range(len(axes)) if place not in gone]
    for place, axis in zip(kept, reads[0], strict=True):
        axes[place] = axis
    return [tuple(axes)]


def _reverse(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    del relations
    turned = equation.params["dimensions"]
    return [
        tuple(
            axis[::-1] if place in turned and not isinstance(axis, Fixed) else axis
            for place, axis in enumerate(reads[0])
        )
    ]


def _concatenate(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    along = equation.params["dimension"]
    axes = list(reads[0])
    for other in reads[1:]:
        for place, axis in enumerate(other):
            if place != along:
                axes[place] = relations.units.unite(axes[place], axis)
    parts = [read[along] for read in reads]
    sizes = [relations.shape(number)[along] for number in equation.reads]
    if not all(isinstance(size, int) for size in sizes):
        fixed = [relations.pin(part, "its size is a symbol in", equation) for part in parts]
        axes[along] = fixed[0]
    elif not all(isinstance(part, Fixed) for part in parts):
        pairs = zip(parts, sizes, strict=True)
        axes[along] = np.concatenate([relations.ids(part, size) for part, size in pairs])
    return [tuple(axes)]


def _stack(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    joined = reads[0]
    for axes in reads[1:]:
        joined = relations.unite(joined, axes)
    along = equation.params["axis"] % (len(joined) + 1)
    new = relations.fixed("values are stacked by", equation)
    return [(*joined[:along], new, *joined[along:])]


def _unstack(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    along = equation.params["axis"] % len(reads[0])
    relations.pin(reads[0][along], "one unit is picked by", equation)
    return [(*reads[0][:along], *reads[0][along + 1 :])] * len(equation.writes)


def _tile(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    del relations
    return [
        tuple(
            axis if isinstance(axis, Fixed) or times == 1 else np.tile(axis, times)
            for axis, times in zip(reads[0], equation.params["reps"], strict=True)
        )
    ]


def _split(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    along = int(equation.params["axis"])
    whole = reads[0][along]
    ends = np.cumsum([0, *equation.params["sizes"]])
    out = []
    for start, end in pairwise(ends):
        part = whole if isinstance(whole, Fixed) else whole[start:end]
        out.append((*reads[0][:along], part, *reads[0][along + 1 :]))
    return out


def _split_sizes(cut: Cut, equation: Equation) -> Equation:
    along = int(equation.params["axis"])
    return with_params(
        equation, sizes=tuple(cut.shape(number)[along] for number in equation.writes)
    )


def _slice(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    del relations
    axes = []
    for axis, (start, limit, stride) in zip(reads[0], _steps(equation), strict=True):
        axes.append(axis if isinstance(axis, Fixed) else axis[start:limit:stride])
    return [tuple(axes)]


def _steps(equation: Equation) -> list[tuple[Any, Any, Any]]:
    params = equation.params
    strides = params["strides"] or (1,) * len(params["start_indices"])
    return list(zip(params["start_indices"], params["limit_indices"], strides, strict=True))


def _cut_slice(cut: Cut, equation: Equation) -> Equation:
    """Take what is left of the slice from what is left of the operand."""
    traced = cut.relations.shape(equation.reads[0])
    steps = _steps(equation)
    picked: dict[int, np.ndarray] = {}
    for place, kept in cut.indices(equation.reads[0]).items():
        start, limit, stride = steps[place]
        wanted = np.zeros(traced[place], bool)
        wanted[start:limit:stride] = True
        picked[place] = np.flatnonzero(wanted[kept])
        steps[place] = (0, len(kept), 1)

    def run(array: Any) -> list[Any]:
        starts, limits, strides = zip(*steps, strict=True)
        params = equation.params | {
            "start_indices": starts,
            "limit_indices": limits,
            "strides": strides,
        }
        out = equation.primitive.bind(array, **params)
        for place, rows in picked.items():
            out = pick(out, rows, place)
        return [out]

    return replace(equation, run=run)


def pick(array: Any, rows: np.ndarray, axis: int) -> Any:
    """Take rows; as a slice where they are evenly spaced, which costs nothing."""
    if not len(rows):
        return lax.slice_in_dim(array, 0, 0, axis=axis)
    steps = np.unique(np.diff(rows))
    if len(steps) < 2 and (steps > 0).all():
        step = int(steps[0]) if len(steps) else 1
        return lax.slice_in_dim(array, int(rows[0]), int(rows[-1]) + 1, step, axis)
    sizes = [1 if place == axis else size for place, size in enumerate(array.shape)]
    others = tuple(place for place in range(array.ndim) if place != axis)
    numbers = lax.GatherDimensionNumbers(others, (axis,), (axis,))
    mode = lax.GatherScatterMode.PROMISE_IN_BOUNDS
    return lax.gather(array, rows[:, None].astype(np.int32), numbers, sizes, mode=mode)


def _pad(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    shape = relations.shape(equation.reads[0])
    return [
        tuple(
            _padded(relations, equation, axis, shape[place], config)
            for place, (axis, config) in enumerate(
                zip(reads[0], equation.params["padding_config"], strict=True)
            )
        )
    ]


def _padded(
    relations: Relations, equation: Equation, axis: Axis, size: Any, config: Sequence[Any]
) -> Axis:
    low, high, inner = (int(number) for number in config)  # `jnp.pad` leaves NumPy's
    if not any(config) or not isinstance(size, int):
        return axis
    if inner:
        return relations.pin(axis, "it is spread by", equation)
    ids = relations.ids(axis, size)
    ids = ids[max(0, -low) : size - max(0, -high)]
    new = [relations.units.fresh(max(0, number)) for number in (low, high)]
    return np.concatenate([new[0], ids, new[1]])


def _cut_pad(cut: Cut, equation: Equation) -> Equation:
    """Pad by what is left of the padding; crop by what is left of the cropped."""
    before, after = (
        cut.relations.shape(number) for number in (equation.reads[0], equation.writes[0])
    )
    gone, config = cut.indices(equation.reads[0]), list(equation.params["padding_config"])
    for place in {*gone, *cut.indices(equation.writes[0])}:
        low, high, _ = config[place]
        old = gone.get(place, np.arange(before[place]))
        new = cut.indices(equation.writes[0]).get(place, np.arange(after[place]))
        ends = (
            (new < low).sum() if low > 0 else -(old < -low).sum(),
            (new >= after[place] - high).sum()
            if high > 0
            else -(old >= before[place] + high).sum(),
        )
        config[place] = (int(ends[0]), int(ends[1]), 0)
    return with_params(equation, padding_config=tuple(config))


def _reshape(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    """Merge and split axes: an index of the one is the indices of the others together."""
    old, new = relations.shape(equation.reads[0]), relations.shape(equation.writes[0])
    out: list[Axis] = []
    for before, after in _blocks(old, new):
        out += _reblocked(
            relations,
            equation,
            [(old[place], reads[0][place]) for place in before],
            [new[place] for place in after],
        )
    return [tuple(out)]


def _blocks(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[list[int], list[int]]]:
    """Pair the shortest runs of axes that have the same number of elements."""
    blocks, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        # An axis of size one stands alone, unless the other side has one too.
        if i < len(old) and old[i] == 1 and not (j < len(new) and new[j] == 1):
            blocks.append(([i], []))
            i += 1
            continue
        if j < len(new) and new[j] == 1 and not (i < len(old) and old[i] == 1):
            blocks.append(([], [j]))
            j += 1
            continue
        before, after = [i], [j]
        left, right = old[i], new[j]
        i, j = i + 1, j + 1
        while left != right:
            if j >= len(new) or (i < len(old) and _smaller(left, right)):
                left, before, i = left * old[i], [*before, i], i + 1
            else:
                right, after, j = right * new[j], [*after, j], j + 1
        blocks.append((before, after))
    return blocks


def _smaller(left: Any, right: Any) -> bool:
    """Compare sizes; a symbolic one counts as larger than any number."""
    if isinstance(left, int) and isinstance(right, int):
        return left < right
    if isinstance(left, int) or isinstance(right, int):
        return isinstance(left, int)
    try:
        return bool(left < right)
    except Exception:  # JAX cannot tell, so take from the left: the block only gets longer
        return True


def _reblocked(
    relations: Relations,
    equation: Equation,
    before: Sequence[tuple[Any, Axis]],
    after: Sequence[Any],
) -> list[Axis]:
    if len(before) == len(after) == 1:
        return [before[0][1]]
    axes = [axis for _, axis in before]
    if all(isinstance(axis, Fixed) for axis in axes):
        fixed = axes[0] if axes else relations.fresh(1)
        return [fixed for _ in after]
    sizes = [size for size, _ in before]
    if not all(isinstance(size, int) for size in [*sizes, *after]):
        fixed = [relations.pin(axis, "its size is a symbol in", equation) for axis in axes]
        return [fixed[0] for _ in after]
    whole = axes[0]
    if len(before) != 1:
        whole = relations.units.fresh(int(np.prod(sizes)))
        relations.units.define(whole, _parts(axes, sizes))
    if len(after) == 1:
        return [whole]
    new = [relations.fresh(size) for size in after]
    if after:
        relations.units.define(whole, _parts(new, after))
    else:
        relations.pin(whole, "one unit is picked by", equation)
    return new


def _parts(axes: Sequence[Axis], sizes: Sequence[int]) -> list[tuple[Axis, np.ndarray]]:
    places = np.unravel_index(np.arange(int(np.prod(sizes))), tuple(sizes))
    return list(zip(axes, places, strict=True))


def _new_sizes(cut: Cut, equation: Equation) -> Equation:
    return with_params(equation, new_sizes=cut.shape(equation.writes[0]))


register(Rule(_transpose), "transpose")
register(Rule(_squeeze), "squeeze")
register(Rule(_broadcast, _same_shape), "broadcast_in_dim")
register(Rule(_expand_dims), "expand_dims")
register(Rule(_reverse), "rev")
register(Rule(_concatenate), "concatenate")
register(Rule(_stack), "stack")
register(Rule(_unstack), "unstack")
register(Rule(_tile), "tile")
register(Rule(_split, _split_sizes), "split")
register(Rule(_slice, _cut_slice), "slice")
register(Rule(_pad, _cut_pad), "pad")
register(Rule(_reshape, _new_sizes), "reshape")
