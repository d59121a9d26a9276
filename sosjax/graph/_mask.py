"""Masks on activations: a program in which removed units are zero where they are consumed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from .._errors import require
from ._contraction import Contraction, contractions
from ._group import Group, Head
from ._program import Equation, Program


def mask_number(group: int) -> int:
    """Return the number of the value that is a group's mask."""
    return -1 - group


def head_site(program: Program, head: Head) -> Contraction:
    """Return the contraction that is the classifier.

    Raises:
      InputError: the head's kernel is used otherwise than for one product with features [B, F].
    """
    sites = [site for site in contractions(program) if site.leaf == head.kernel]
    require(
        len(sites) == 1 and sites[0].contracted == {0: 1},
        f"`head.kernel` {head.kernel!r} must be multiplied once with features [B, F], "
        f"got {len(sites)} uses.",
    )
    return sites[0]


def masked(program: Program, groups: Sequence[Group], head: Contraction) -> tuple[Program, int]:
    """Mask the data operand of every contraction that consumes a group.

    A mask at the producer would be wrong: a bias or a normalisation revives a zeroed channel.

    Returns:
      The program, which reads the masks under `mask_number`, and the number of the head's
      (masked) features.
    """
    owners = {place: g for g, group in enumerate(groups) for place in group.slices}
    equations, shapes = list(program.equations), dict(program.shapes)
    made: dict[tuple[int, int, int], int] = {}
    for site in contractions(program):
        for leaf_axis, data_axis in site.contracted.items():
            group = owners.get((site.leaf or "", leaf_axis))
            if group is None:
                continue
            consumer = equations[site.equation]
            source = consumer.reads[site.data]
            place = (source, data_axis, group)
            if place not in made:
                made[place] = len(shapes)
                shapes[made[place]] = shapes[source]
                equations.append(_mask_equation(*place, made[place], len(shapes[source])))
            reads = list(consumer.reads)
            reads[site.data] = made[place]
            equations[site.equation] = replace(consumer, reads=tuple(reads))
    feature = equations[head.equation].reads[head.data]
    return replace(program, equations=tuple(equations), shapes=shapes), feature


def _mask_equation(source: int, axis: int, group: int, target: int, rank: int) -> Equation:
    def run(data: Any, mask: Any) -> list[Any]:
        mask = jnp.reshape(mask, [-1 if place == axis else 1 for place in range(rank)])
        # `where` and not a product: a removed unit may be infinite, and 0 * inf is NaN.
        return [jnp.where(mask, data, 0) if mask.dtype == bool else data * mask]

    return Equation("mask", run, (source, mask_number(group)), (target,), {})
