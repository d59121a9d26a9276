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
from ._rules._contraction import contracted
from ._stretch import Stretch, Units, stretch_of
from ._traced import Traced

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
    units = Units(network, masking)
    known = given | program.constants.keys()

    def ordered(equations: Sequence[Equation]) -> tuple[Equation, ...]:
        return tuple(Region((), (), tuple(equations)).ordered(known, targets))

    equations = ordered(program.region.equations)
    groups = range(len(units.sizes))
    flops = {group: _flops(network, units.touching(equations, group)) for group in groups}
    # Of groups that touch the same equations, that with the most to save.
    for group in sorted(groups, key=lambda group: -flops[group]):
        widths = _widths(units.sizes[group], flops[group])
        stretch = stretch_of(units, equations, targets, group, widths) if widths else None
        if stretch is not None:
            own = {one.writes for one in stretch.regions[stretch.size].equations}
            left = [one for one in equations if one.writes not in own]
            equations = ordered([*left, _equation(program, network, stretch)])
    return replace(program, region=replace(program.region, equations=equations))


def _flops(network: Traced, equations: Sequence[Equation]) -> float:
    """Return what the contractions among some equations cost for one example."""
    shape, written = network.program.shape, {one.writes[0] for one in equations}
    total = 0
    for one in network.program.region.equations:
        if one.name in CONTRACTIONS and one.writes[0] in written:
            right = shape(one.reads[1])
            summed = [right[place] for _, place in contracted(one)]
            if one.name == "conv_general_dilated":
                summed += [right[axis] for axis in one.params["dimension_numbers"].rhs_spec[2:]]
            total += 2 * prod((*shape(one.writes[0]), *summed))
    return total / shape(network.program.inputs[0])[0]


def _widths(size: int, flops: float) -> list[int]:
    """Return half of a group's units, half of those, and so on while that saves enough."""
    widths, left = [], size
    while left > 1 and flops * left / (2 * size) >= WORTH:
        left = -(-left // 2)
        widths.append(left)
    return widths


def _equation(program: Program, network: Traced, stretch: Stretch) -> Equation:
    """Return a stretch as one equation of its group's mask, its blocks' and what it reads."""
    blocks = _blocks(network, stretch.outputs)

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
