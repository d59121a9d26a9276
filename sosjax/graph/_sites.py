"""Where what is kept can stand in for what is removed: products of data with a leaf.

The output of such a product is a sum over features. When some of them are removed, other weights of
the kept ones come closest to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from ._alias import Aliases, leaf_aliases
from ._equation import Equation, Region
from ._rules._contraction import contracted
from ._traced import Traced

CONTRACTIONS = ("dot_general", "conv_general_dilated")


@final
@dataclass(frozen=True, eq=False)
class Site:
    """A product of rows of data [..., F] with a leaf that is a matrix [F, O] but for its axes.

    Attributes:
      leaf: path of the leaf.
      equation: the contraction.
      data: the value that it reads rows from, by number.
      summed: the data's axes that are summed over; of a convolution its channels.
      order: the leaf's axes, those summed over first.
      made: the axes of the product that are the leaf's.
      table: int32 [F, k]: a feature is there if all its k units are; see `Graph.tables`.
    """

    leaf: str
    equation: Equation
    data: int
    summed: tuple[int, ...]
    order: tuple[int, ...]
    made: tuple[int, ...]
    table: np.ndarray

    @property
    def product(self) -> int:
        """The number of the product's value."""
        return self.equation.writes[0]

    def rows(self, data: Any, shape: Sequence[int]) -> Any:
        """Return data as rows [..., F]; `shape` is the leaf's."""
        if self.equation.name == "dot_general":
            return _last(data, self.summed)
        params, numbers = self.equation.params, self.equation.params["dimension_numbers"]
        patches = jax.lax.conv_general_dilated_patches(
            jnp.transpose(data, numbers.lhs_spec),
            tuple(shape[axis] for axis in self.order[1:-1]),
            params["window_strides"],
            params["padding"],
            params["lhs_dilation"],
            params["rhs_dilation"],
            precision=jax.lax.Precision.HIGHEST,
        )
        return jnp.moveaxis(patches, 1, -1)

    def outputs(self, product: Any) -> Any:
        """Return the product as rows [..., O]."""
        return _last(product, self.made)

    def matrix(self, leaf: Any) -> Any:
        """Return the leaf as a matrix [F, O]."""
        return jnp.transpose(leaf, self.order).reshape(len(self.table), -1)

    def as_leaf(self, matrix: Any, leaf: Any) -> Any:
        """Return a matrix [F, O] in the leaf's shape and dtype."""
        moved = matrix.reshape([leaf.shape[axis] for axis in self.order])
        return jnp.transpose(moved, np.argsort(self.order).tolist()).astype(leaf.dtype)

    def kept(self, masks: Sequence[Any]) -> Any:
        """Return which features masks of the groups leave, bool [F]."""
        flat = jnp.concatenate([jnp.ones(1, bool), *(jnp.asarray(mask, bool) for mask in masks)])
        return flat[self.table].all(1)


class Sites(NamedTuple):
    """What can be compensated, and what cannot.

    Attributes:
      found: the sites, in the order of the program; no leaf is in two.
      refused: for leaves that features are removed from all the same, why they are none.
    """

    found: tuple[Site, ...]
    refused: dict[str, str]


def find_sites(network: Traced, without: Sequence[str] = ()) -> Sites:
    """Find the products of data with a leaf whose features can be removed.

    Args:
      network: the traced network.
      without: leaves that are none, such as those of a head that is fitted anyway.
    """
    program, found, refused = network.program, [], {}
    aliases = leaf_aliases(program)
    uses = _uses(program.region, aliases)
    for equation, leaf, side in _products(network, aliases):
        if leaf in without:
            continue
        table = _table(network, equation, 1 - side)
        if table is None:
            continue
        reason = _fault(equation, aliases[equation.reads[side]][1], side, uses[leaf])
        if reason:
            refused[leaf] = reason
            continue
        found.append(_site(network, equation, side, table, aliases))
    refused |= dict.fromkeys(_inside(network, aliases, without), "it is used inside a loop")
    return Sites(tuple(found), refused)


def _products(network: Traced, aliases: Aliases) -> Iterator[tuple[Equation, str, int]]:
    """Yield contractions of data with a leaf, the leaf, and which operand it is."""
    for equation in network.program.region.equations:
        if equation.name in CONTRACTIONS:
            for side in (0, 1):
                weight, data = equation.reads[side], equation.reads[1 - side]
                if weight in aliases and data in network.relations.data:
                    yield equation, aliases[weight][0], side


