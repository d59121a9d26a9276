"""What a rule is: how one primitive joins units, and how it runs when some are gone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from .._cut import Cut
from .._equation import Equation, Region
from .._relations import Axes, Relations

Relate = Callable[[Relations, Equation, Sequence[Axes]], Sequence[Axes]]
Rewrite = Callable[[Cut, Equation], Equation]
Sums = Callable[[Equation], list[tuple[int, int]]]


def unchanged(cut: Cut, equation: Equation) -> Equation:
    """Return the equation: its parameters do not speak of the sizes of axes."""
    del cut
    return equation


def no_sums(equation: Equation) -> list[tuple[int, int]]:
    """Return nothing: the primitive sums over no axis."""
    del equation
    return []


@final
@dataclass(frozen=True)
class Rule:
    """How the graph understands one primitive.

    Attributes:
      relate: joins, pins and defines the units of the axes read, and returns the axes written.
      rewrite: the same equation for operands from which units are gone.
      sums: pairs (operand, axis) that the primitive sums over; removed units are masked there.
    """

    relate: Relate
    rewrite: Rewrite = unchanged
    sums: Sums = no_sums


RULES: dict[str, Rule] = {}
"""The rule of every primitive, by name; a primitive without one pins what it touches."""


def register(rule: Rule, *names: str) -> None:
    """Give primitives a rule.

    Example:
      A primitive that works index by index has the rule of `exp`:

      >>> from sosjax.graph import RULES, register
      >>> register(RULES["exp"], "my_activation")
    """
    for name in names:
        RULES[name] = rule


def relate_region(relations: Relations, region: Region) -> None:
    """Apply the rule of every equation, in order."""
    for equation in region.equations:
        reads = [relations.axes_of(number) for number in equation.reads]
        if any(number in relations.data for number in equation.reads):
            relations.data.update(equation.writes)
        if any(number in relations.cotangents for number in equation.reads):
            relations.cotangents.update(equation.writes)
        rule = RULES.get(equation.name)
        if rule is None:
            relations.unknown.setdefault(equation.name, equation.source)
            writes = relations.stay(equation, reads, "no rule is known for")
        else:
            writes = rule.relate(relations, equation, reads)
        relations.axes.update(zip(equation.writes, writes, strict=True))


def relate_body(
    relations: Relations, region: Region, axes: Sequence[Axes], data: Sequence[bool]
) -> list[Axes]:
    """Relate a body, given its inputs' axes and whether they are data; return its outputs' axes."""
    relations.axes.update(zip(region.inputs, axes, strict=True))
    marked = zip(region.inputs, data, strict=True)
    relations.data.update(number for number, is_data in marked if is_data)
    relate_region(relations, region)
    return [relations.axes_of(number) for number in region.outputs]


def cut_region(cut: Cut, region: Region) -> Region:
    """Rewrite the equations that units are gone from."""
    equations = [cut_equation(cut, equation) for equation in region.equations]
    return replace(region, equations=tuple(equations))


def cut_equation(cut: Cut, equation: Equation) -> Equation:
    """Rewrite one equation; untouched ones stay as they are, with their own derivatives."""
    bodies = tuple(cut_region(cut, body) for body in equation.bodies)
    same = all(
        one is other
        for body, before in zip(bodies, equation.bodies, strict=True)
        for one, other in zip(body.equations, before.equations, strict=True)
    )
    inside = [number for body in equation.bodies for number in (*body.inputs, *body.outputs)]
    if same and cut.untouched(*equation.reads, *equation.writes, *inside):
        return equation
    if bodies:
        return replace(equation, bodies=bodies, rewritten=True, run=None)
    return RULES[equation.name].rewrite(cut, equation)


def with_params(equation: Equation, **params: Any) -> Equation:
    """Return the equation with other parameters."""
    return replace(equation, params=equation.params | params)
