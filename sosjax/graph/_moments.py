"""Moments of activations: a program rewritten so that they are computed instead of read."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp

from .._errors import InputError, require
from ._alias import scaled_leaves
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
    for pair, batch, one in zip(statistics, batched, found, strict=True):
        rank = len(program.shape(one.source))
        axes = tuple(place for place in range(rank) if place != one.channels)
        writes = (program.leaves[pair.mean], program.leaves[pair.variance])
        scales = [scale for scale in one.scales if scale is not None]
        reads = [one.source, *([] if weights is None else [weights])]
        reads += [scale.reads[1] for scale in scales]
        run = partial(_scaled_moments, axes, batch, weights is not None, one.scales)
        equations.append(Equation("moments", None, tuple(reads), writes, {}, run=run))
    return replace(program, region=replace(program.region, equations=tuple(equations)))


def _scaled_moments(
    axes: tuple[int, ...],
    batch: int,
    weighted: bool,
    scales: Sequence[Equation | None],
    data: Any,
    *more: Any,
) -> list[Any]:
    """Return mean and variance as the leaves that the network makes them of by these scales."""
    found, numbers = _moments(axes, batch, data, more[0] if weighted else None), [*more[weighted:]]
    for place, scale in enumerate(scales):
        if scale is not None:
            number = numbers.pop(0)
            found[place] = found[place] * number if scale.name == "div" else found[place] / number
    return found


def _moments(axes: tuple[int, ...], batch: int, data: Any, weights: Any | None) -> list[Any]:
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
    for pair, single, double in zip(
        statistics, normalised(one, statistics), normalised(two, statistics), strict=True
    ):
        less, more = one.shape(single.source), two.shape(double.source)
        grown = [axis for axis, size in enumerate(more) if size == 2 * less[axis]]
        require(
            len(grown) == 1 and grown[0] != single.channels,
            f"`statistics` {pair.mean!r} must be subtracted from an activation with one axis of "
            f"examples, got shapes {list(less)} and {list(more)} for one and two.",
        )
        found.append(grown[0])
    return tuple(found)


class Normalised(NamedTuple):
    """An activation from which a mean is subtracted.

    Attributes:
      source: its number.
      channels: its axis of channels.
      scales: by what the leaves of mean and variance are multiplied or divided before; `None`:
        they are the moments.
    """

    source: int
    channels: int
    scales: tuple[Equation | None, Equation | None]


def normalised(program: Program, statistics: Sequence[Statistics]) -> list[Normalised]:
    """Find the activations from which the means are subtracted.

    Raises:
      InputError: a mean is subtracted from none, or the leaves have another size than the channels.
    """
    leaves, found = scaled_leaves(program), dict[str, tuple[int, int, Equation | None]]()
    variances: dict[str, Equation | None] = {}
    for equation in program.region.equations:
        if equation.name == "sub" and equation.reads[1] in leaves:
            leaf, axes, scale = leaves[equation.reads[1]]
            rank = len(program.shape(equation.reads[0]))
            place = axes.index(0) + rank - len(axes) if 0 in axes else rank - 1
            found.setdefault(leaf, (equation.reads[0], place, scale))
        if equation.name in ("add", "max"):
            for one in (leaves[number] for number in equation.reads if number in leaves):
                variances.setdefault(one.leaf, one.scale)
    return [_checked(program, pair, found, variances.get(pair.variance)) for pair in statistics]


def _checked(
    program: Program,
    pair: Statistics,
    found: dict[str, tuple[int, int, Equation | None]],
    scale: Equation | None,
) -> Normalised:
    if pair.mean not in found:
        raise InputError(
            f"`statistics` {pair.mean!r} must be subtracted from an activation, got no such use."
        )
    source, axis, own = found[pair.mean]
    shapes = [program.shape(program.leaves[leaf]) for leaf in (pair.mean, pair.variance)]
    wanted = (program.shape(source)[axis],)
    require(
        shapes == [wanted, wanted],
        f"`statistics` {pair.mean} must be a mean and a variance of shape {list(wanted)}, "
        f"got {[list(shape) for shape in shapes]}.",
    )
    return Normalised(source, axis, (own, scale))
