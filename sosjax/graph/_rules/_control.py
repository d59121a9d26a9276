"""Loops, branches and functions with bodies: a body's values are the equation's."""

from collections.abc import Sequence

from .._calls import scan_counts
from .._equation import Equation
from .._relations import Axes, Relations
from ._rule import Rule, register, relate_body


def _flags(relations: Relations, equation: Equation) -> list[bool]:
    return [number in relations.data for number in equation.reads]


def _scan(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    consts, carried = scan_counts(equation.params)
    steps = relations.fixed("it is gone through by", equation)
    for axes in reads[consts + carried :]:
        relations.units.pin(axes[0], steps.reason)
    carry = list(reads[consts : consts + carried])
    rows = [axes[1:] for axes in reads[consts + carried :]]
    data = _flags(relations, equation)
    if not all(data[consts + carried :]):
        relations.notes.append(
            f"layers stacked by `scan`{' at ' + equation.source if equation.source else ''} keep "
            "the same units in all: give each its own parameters to choose for each"
        )
    data[consts : consts + carried] = [any(data)] * carried
    outs = relate_body(relations, equation.bodies[0], [*reads[:consts], *carry, *rows], data)
    ends = [relations.unite(a, b) for a, b in zip(carry, outs[:carried], strict=True)]
    return [*ends, *((steps, *axes) for axes in outs[carried:])]


def _while(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    ahead, inside = equation.params["cond_nconsts"], equation.params["body_nconsts"]
    carry, data = list(reads[ahead + inside :]), _flags(relations, equation)
    turning = [any(data)] * len(carry)
    asked, body = equation.bodies
    relate_body(relations, asked, [*reads[:ahead], *carry], [*data[:ahead], *turning])
    outs = relate_body(
        relations,
        body,
        [*reads[ahead : ahead + inside], *carry],
        [*data[ahead : ahead + inside], *turning],
    )
    return [relations.unite(a, b) for a, b in zip(carry, outs, strict=True)]


def _cond(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    data = _flags(relations, equation)[1:]
    first, *others = (relate_body(relations, branch, reads[1:], data) for branch in equation.bodies)
    for outs in others:
        first = [relations.unite(a, b) for a, b in zip(first, outs, strict=True)]
    return first


def _custom_jvp(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    data = _flags(relations, equation)
    outs = relate_body(relations, equation.bodies[0], reads, data)
    twice = relate_body(relations, equation.bodies[1], [*reads, *reads], [*data, *data])
    for a, b in zip([*outs, *outs], twice, strict=True):
        relations.unite(a, b)
    return outs


def _custom_vjp(relations: Relations, equation: Equation, reads: Sequence[Axes]) -> list[Axes]:
    data = _flags(relations, equation)
    outs = relate_body(relations, equation.bodies[0], reads, data)
    given = [*data, *(True for _ in outs)]
    relations.cotangents.update(equation.bodies[1].inputs[len(reads) :])
    back = relate_body(relations, equation.bodies[1], [*reads, *outs], given)
    for a, b in zip(reads, back, strict=True):
        relations.unite(a, b)
    return outs


register(Rule(_scan), "scan")
register(Rule(_while), "while")
register(Rule(_cond), "cond")
register(Rule(_custom_jvp), "custom_jvp_call")
register(Rule(_custom_vjp), "custom_vjp_call")
