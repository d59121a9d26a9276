"""Cut a network's parameters for real, and run its equations on what is left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from .._errors import require
from .._tree import named_leaves
from ._block import Branch
from ._cut import Cut
from ._equation import Equation, Region
from ._need import is_needed, leaf_needs
from ._program import Program
from ._rules._rule import cut_region
from ._traced import Traced
from ._units import Ids

Resized = Mapping[tuple[str, int], int]


@final
@dataclass(frozen=True, eq=False)
class Shrunk:
    """A network whose removed units are gone.

    Attributes:
      params: the small parameters, the same pytree.
      apply: `apply(params, *inputs)`, a pure function: it jits, differentiates, exports and can be
        traced again.
    """

    params: Any
    apply: Callable[..., Any]

    def __call__(self, *inputs: Any) -> Any:
        """Return the outputs for inputs."""
        return self.apply(self.params, *inputs)


def make_cut(network: Traced, masks: Sequence[Any], resized: Resized) -> Cut:
    """Return which indices of every axis the groups' masks leave.

    Args:
      network: the traced network.
      masks: for each group which units are kept.
      resized: sizes of leaf axes that nothing is removed from but that are to be another size.
    """
    layout, relations = network.layout, network.relations
    there = np.concatenate([[True], *(np.asarray(mask, bool) for mask in masks)])
    other = {
        layout.labels(relations.axes_of(network.program.leaves[leaf])[axis]).tobytes(): size
        for (leaf, axis), size in resized.items()
    }

    def kept(axis: Ids) -> np.ndarray | None:
        table = layout.table(axis)
        if table is not None:
            alive = there[table].all(1)
            return None if alive.all() else np.flatnonzero(alive)
        size = other.get(layout.labels(axis).tobytes(), len(axis))
        return None if size == len(axis) else np.arange(size)

    return Cut(relations, kept)


def cut_program(program: Program, cut: Cut, skipped: Sequence[Branch]) -> Program:
    """Return the program for parameters from which units and branches are gone."""
    constants = dict(program.constants)
    # Constants that only dead code reads have no axes.
    for number in constants.keys() & cut.relations.axes.keys():
        if not cut.untouched(number):
            constants[number] = cut.take(number, np.asarray(constants[number]))
    region = cut_region(cut, without(program.region, skipped))
    return replace(program, region=region, constants=constants)


def without(region: Region, skipped: Sequence[Branch]) -> Region:
    """Return the region in which sums are their trunk alone."""
    equations = list(region.equations)
    for branch in skipped:
        equation = equations[branch.equation]
        trunk = equation.reads[1 - branch.side]
        run = lambda array: [array]  # noqa: E731
        equations[branch.equation] = Equation(
            "copy", None, (trunk,), equation.writes, {}, equation.source, run=run
        )
    return replace(region, equations=tuple(equations))


def check_small(network: Traced, cut: Cut, params: Any) -> None:
    """Refuse parameters that were not cut, or cut by other masks; empty leaves are those of blocks.

    Raises:
      InputError: a leaf has another shape.
    """
    for name, leaf in named_leaves(params).items():
        wanted, came = cut.shape(network.program.leaves[name]), np.shape(leaf)
        require(
            came == wanted or 0 in came,
            f"`params` must be cut by the masks that the function was made for: {name} of shape "
            f"{list(wanted)}, got {list(came)}.",
        )


def unneeded_leaves(network: Traced, skipped: Sequence[Branch]) -> set[str]:
    """Return the paths of the leaves that nothing needs once branches are left out."""
    needs = leaf_needs(network.program, network.needs)
    places = [network.branches.index(branch) for branch in skipped]
    return {name for name, need in needs.items() if not is_needed(need, places)}


def cut_leaf(cut: Cut, unneeded: set[str], number: int, name: str, leaf: Any) -> Any:
    """Return a leaf without what is gone; one that nothing needs any more is empty."""
    if name in unneeded:
        return leaf[:0]
    return leaf if cut.untouched(number) else cut.take(number, leaf)
