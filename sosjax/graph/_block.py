"""Residual blocks: sums `x + f(x)` whose branch `f` can be left out."""

import os.path
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from ._equation import Equation
from ._group import Block
from ._layout import layer_name
from ._relations import Relations


@final
@dataclass(frozen=True)
class Branch:
    """Where a block joins the rest.

    Attributes:
      block: the block.
      equation: the number of the sum among the program's equations.
      side: which operand of the sum is the branch.
    """

    block: Block
    equation: int
    side: int


def find_branches(relations: Relations) -> tuple[Branch, ...]:
    """Find every sum of a value and something that is made of it by parameters of its own."""
    program = relations.program
    region = program.region
    producer = {number: eqn for eqn in region.equations for number in eqn.writes}
    everything = _written(region.ordered(_given(relations), region.outputs))
    paths = {number: name for name, number in program.leaves.items()}
    found = []
    for place, equation in enumerate(region.equations):
        side = _branch_side(relations, equation, producer)
        if side is None:
            continue
        left = _needed_without(relations, place, side)
        own, shared = everything - left, _leaves(region.equations, left, paths)
        leaves = [
            paths[number]
            for number in _leaves(region.equations, own, paths)
            if number not in shared and program.shape(number)
        ]
        if leaves:
            name = _name(relations, producer.get(equation.reads[side]), leaves)
            found.append(Branch(Block(name, tuple(leaves)), place, side))
    return _named_apart(found)


def _given(relations: Relations) -> set[int]:
    program = relations.program
    return {*program.constants, *program.leaves.values(), *program.inputs}


def _leaves(
    equations: Iterable[Equation], among: set[int], paths: dict[int, str]
) -> dict[int, None]:
    """Return the leaves that some equations read, in the order of their use."""
    reads = (
        number for eqn in equations if among.issuperset(eqn.writes[:1]) for number in eqn.reads
    )
    return {number: None for number in reads if number in paths}


def _branch_side(
    relations: Relations, equation: Equation, producer: dict[int, Equation]
) -> int | None:
    """Return which operand of a sum is made of the other, or of a part of it, if one is.

    In `(x + f(x)) + g(x)` both `f` and `g` are branches.
    """
    if equation.name != "add":
        return None
    left, right = equation.reads
    if relations.shape(left) != relations.shape(right) or left == right:
        return None
    leaves = set(relations.program.leaves.values())
    for side, (branch, trunk) in enumerate(((left, right), (right, left))):
        # A trunk may be made of a leaf, such as learnt queries; a leaf itself is a bias.
        if branch not in relations.data or trunk in leaves:
            continue
        parts = _behind(trunk, producer, sums=True) & relations.data | {trunk}
        if _behind(branch, producer) & parts:
            return side
    return None


def _behind(start: int, producer: dict[int, Equation], sums: bool = False) -> set[int]:
    """Return a value and all that it is made of, or is the sum of."""
    seen, waiting = {start}, [start]
    while waiting:
        equation = producer.get(waiting.pop())
        if equation is None or (sums and equation.name != "add"):
            continue
        waiting += [read for read in equation.reads if read not in seen]
        seen.update(equation.reads)
    return seen


def _needed_without(relations: Relations, place: int, side: int) -> set[int]:
    """Return the equations that the outputs need when a branch is given."""
    region = relations.program.region
    known = _given(relations) | {region.equations[place].reads[side]}
    return _written(region.ordered(known, region.outputs))


def _written(equations: Iterable[Equation]) -> set[int]:
    return {number for equation in equations for number in equation.writes}


def _name(relations: Relations, last: Equation | None, leaves: list[str]) -> str:
    if last is not None and last.name == "name":
        return str(last.params["name"])
    leaves_by = relations.program.leaves
    matrices = [name for name in leaves if len(relations.shape(leaves_by[name])) > 1] or leaves
    layers = [layer_name(name) for name in matrices]
    # Without a common path, the layer next to the sum: the branch may hold a whole encoder.
    return os.path.commonpath(layers) or layers[-1]


def _named_apart(branches: list[Branch]) -> tuple[Branch, ...]:
    names = [branch.block.name for branch in branches]
    out = []
    for number, branch in enumerate(branches):
        if names.count(names[number]) > 1:
            name = f"{names[number]}.{names[:number].count(names[number])}"
            block = Block(name, branch.block.leaves)
            branch = Branch(block, branch.equation, branch.side)
        out.append(branch)
    return tuple(out)
