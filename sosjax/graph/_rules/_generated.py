"""Values made from nothing or from a random key: made in full, then cut."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from .._cut import Cut
from .._equation import Equation
from .._relations import Axes, Relations
from ._rule import Rule, register


def _relate(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    relations.stay(equation, reads, "it is a key of")
    return [relations.free(number) for number in equation.writes]


def _stay(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    return relations.stay(equation, reads, "it is a key of")


def _cut_after(cut: Cut, equation: Equation) -> Equation:
    """Take from the full array what is left: index 7 of a count stays 7."""

    def run(*arrays: Any) -> list[Any]:
        outs = equation.primitive.bind(*arrays, **equation.params)
        outs = outs if equation.primitive.multiple_results else [outs]
        outs = [jnp.asarray(out) for out in outs]
        return [cut.take(number, out) for number, out in zip(equation.writes, outs, strict=True)]

    return replace(equation, run=run)


_KEYS = "random_clone random_fold_in random_seed random_split random_unwrap random_wrap"

register(Rule(_relate, _cut_after), "iota", "random_bits", "rng_bit_generator", "rng_uniform")
register(Rule(_stay), *_KEYS.split())
