"""Primitives that go over an axis and mix its units: what they go over stays."""

from collections.abc import Sequence

from .._equation import Equation
from .._relations import Axes, Relations
from ._rule import Rule, register

_MIXED = "its units are mixed by"


def _pinned(relations: Relations, equation: Equation, axes: Axes, places: Sequence[int]) -> Axes:
    """Pin the axes at some places."""
    return tuple(
        relations.pin(axis, _MIXED, equation) if place in places else axis
        for place, axis in enumerate(axes)
    )


def _joined(relations: Relations, reads: Sequence[Axes]) -> Axes:
    """Join operands of one shape; scalars have no axes."""
    first, *others = reads or [()]
    for axes in others:
        first = relations.unite(first, axes)
    return first


def _reduce(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    params = equation.params
    gone = [int(axis) for axis in params["axes" if "axes" in params else "dimensions"]]
    operands = [axes for axes in reads if axes]
    axes = _joined(relations, operands)
    # The cotangent of a removed unit is zero, so sums of cotangents are those of what is left.
    if equation.name != "reduce_sum" or equation.reads[0] not in relations.cotangents:
        axes = _pinned(relations, equation, axes, gone)
    left = tuple(axis for place, axis in enumerate(axes) if place not in gone)
    return [left] * len(equation.writes)


def _cumulate(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    return [_pinned(relations, equation, reads[0], [equation.params["axis"]])]


def _sort(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    joined = _joined(relations, reads)
    axes = _pinned(relations, equation, joined, [equation.params["dimension"]])
    return [axes] * len(equation.writes)


def _top(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    params = equation.params
    place = params["axis" if "axis" in params else "reduction_dimension"] % len(reads[0])
    axes = _pinned(relations, equation, reads[0], [place])
    return [axes] * len(equation.writes)


def _window(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    params, rank = equation.params, len(reads[0])
    ones, nothing = (1,) * rank, ((0, 0),) * rank
    steps = zip(
        params["window_dimensions"],
        params.get("window_strides", ones),
        params.get("base_dilation", ones),
        params.get("window_dilation", ones),
        params.get("padding", nothing),
        strict=True,
    )
    plain = (1, 1, 1, 1, (0, 0))
    moved = [place for place, step in enumerate(steps) if (*step[:4], tuple(step[4])) != plain]
    operands = [axes for axes in reads if len(axes) == rank]
    pinned = [_pinned(relations, equation, axes, moved) for axes in operands]
    return [_joined(relations, pinned)] * len(equation.writes)


def _transform(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    """Mix the last axes, of which the innermost may change its size."""
    rank = len(reads[0])
    last = range(rank - len(equation.params["fft_lengths"]), rank)
    return [_pinned(relations, equation, reads[0], last)]


_REDUCTIONS = """
argmax argmin reduce reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum reduce_xor
"""
_WINDOWS = """
reduce_window reduce_window_max reduce_window_min reduce_window_sum select_and_gather_add
select_and_scatter_add
"""
register(Rule(_reduce), *_REDUCTIONS.split())
register(Rule(_cumulate), "cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
register(Rule(_sort), "sort")
register(Rule(_top), "top_k", "approx_top_k")
register(Rule(_window), *_WINDOWS.split())
register(Rule(_transform), "fft")
