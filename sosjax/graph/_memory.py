"""All costs of a network, among them the activations that are alive at the same time."""

from collections import Counter
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ._cost import CostTable, Terms, cost_table, product, scaled
from ._count import Counting
from ._equation import Equation, Region
from ._rules._elementwise import NAMES
from ._traced import Traced
from ._units import Axis

_LAYOUT = "broadcast_in_dim iota reshape squeeze expand_dims transpose slice split rev"
_FUSED = frozenset(NAMES) | frozenset(_LAYOUT.split())
"""Primitives whose outputs a compiler computes where they are read, if nothing else needs them."""


def network_costs(
    network: Traced, buffers: Sequence[str] = (), varying: Sequence[Axis] = ()
) -> CostTable:
    """Count parameters, bytes, FLOPs and memory of a traced network.

    Args:
      network: the network.
      buffers: floating leaves that are no parameters.
      varying: axes of one size that varies; its count comes last.
    """
    counting = Counting(network, varying)
    costs = {
        "parameters": counting.parameters(buffers),
        "bytes": counting.bytes(),
        "flops": counting.flops(),
    }
    return cost_table(costs, activation_points(counting), tuple(counting.shared))


def activation_points(counting: Counting) -> list[Terms]:
    """Return the bytes alive at every point of the network, run in its own order.

    The model: elementwise and layout operations are fused into what reads them, everything else
    writes its output to memory, where it stays until it was read for the last time. Inputs count,
    parameters and what is made of parameters alone do not. Inside a loop's body one step counts.
    """
    return _points(counting, counting.network.program.region, {})


def _points(counting: Counting, region: Region, around: Terms) -> list[Terms]:
    program = counting.network.program
    given = {*program.constants, *program.leaves.values(), *region.inputs}
    ordered = region.ordered(given, region.outputs)
    stored = _stored(ordered, region) & (counting.network.relations.data | set(region.outputs))
    last = _last_reads(ordered, stored, region)
    alive: Counter[tuple[int, ...]] = Counter(around)
    for number in region.inputs:
        if number in program.inputs:
            alive.update(_bytes(counting, number))
    points = [dict(alive)]
    for place, equation in enumerate(ordered):
        for number in equation.writes:
            if number in stored:
                alive.update(_bytes(counting, number))
        points.append(dict(alive))
        for body in equation.bodies if equation.name in ("scan", "while", "cond") else ():
            points += _points(counting, body, dict(alive))
        for number in last.get(place, ()):
            alive.subtract(_bytes(counting, number))
    return points


def _stored(ordered: list[Equation], region: Region) -> set[int]:
    """Return the values that are written to memory."""
    stored = {*region.inputs, *region.outputs}
    for equation in ordered:
        if equation.name not in _FUSED:
            stored.update(equation.writes)
            stored.update(equation.reads)
    return stored


def _last_reads(ordered: list[Equation], stored: set[int], region: Region) -> dict[int, list[int]]:
    """Return, by equation, the stored values that nothing after it needs."""
    source: dict[int, frozenset[int]] = {}
    last: dict[int, int] = {}
    for place, equation in enumerate(ordered):
        behind: frozenset[int] = frozenset()
        for number in equation.reads:
            behind |= frozenset([number]) if number in stored else source.get(number, frozenset())
        last.update(dict.fromkeys(behind, place))
        source.update(dict.fromkeys(equation.writes, behind))
    written = {number for equation in ordered for number in equation.writes}
    kept = set(region.outputs)
    ends: dict[int, list[int]] = {}
    for number, place in last.items():
        if number in written and number not in kept:
            ends.setdefault(place, []).append(number)
    return ends


def _bytes(counting: Counting, number: int) -> Terms:
    dtype = counting.network.program.avals[number].dtype
    size = 0 if jnp.issubdtype(dtype, jax.dtypes.extended) else dtype.itemsize
    return scaled(counting.if_needed(product(counting.axes(number)), number), size)
