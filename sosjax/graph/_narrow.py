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
from ._program import Program
from ._rules._contraction import summed
from ._stretch import Stretch, stretch_of
from ._traced import Traced
from ._unit_map import UnitMap

WORTH = 4e6
"""FLOPs that a narrower width has to save for one example: fewer take longer to compile."""


def narrowed(
    program: Program,
    network: Traced,
    masking: Masked,
    given: set[int],
    targets: Sequence[int],
) -> Program:
    """Let stretches run at the narrowest of a few widths that holds what the masks keep.

    Which one is chosen when the program runs. Under `vmap` over masks JAX runs all of them: this is
    for sub-networks one after the other. Nothing is computed that only a block needs that is left
    out.

    Args:
      program: reads masks, which must be boolean.
      network: as it was traced.
      masking: wrote the masks into it.
      given: the numbers of the values that it will be given.
      targets: the values that are asked for.
    """
    region = replace(program.region, inputs=tuple(given), outputs=tuple(targets))
    return replace(program, region=_narrower(program, UnitMap(network, masking, {}), region))


def _narrower(program: Program, units: UnitMap, region: Region) -> Region:
    """Return a region with one equation for each stretch, in order."""
    groups = [group for group in range(len(units.sizes)) if group not in units.held]
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
            region = ordered([*left, _equation(program, units, stretch)])
    return region


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


def _equation(program: Program, units: UnitMap, stretch: Stretch) -> Equation:
    """Return a stretch as one equation of its group's mask, its blocks' and what it reads."""
    inside = {
        width: _narrower(program, units.inside(stretch.group, width), region)
        for width, region in stretch.regions.items()
    }
    reads = {n for region in inside.values() for one in region.equations for n in one.reads}
    masks = sorted(n for n in reads if n < 0 and n not in stretch.inputs)
    stretch = replace(stretch, inputs=(*stretch.inputs, *masks), regions=inside)
    # Within a stretch there is nothing to compute either if its block is left out.
    blocks = [] if units.held else _blocks(units.network, stretch.outputs)

    def run(mask: Any, *arrays: Any) -> list[Any]:
        there, rows = arrays[: len(blocks)], arrays[len(blocks) :]
        order = jnp.argsort(~mask, stable=True)
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
