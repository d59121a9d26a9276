"""How much units put into what consumes them, read off in the backward pass of the network."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._equation import Equation, Region
from ._graph import Masks
from ._head_site import head_site
from ._layout import Table
from ._mask import Masked, mask_number
from ._program import Program
from ._subject import Subject

_Axes = dict[int, Table]
"""Which units the indices of an operand belong to, by axis."""


def watched_features(
    subject: Subject, params: Any, inputs: Any, masks: Masks, watch: Any, kernel: Any | None
) -> Any:
    """Return `Subject.features`, with a watch whose derivative is what units put in.

    Every contraction that sums over units adds up products of a number of its data and one of its
    weights (or of other data). The derivative of any function of the features by the watch is, for
    each unit, the sum of the squares of all products that the unit takes part in: for a dense layer
    |activation|^2 |weights|^2. It comes with the backward pass, through loops and branches alike,
    and the watch's value and the function do not matter; what the function does not depend on puts
    in nothing.

    Args:
      subject: the network.
      params: the full parameters.
      inputs: [B, ...].
      masks: for each group an array [size].
      watch: float32 [1 + units of all groups]; entry 0 stands for what cannot be removed.
      kernel: of the head that will consume the features, [F, C]; `None` without a head.
    """
    network = subject.graph.traced(params, (inputs,))
    program, masking = subject.graph.masked_program(network)
    number = mask_number(len(subject.groups) + len(subject.blocks) + 1)
    values = program.given(params, (inputs,)) | subject.graph.given_masks(masks) | {number: watch}
    region, _ = _watched(program, masking, program.region, number)
    watched = replace(program, region=region)
    if subject.head is None:
        return watched.evaluate(values, [program.output])[0]
    site = head_site(program, subject.head)
    (features,) = watched.evaluate(values, [site.features])
    axes = _axes(masking, site.product, site.side)
    if site.summed == 0:
        features, axes = features.T, {1 - axis: table for axis, table in axes.items()}
    return _noted(features, watch, jnp.matmul, 0, axes, (features, kernel))


def _watched(program: Program, masking: Masked, region: Region, number: int) -> tuple[Region, bool]:
    """Return a region whose contractions note what units put in, and whether it has any."""
    equations, found = [], False
    for equation in region.equations:
        pairs = [_watched(program, masking, body, number) for body in equation.bodies]
        if any(inside for _, inside in pairs):
            bodies = tuple(body for body, _ in pairs)
            shared = (*equation.shared, number)
            equation = replace(equation, bodies=bodies, shared=shared, rewritten=True, run=None)
            found = True
        # Of two data either side would do: what is summed over are the same units and products.
        for side in (0, 1):
            axes = _axes(masking, equation.writes[0], side) if equation.writes else {}
            if axes and jnp.issubdtype(program.avals[equation.writes[0]].dtype, jnp.floating):
                equation, found = _noting(equation, side, axes, number), True
                break
        equations.append(equation)
    return replace(region, equations=tuple(equations)), found


def _axes(masking: Masked, write: int, side: int) -> _Axes:
    """Return the tables along the axes of a contraction's operand that are masked."""
    source, places = masking.sources.get((write, side), (0, ()))
    axes = masking.relations.axes_of(source) if places else ()
    tables = {place: masking.layout.table(axes[place]) for place in places}
    return {place: table for place, table in tables.items() if table is not None}


def _noting(equation: Equation, side: int, axes: _Axes, number: int) -> Equation:
    def contract(*arrays: Any) -> Any:
        if equation.run is not None:
            return equation.run(*arrays)[0]
        return equation.primitive.bind(*arrays, **equation.params)

    def run(*arrays: Any) -> list[Any]:
        *operands, watch = arrays
        return [_noted(contract(*operands), watch, contract, side, axes, operands)]

    return replace(equation, reads=(*equation.reads, number), run=run)


def _noted(
    output: Any,
    watch: Any,
    contract: Callable[..., Any],
    side: int,
    axes: _Axes,
    operands: Sequence[Any],
) -> Any:
    """Return a contraction's output; backward, add what its units put in to the watch."""

    @jax.custom_vjp
    def note(output: Any, watch: Any, *operands: Any) -> Any:
        del watch, operands
        return output

    def forward(output: Any, watch: Any, *operands: Any) -> Any:
        return output, (watch, operands)

    def backward(kept: Any, cotangent: Any) -> tuple[Any, ...]:
        watch, operands = kept
        squares = [jnp.square(one) for one in operands[:2]]

        def total(data: Any) -> Any:
            pair = [data if place == side else square for place, square in enumerate(squares)]
            return contract(*pair, *operands[2:]).sum()

        # The sum of squared products is linear in the squared data: each has its own part in it.
        parts = squares[side] * jax.grad(total)(squares[side])
        noted = jnp.zeros_like(watch)
        for place, table in axes.items():
            others = tuple(axis for axis in range(parts.ndim) if axis != place)
            each = parts.sum(others, dtype=watch.dtype)
            noted = noted.at[np.asarray(table)].add(each[:, None])
        return (cotangent, noted, *[None] * len(operands))

    note.defvjp(forward, backward)
    return note(output, watch, *operands)
