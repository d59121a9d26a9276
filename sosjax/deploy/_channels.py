"""Along which axes of a leaf the outputs of what reads it lie."""

import math
from typing import Any

import jax
import numpy as np

from .._tree import named_leaves
from ..graph._alias import leaf_aliases
from ..graph._equation import Equation
from ..graph._graph import trace
from ._network import Network


def output_channels(network: Network, example: jax.ShapeDtypeStruct) -> dict[str, tuple[int, ...]]:
    """Return for each leaf that int8 makes smaller the axes whose indices each have a scale.

    Those that a contraction does not sum over; for a table that is looked up, its rows; for what
    only a loop reads, the last axis.

    Args:
      network: a shrunk one.
      example: the shape and dtype of one input, without the batch.
    """
    inputs = jax.ShapeDtypeStruct((1, *example.shape), example.dtype)
    graph = trace(network.apply, network.params, inputs)
    program = graph.traced(network.params, (inputs,)).program
    aliases, summed, looked = leaf_aliases(program), {}, {}
    for equation in program.region.equations:
        for side, number in enumerate(equation.reads[:2]):
            if number not in aliases:
                continue
            leaf, axes = aliases[number]
            shape = program.shape(program.leaves[leaf])
            if (gone := _summed(equation, side)) is not None:
                inner = {axes[axis] for axis in gone}
                summed.setdefault(leaf, tuple(i for i in range(len(shape)) if i not in inner))
            elif equation.name == "gather" and side == 0:
                rows = equation.params["dimension_numbers"].start_index_map
                looked.setdefault(leaf, tuple(sorted({axes[axis] for axis in rows} - {None})))
    found = {}
    for name, leaf in named_leaves(network.params).items():
        channels = summed.get(name) or looked.get(name)
        if channels is None and sum(size > 1 for size in leaf.shape) > 1:  # no bias [C, 1, 1]
            channels = (leaf.ndim - 1,)
        if channels is not None and _is_worth(leaf, channels):
            found[name] = channels
    return found


def _summed(equation: Equation, side: int) -> tuple[int, ...] | None:
    """Return the axes of an operand that a contraction sums over; `None` if it is none."""
    if equation.name == "dot_general":
        return tuple(equation.params["dimension_numbers"][0][side])
    if equation.name == "conv_general_dilated" and side == 1:
        return tuple(equation.params["dimension_numbers"].rhs_spec[1:])
    return None


def _is_worth(leaf: Any, channels: tuple[int, ...]) -> bool:
    """Return whether a leaf is a matrix whose int8 and scales are fewer bytes than its floats."""
    if leaf.ndim < 2 or leaf.size == 0 or leaf.dtype != np.float32:
        return False
    return leaf.size + 4 * math.prod(leaf.shape[axis] for axis in channels) < 4 * leaf.size
