"""Contractions in half the bits: a program for accelerators that multiply bfloat16 fastest."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from ._count import CONTRACTIONS
from ._equation import Equation, Region
from ._program import Program


def in_bfloat16(program: Program) -> Program:
    """Return the program with the operands of contractions rounded to bfloat16.

    Products of matrices are summed up and given in float32, logits among them. Convolutions are
    rounded once more, since libraries want one type of them; a compiler that fuses the conversions
    stores activations in two bytes. All else, moments and normalisations, is in float32.
    """
    return replace(program, region=_region(program.region))


def _region(region: Region) -> Region:
    return replace(region, equations=tuple(map(_equation, region.equations)))


def _contracts(region: Region) -> bool:
    return any(
        one.name in CONTRACTIONS or any(map(_contracts, one.bodies)) for one in region.equations
    )


def _equation(equation: Equation) -> Equation:
    if any(map(_contracts, equation.bodies)):
        bodies = tuple(map(_region, equation.bodies))
        return replace(equation, bodies=bodies, rewritten=True, run=None)
    if equation.name not in CONTRACTIONS or equation.run is not None:
        return equation
    result = jnp.bfloat16 if equation.name == "conv_general_dilated" else jnp.float32
    params = equation.params | {"preferred_element_type": jnp.dtype(result)}

    def run(*arrays: Any) -> list[Any]:
        if any(array.dtype != jnp.float32 for array in arrays):
            return [equation.primitive.bind(*arrays, **equation.params)]
        rounded = [array.astype(jnp.bfloat16) for array in arrays]
        return [equation.primitive.bind(*rounded, **params).astype(jnp.float32)]

    return replace(equation, run=run)
