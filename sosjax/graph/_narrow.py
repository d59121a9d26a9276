"""A masked program that computes little more of a group than a sub-network keeps."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from ._count import CONTRACTIONS
from ._equation import Equation, Region
from ._mask import Masked, mask_number
from ._need import ALWAYS
from ._program import Program, evaluate
from ._rules._contraction import summed
from ._stretch import Stretch, is_stream, single, stretch_of
from ._traced import Traced
from ._unit_map import UnitMap

WORTH = 4e6
"""FLOPs that a narrower width has to save for one example: fewer take longer to compile."""
STREAMED = 2
"""At most so many narrower widths of a stream for one product: each is compiled for every width of
what the product leads to."""


def narrowed(
    program: Program,
    network: Traced,
    masking: Masked,
    given: set[int],
    targets: Sequence[int],
) -> Program:
    """Let stretches run at the narrowest of a few widths that holds what the masks keep.

    Which one is chosen when the program runs. Groups that no stretch holds, such as a residual
    stream, are narrowed product by product: their kept units come first, so that slices serve.
    Under `vmap` over masks JAX runs all widths: this is for sub-networks one after the other.
    Nothing is computed that only a block needs that is left out.

    Args:
      program: reads masks, which must be boolean.
      network: as it was traced.
      masking: wrote the masks into it.
      given: the numbers of the values that it will be given.
      targets: the values that are asked for.
    """
    region = replace(program.region, inputs=tuple(given), outputs=tuple(targets))
    units = UnitMap(network, masking, {})
    streams = _streams(units, region)
    region = _narrower(program, units, streams, region)
    if streams:
        region = _kept_first(program, units, streams, region)
    return replace(program, region=region)


def _streams(units: UnitMap, region: Region) -> list[int]:
    """Return the groups whose products are worth narrowing, but one by one."""
    equations = region.ordered({*region.inputs, *units.network.program.constants}, region.outputs)
    return [
        group
        for group, size in enumerate(units.sizes)
        if any(_widths(size, _flops(units, [one])) for one in units.touching(equations, group))
        and is_stream(units, equations, group)
    ]


def _kept_first(program: Program, units: UnitMap, streams: Sequence[int], region: Region) -> Region:
    """Return one equation that runs a region with the streams' kept units before all others."""
    reads, writes = region.inputs, tuple(n for n in region.outputs if n not in region.inputs)

    def moved(number: int, array: Any, orders: dict[int, Any], back: bool) -> Any:
        for group, order in orders.items():
            if number == mask_number(group):
                array = jnp.take(array, order)
                continue
            for axis, own in (units.places(number, group) or {}).items():
                rows = own.first(order, units.sizes[group])
                array = jnp.take(array, jnp.argsort(rows) if back else rows, axis, mode="clip")
        return array

    def run(*arrays: Any) -> list[Any]:
        given = dict(zip(reads, arrays, strict=True))
        orders = {g: jnp.argsort(~given[mask_number(g)], stable=True) for g in streams}
        given = {n: moved(n, array, orders, back=False) for n, array in given.items()}
        found = evaluate(region, {**program.constants, **given}, writes, program.constants)
        return [moved(n, out, orders, back=True) for n, out in zip(writes, found, strict=True)]

    only = Equation("kept_first", None, reads, writes, {}, run=run)
    return replace(region, equations=(only,))


def _narrower(program: Program, units: UnitMap, streams: Sequence[int], region: Region) -> Region:
    """Return a region with one equation for each stretch, in order."""
    groups = [g for g in range(len(units.sizes)) if g not in units.held and g not in streams]
    known = {*region.inputs, *program.constants, *map(mask_number, range(len(units.sizes)))}

    def ordered(equations: Sequence[Equation]) -> Region:
        found = replace(region, equations=tuple(equations)).ordered(known, region.outputs)
        return replace(region, equations=tuple(found))

    region = ordered(region.equations)
    flops = {group: _flops(units, units.touching(region.equations, group)) for group in groups}
    # Of groups that touch the same equations, that with the most to save.
    for group in sorted(groups, key=lambda group: -flops[group]):
        widths = _widths(units.sizes[group], flops[group])
        if not widths:
            continue
        stretch = stretch_of(units, region.equations, region.outputs, group, widths)
        if stretch is not None:
            own = {one.writes for one in stretch.regions[stretch.size].equations}
            left = [one for one in region.equations if one.writes not in own]
            region = ordered([*left, _equation(program, units, streams, stretch)])
    return ordered([_sliced(program, units, streams, one) for one in region.equations])


