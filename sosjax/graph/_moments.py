"""Moments of activations: a program rewritten so that they are computed instead of read."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp

from .._errors import InputError, require
from ._alias import leaf_aliases
from ._equation import Equation
from ._head import Statistics
from ._program import Program


def estimating(
    program: Program,
    statistics: Sequence[Statistics],
    batched: Sequence[int],
    weights: int | None = None,
) -> Program:
    """Let the statistics be computed from the activation they normalise.

    Args:
      program: the network.
      statistics: which.
      batched: for each the activation's axis that examples lie along; see `batch_axes`.
      weights: the number of a value [B], how much each example counts; `None`: all alike.
    """
    equations = [*program.region.equations]
    found = normalised(program, statistics)
    for pair, batch, (source, axis) in zip(statistics, batched, found, strict=True):
        axes = tuple(place for place in range(len(program.shape(source))) if place != axis)
        writes = (program.leaves[pair.mean], program.leaves[pair.variance])
        reads = (source,) if weights is None else (source, weights)
        run = partial(_moments, axes, batch)
        equations.append(Equation("moments", None, reads, writes, {}, run=run))
    return replace(program, region=replace(program.region, equations=tuple(equations)))


def _moments(axes: tuple[int, ...], batch: int, data: Any, weights: Any | None = None) -> list[Any]:
    """Return mean and variance over all axes but that of the channels."""
    if weights is None:
        return [data.mean(axes), data.var(axes)]
    # The batch is the outer part of its axis, whatever was folded into it.
    each = jnp.repeat(weights, data.shape[batch] // len(weights))
    each = jnp.expand_dims(each, [axis for axis in range(data.ndim) if axis != batch])
    each = jnp.broadcast_to(each, data.shape)
    mean = (each * data).sum(axes) / each.sum(axes)
    gap = data - jnp.expand_dims(mean, axes)
    return [mean, (each * gap * gap).sum(axes) / each.sum(axes)]


def batch_axes(one: Program, two: Program, statistics: Sequence[Statistics]) -> tuple[int, ...]:
    """Return which axis of each activation that is normalised examples lie along.

    Args:
      one: the network for one example.
      two: for two of them.
      statistics: of which activations.

    Raises:
      InputError: as `normalised`, or examples lie along no axis, or along that of the channels.
    """
    found = []
    for pair, (single, channels), (double, _) in zip(
        statistics, normalised(one, statistics), normalised(two, statistics), strict=True
    ):
        sizes = zip(one.shape(single), two.shape(double), strict=True)
        grown = [axis for axis, (less, more) in enumerate(sizes) if more == 2 * less]
        require(
            len(grown) == 1 and grown[0] != channels,
            f"`statistics` {pair.mean!r} must be subtracted from an activation with one axis of "
            f"examples, got shapes {list(one.shape(single))} and {list(two.shape(double))} for one "
            "and two.",
        )
        found.append(grown[0])
    return tuple(found)


def normalised(program: Program, statistics: Sequence[Statistics]) -> list[tuple[int, int]]:
    """Find the activations from which the mean leaves are subtracted, and their channel axes.

    Raises:
      InputError: a mean is subtracted from none, or the leaves have another size than the channels.
    """
    aliases, found = leaf_aliases(program), {}
    for equation in program.region.equations:
        if equation.name == "sub" and equation.reads[1] in aliases:
            leaf, axes = aliases[equation.reads[1]]
            rank = len(program.shape(equation.reads[0]))
            place = axes.index(0) + rank - len(axes) if 0 in axes else rank - 1
            found.setdefault(leaf, (equation.reads[0], place))
    return [_checked(program, pair, found) for pair in statistics]


def _checked(
    program: Program, pair: Statistics, found: dict[str, tuple[int, int]]
) -> tuple[int, int]:
    if pair.mean not in found:
        raise InputError(
            f"`statistics` {pair.mean!r} must be subtracted from an activation, got no such use."
        )
    source, axis = found[pair.mean]
    shapes = [program.shape(program.leaves[leaf]) for leaf in (pair.mean, pair.variance)]
    wanted = (program.shape(source)[axis],)
    require(
        shapes == [wanted, wanted],
        f"`statistics` {pair.mean} must be a mean and a variance of shape {list(wanted)}, "
        f"got {[list(shape) for shape in shapes]}.",
    )
    return source, axis
