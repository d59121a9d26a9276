"""A network traced for inputs of one shape, with everything that was found in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from ._block import Branch, find_branches
from ._layout import Layout, Rules, find_groups
from ._need import Need, find_needs
from ._program import Program
from ._relations import Relations
from ._rules._rule import relate_region
from ._trace import trace_program


@final
@dataclass(frozen=True)
class Traced:
    """A program and its units.

    Attributes:
      program: the network as equations.
      relations: the units along every axis.
      layout: the groups.
      branches: the residual blocks.
      needs: by which blocks every value is needed.
    """

    program: Program
    relations: Relations
    layout: Layout
    branches: tuple[Branch, ...]
    needs: dict[int, Need]


def traced(apply: Callable[..., Any], params: Any, inputs: Sequence[Any], rules: Rules) -> Traced:
    """Trace a network and find what can be removed from it.

    Raises:
      InputError: the network cannot be traced.
    """
    program = trace_program(apply, params, inputs)
    relations = Relations(program)
    relate_region(relations, program.region)
    outputs = relations.units.reason("it is an axis of the outputs")
    for number in program.region.outputs:
        for axis in relations.axes_of(number):
            relations.units.pin(axis, outputs)
    layout = find_groups(relations, rules)
    branches = tuple(
        branch
        for branch in find_branches(relations)
        if not any(rules.protects(leaf) for leaf in branch.block.leaves)
    )
    return Traced(program, relations, layout, branches, find_needs(program, branches))