def _sliced(
    program: Program, units: UnitMap, streams: Sequence[int], equation: Equation
) -> Equation:
    """Return a product at the narrowest width of a stream that holds what is kept of it."""
    if equation.name not in CONTRACTIONS:
        return equation
    for group in streams:
        if group in units.held or not units.touching([equation], group):
            continue
        widths = _widths(units.sizes[group], _flops(units, [equation]))[:STREAMED]
        if widths:
            stretch = single(units, equation, group, widths)
            return _equation(program, units, streams, stretch, sliced=True)
    return equation


def _flops(units: UnitMap, equations: Sequence[Equation]) -> float:
    """Return what the contractions among some equations cost for one example."""
    program, shape = units.network.program, units.cut.shape
    written, total = {one.writes[0] for one in equations}, 0
    for one in program.region.equations:
        if one.name in CONTRACTIONS and one.writes[0] in written:
            right = shape(one.reads[1])
            total += 2 * prod((*shape(one.writes[0]), *(right[axis] for axis in summed(one))))
    return total / program.shape(program.inputs[0])[0]


def _widths(size: int, flops: float) -> list[int]:
    """Return half of a group's units, half of those, and so on while that saves enough."""
    widths, left = [], size
    while left > 1 and flops * left / (2 * size) >= WORTH:
        left = -(-left // 2)
        widths.append(left)
    return widths


def _equation(
    program: Program,
    units: UnitMap,
    streams: Sequence[int],
    stretch: Stretch,
    sliced: bool = False,
) -> Equation:
    """Return a stretch as one equation of its group's mask, its blocks' and what it reads.

    Args:
      program: of which it is.
      units: of the network.
      streams: the groups whose kept units come first.
      stretch: the equations.
      sliced: whether its group is one of these.
    """
    inside = {
        width: _narrower(program, units.inside(stretch.group, width), streams, region)
        for width, region in stretch.regions.items()
    }
    reads = {n for region in inside.values() for one in region.equations for n in one.reads}
    masks = sorted(n for n in reads if n < 0 and n not in stretch.inputs)
    stretch = replace(stretch, inputs=(*stretch.inputs, *masks), regions=inside)
    # Within a stretch there is nothing to compute either if its block is left out.
    blocks = [] if units.held else _blocks(units.network, stretch.outputs)

    def run(mask: Any, *arrays: Any) -> list[Any]:
        there, rows = arrays[: len(blocks)], arrays[len(blocks) :]
        order = None if sliced else jnp.argsort(~mask, stable=True)
        ways: list[Callable[..., list[Any]]] = [
            partial(stretch.at, width, program.constants, order) for width in stretch.regions
        ]
        fitting = [mask.sum() <= width for width in stretch.regions]
        way = jnp.stack(fitting).sum(dtype=jnp.int32) - 1
        if blocks:
            shapes = jax.eval_shape(ways[0], *rows)
            nothing = [jnp.zeros(one.shape, one.dtype) for one in shapes]
            ways.append(lambda *_: nothing)
            present = jnp.stack([jnp.reshape(one, ()) for one in there]).all()
            way = jnp.where(present, way, len(ways) - 1)
        return jax.lax.switch(way, ways, *rows)

    reads = (mask_number(stretch.group), *blocks, *stretch.inputs)
    return Equation("stretch", None, reads, stretch.outputs, {}, run=run)


def _blocks(network: Traced, numbers: Sequence[int]) -> list[int]:
    """Return the masks of the blocks that are there whenever something needs these values."""
    needs = [network.needs.get(number, ALWAYS) for number in numbers]
    blocks = frozenset.intersection(*(blocks for need in needs for blocks in need))
    return [mask_number(len(network.layout.groups) + block) for block in sorted(blocks)]