def _fault(equation: Equation, axes: tuple[int | None, ...], side: int, uses: int) -> str | None:
    """Return why a product is no site."""
    if uses != 1:
        return f"it is used {uses} times"
    if None in axes:
        return "it is repeated along an axis"
    params = equation.params
    if equation.name == "dot_general":
        shared = params["dimension_numbers"][1][side]
        return "every example has a part of it" if shared else None
    if side != 1 or params["feature_group_count"] != 1 or params["batch_group_count"] != 1:
        return "its channels are in groups"
    return None


def _site(
    network: Traced,
    equation: Equation,
    side: int,
    table: np.ndarray,
    aliases: Aliases,
) -> Site:
    leaf, axes = aliases[equation.reads[side]]
    if equation.name == "dot_general":
        sums = [pair[side] for pair in contracted(equation)]
        rest = [place for place in range(len(axes)) if place not in sums]
        summed = tuple(pair[1 - side] for pair in contracted(equation))
        rank = len(network.program.shape(equation.writes[0]))
        made = tuple(range(rank - len(rest), rank) if side == 1 else range(len(rest)))
    else:
        numbers = equation.params["dimension_numbers"]
        sums, rest = list(numbers.rhs_spec[1:]), [numbers.rhs_spec[0]]
        summed, made = (numbers.lhs_spec[1],), (numbers.out_spec[1],)
    order = tuple(axis for place in (*sums, *rest) if (axis := axes[place]) is not None)
    return Site(leaf, equation, equation.reads[1 - side], summed, order, made, table)


def _table(network: Traced, equation: Equation, side: int) -> np.ndarray | None:
    """Return the units of the features that a contraction sums over; `None` if all stay."""
    axes = network.relations.axes_of(equation.reads[side])
    places = [pair[side] for pair in contracted(equation)]
    sizes = [network.program.shape(equation.reads[side])[place] for place in places]
    tables = [network.layout.table(axes[place]) for place in places]
    if all(table is None for table in tables):
        return None
    if equation.name != "dot_general":
        # A feature is a channel at one place of the window.
        numbers = equation.params["dimension_numbers"]
        window = [network.program.shape(equation.reads[1])[axis] for axis in numbers.rhs_spec[2:]]
        sizes, tables = [*sizes, prod(window)], [*tables, None]
    parts = []
    for place, (size, table) in enumerate(zip(sizes, tables, strict=True)):
        table = np.zeros((size, 1), np.int32) if table is None else table
        shape = [1] * len(sizes) + [table.shape[1]]
        shape[place] = size
        parts.append(np.broadcast_to(table.reshape(shape), (*sizes, table.shape[1])))
    return np.concatenate(parts, -1).reshape(prod(sizes), -1)


def _uses(region: Region, aliases: Aliases) -> dict[str, int]:
    """Return how often each leaf is read otherwise than to move its axes about."""
    uses = dict.fromkeys((leaf for leaf, _ in aliases.values()), 0)
    for equation in region.equations:
        if not (equation.writes and equation.writes[0] in aliases):
            for number in (*equation.reads, *equation.shared):
                if number in aliases:
                    uses[aliases[number][0]] += 1
    for number in region.outputs:
        if number in aliases:
            uses[aliases[number][0]] += 1
    return uses


def _inside(network: Traced, aliases: Aliases, without: Sequence[str]) -> Iterator[str]:
    """Yield leaves with removable axes that loops, branches and the like read."""
    layout, relations = network.layout, network.relations
    for equation in network.program.region.equations:
        for number in equation.reads if equation.bodies else ():
            leaf = aliases.get(number, ("",))[0]
            removable = any(layout.table(axis) is not None for axis in relations.axes_of(number))
            if leaf and leaf not in without and removable and len(relations.shape(number)) > 1:
                yield leaf


def _last(array: Any, axes: Sequence[int]) -> Any:
    """Move axes to the end and make one of them, [..., n]."""
    array = jnp.moveaxis(array, axes, tuple(range(-len(axes), 0)))
    return array.reshape(*array.shape[: array.ndim - len(axes)], -1)
