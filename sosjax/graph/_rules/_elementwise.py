"""Primitives that work on every index by itself."""

from collections.abc import Sequence

from .._equation import Equation
from .._relations import Axes, Relations
from ._rule import Rule, register

_ALL = """
abs acos acosh add add_any and asin asinh atan atan2 atanh bessel_i0e bessel_i1e
bitcast_convert_type cbrt ceil clamp clz complex conj convert_element_type copy copy_p cos cosh
digamma div eq eq_to erf erf_inv erfc exp exp2 expm1 floor ge ge_to gt gt_to igamma
igamma_grad_a igammac imag integer_pow is_finite le le_to lgamma log log1p logistic lt lt_to max
min mul mul_add mulhi name ne neg nextafter not or pcast polygamma population_count pow pvary
real reduce_precision regularized_incomplete_beta rem reshard round rsqrt select_n
sharding_constraint shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt
square stop_gradient sub tan tanh threefry2x32 xor zeta
"""
NAMES = tuple(_ALL.split())
"""The primitives that work index by index."""


def _relate(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    """Join the operands' axes; axes of size one are broadcast, scalars have none."""
    shape = relations.shape(equation.writes[0])
    if any(axes and len(axes) != len(shape) for axes in reads):
        return relations.stay(equation, reads, "its bits are regrouped by")
    operands = [
        (relations.shape(number), axes)
        for number, axes in zip(equation.reads, reads, strict=True)
        if len(axes) == len(shape)
    ]
    out = []
    for place, size in enumerate(shape):
        joined = None
        for operand, axes in operands:
            if operand[place] != size:
                relations.pin(axes[place], "it is repeated by", equation)
            elif joined is None:
                joined = axes[place]
            else:
                joined = relations.units.unite(joined, axes[place])
        out.append(relations.fresh(size) if joined is None else joined)
        if _made_by_weights(relations, equation, place):
            relations.produced.append(out[place])
    return [tuple(out)] * len(equation.writes)


def _made_by_weights(relations: Relations, equation: Equation, place: int) -> bool:
    """Say whether only parameters have the units of an axis: data are repeated along it."""
    shape = relations.shape(equation.writes[0])
    operands = [number for number in equation.reads if len(relations.shape(number)) == len(shape)]
    wide = [number for number in operands if relations.shape(number)[place] == shape[place]]
    return (
        bool(relations.data.intersection(operands))
        and not relations.data.intersection(wide)
        and not all(relations.constant(number) for number in wide)
    )


def _pass(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    """Write what is read."""
    del relations, equation
    return list(reads)


register(Rule(_relate), *NAMES)
register(Rule(_pass), "device_put", "optimization_barrier")
