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

HALVINGS = 4
"""A stretch has the full width, a half of it, and so on to a sixteenth."""
WORTH = 1e7
"""FLOPs of a stretch for one example: of less, a search saves less than it takes to compile."""


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
    region = replace(program.region, equations=tuple(program.region.ordered(known, targets)))
    groups = range(len(network.layout.groups))
    flops = {group: _flops(network, units.touching(region.equations, group)) for group in groups}
    # Of groups that touch the same equations, that with the most to save.
    for group in sorted(groups, key=lambda group: -flops[group]):
        widths = _halves(network.layout.groups[group].size)
        if not widths or flops[group] < WORTH:
            continue
        stretch = stretch_of(units, region.equations, targets, group, widths)
        if stretch is not None:
            region = _with(region, stretch, _equation(program, network, stretch))
            region = replace(region, equations=tuple(region.ordered(known, targets)))
    return replace(program, region=region)


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


def _halves(size: int) -> list[int]:
    """Return the narrower widths of a group, the largest first."""
    widths = {-(-size // 2**times) for times in range(1, HALVINGS + 1)}
    return sorted(widths - {size}, reverse=True)


def _with(region: Region, stretch: Stretch, made: Equation) -> Region:
    """Return a region in which one equation stands for a stretch."""
    own = {id(one) for one in stretch.region.equations}
    left = (one for one in region.equations if id(one) not in own)
    return replace(region, equations=(*left, made))


def _equation(program: Program, network: Traced, stretch: Stretch) -> Equation:
    """Return a stretch as one equation of its group's mask, its blocks' and what it reads."""
    groups, region = len(network.layout.groups), stretch.region
    blocks = [mask_number(groups + block) for block in _blocks(network, region.outputs)]

    def run(mask: Any, *arrays: Any) -> list[Any]:
        there, rows = arrays[: len(blocks)], arrays[len(blocks) :]
        order = jnp.argsort(~mask, stable=True)
        full = partial(stretch.full, program.constants)
        narrow = [partial(stretch.at, width, program.constants, order) for width in stretch.narrow]
        ways: list[Callable[..., list[Any]]] = [full, *narrow]
        fitting = [mask.sum() <= width for width in stretch.narrow]
        way = jnp.stack(fitting).sum(dtype=jnp.int32)
        if blocks:
            nothing = [jnp.zeros(one.shape, one.dtype) for one in jax.eval_shape(full, *rows)]
            ways.append(lambda *_: nothing)
            present = jnp.stack([jnp.reshape(one, ()) for one in there]).all()
            way = jnp.where(present, way, len(ways) - 1)
        return jax.lax.switch(way, ways, *rows)

    reads = (mask_number(stretch.group), *blocks, *region.inputs)
    return Equation("stretch", None, reads, region.outputs, {}, run=run)


def _blocks(network: Traced, numbers: Sequence[int]) -> list[int]:
    """Return the blocks that are there whenever something needs these values."""
    needs = [network.needs.get(number, ALWAYS) for number in numbers]
    return sorted(frozenset.intersection(*(blocks for need in needs for blocks in need)))
