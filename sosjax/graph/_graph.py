"""A network and what can be removed from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

import jax
import numpy as np

from .._errors import InputError, listing, require
from .._tree import named_leaves, with_leaves
from ._block import Branch
from ._certify import Certificate, certify
from ._check import (
    check_closure,
    check_inputs,
    check_leaf,
    check_masks,
    check_params,
    check_patterns,
    checked_counts,
)
from ._cost import CostTable
from ._cut import Cut
from ._group import Block, Group
from ._layout import Rules
from ._mask import Masked, given_mask, mask_number
from ._memory import network_costs
from ._mirror import mirrored
from ._program import Program
from ._shrink import (
    Resized,
    Shrunk,
    check_small,
    cut_leaf,
    cut_program,
    make_cut,
    unneeded_leaves,
)
from ._summary import summary
from ._trace import struct
from ._traced import Traced, traced

Masks = Sequence[Any]
"""One boolean array [size] for each group; then, if wanted, one [1] for each block."""


_SAME: Resized = MappingProxyType({})


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """What can be removed from a network, and how it runs without it.

    Attributes:
      apply: the network, `apply(params, *inputs)`.
      shapes: the parameters as `jax.ShapeDtypeStruct`.
      inputs: the example inputs as such, a tuple.
      rules: what the user said of groups.
      groups: the removable groups.
      blocks: the residual branches that can be left out.
      pinned: for every leaf axis that cannot be cut, why.
      costs: what a sub-network costs, for the example inputs.
    """

    apply: Callable[..., Any]
    shapes: Any
    inputs: tuple[Any, ...]
    rules: Rules
    groups: tuple[Group, ...]
    blocks: tuple[Block, ...]
    pinned: dict[tuple[str, int], str]
    costs: CostTable
    _cache: dict[Any, Traced] = field(repr=False)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each group, [G]."""
        return tuple(group.size for group in self.groups)

    def full(self) -> list[np.ndarray]:
        """Return masks that remove nothing, blocks included."""
        return [np.ones(size, bool) for size in (*self.sizes, *(1 for _ in self.blocks))]

    def tables(self) -> dict[tuple[str, int], np.ndarray]:
        """Return for every leaf axis that can be cut which units its indices belong to.

        Returns:
          int32 [n, k] by (leaf, axis): an index is there if all its k units are. Units are numbered
          from 1 through all groups; 0 stands for what is always there.
        """
        network = self._example()
        found = {}
        for name, number in network.program.leaves.items():
            for place, axis in enumerate(network.relations.axes_of(number)):
                table = network.layout.table(axis)
                if table is not None:
                    found[name, place] = table
        return found

    def traced(self, params: Any, inputs: Sequence[Any]) -> Traced:
        """Return the network traced for inputs of these shapes and parameters of these dtypes.

        Raises:
          InputError: the network cannot be traced for them, or other groups are found then.
        """
        check_inputs(inputs)
        key = _key(params, inputs)
        if key not in self._cache:
            shapes, leaves = named_leaves(self.shapes), named_leaves(params)
            structs = {name: _typed(leaf, leaves[name]) for name, leaf in shapes.items()}
            try:
                network = traced(self.apply, with_leaves(self.shapes, structs), inputs, self.rules)
            except InputError as error:
                example = listing(leaf.shape for leaf in jax.tree.leaves(self.inputs))
                raise InputError(
                    f"`inputs` must be such as the network was traced with ({example}): {error}"
                ) from error
            require(
                network.layout.footprint == self._example().layout.footprint
                and tuple(branch.block for branch in network.branches) == self.blocks,
                "`inputs` must leave what can be removed as it is, got other groups for "
                f"{listing(leaf.shape for leaf in jax.tree.leaves(tuple(inputs)))} than for the "
                "example inputs.",
            )
            self._cache[key] = network
        return self._cache[key]

    def masked_program(self, network: Traced, resized: Resized = _SAME) -> tuple[Program, Masked]:
        """Return the program that reads masks, and where its masked operands are."""
        program = network.program
        if resized:
            full = self.full()[: len(self.groups)]
            program = cut_program(program, make_cut(network, full, resized), ())
        masking = Masked(program, network.relations, network.layout)
        return masking.run(network.branches), masking

    def given_masks(self, masks: Masks) -> dict[int, Any]:
        """Return masks as values of the masked program, ones for blocks that are not named."""
        masks = [*masks, *self.full()[len(masks) :]]
        return {mask_number(place): given_mask(mask) for place, mask in enumerate(masks)}

    def masked(self, params: Any, masks: Masks, *inputs: Any) -> Any:
        """Run the network with the dropped units gone, on the full parameters.

        Masks are applied to activations where a contraction sums over them, so `vmap` over masks
        shares the parameters and computes what comes before the first mask once.

        Args:
          params: the full parameters.
          masks: for each group an array [size]; boolean, or float to differentiate by. Then, if
            wanted, one [1] for each block.
          inputs: as for `apply`.

        Raises:
          InputError: masks or inputs do not fit the network.
        """
        check_masks(self.groups, self.blocks, masks)
        check_params(self.shapes, params)
        network = self.traced(params, inputs)
        program, _ = self.masked_program(network)
        return program.outcome(program.given(params, inputs) | self.given_masks(masks))

    def shrink(self, params: Any, masks: Masks) -> Shrunk:
        """Cut parameters for real and give the function for them.

        The network's own function is not called on smaller arrays, which module libraries refuse
        and `sqrt(x.shape[-1])` would change in silence: its equations are run with their shapes
        rewritten.

        Args:
          params: the full parameters.
          masks: for each group a boolean array [size]; then, if wanted, one [1] for each block.

        Raises:
          InputError: a mask has another shape or keeps nothing.
        """
        check_masks(self.groups, self.blocks, masks, concrete=True)
        check_params(self.shapes, params)
        return Shrunk(self.cut_params(params, masks), self.shrunk_apply(masks))

    def cut_params(self, params: Any, masks: Masks, resized: Resized = _SAME) -> Any:
        """Return the parameters without what the masks leave out; see `shrunk_apply`."""
        network = self._example()
        cut, skipped = self._cut(network, masks, resized)
        unneeded, numbers = unneeded_leaves(network, skipped), network.program.leaves
        leaves = {
            name: cut_leaf(cut, unneeded, numbers[name], name, leaf)
            for name, leaf in named_leaves(params).items()
        }
        return with_leaves(params, leaves)

    def shrunk_apply(self, masks: Masks, resized: Resized = _SAME) -> Callable[..., Any]:
        """Return the function of parameters that were cut by these masks.

        Args:
          masks: as for `shrink`.
          resized: other sizes for leaf axes that end in the outputs, such as a new head's classes.
        """
        check_masks(self.groups, self.blocks, masks, concrete=True)
        programs: dict[int, tuple[Traced, Cut, Program]] = {}
        masks = [np.array(mask, bool) for mask in masks]

        def apply(params: Any, *inputs: Any) -> Any:
            network = self.traced(params, inputs)
            if id(network) not in programs:
                cut, skipped = self._cut(network, masks, resized)
                programs[id(network)] = (network, cut, cut_program(network.program, cut, skipped))
            _, cut, program = programs[id(network)]
            check_small(network, cut, params)
            return program.outcome(program.given(params, inputs))

        return apply

    def cut(self, tree: Any, masks: Masks) -> Any:
        """Cut the parameters, or any tree with leaves like theirs, such as an optimiser's state.

        Args:
          tree: a pytree; leaves whose path ends like that of a parameter (`0/mu/dense/kernel`) and
            that have its shape are cut like it, all others stay.
          masks: for each group a boolean array [size]; then, if wanted, one [1] for each block.

        Raises:
          InputError: a mask does not fit, a leaf is named like a parameter but has another shape,
            or the tree has arrays and none is like a parameter.
        """
        check_masks(self.groups, self.blocks, masks, concrete=True)
        leaves, shapes = named_leaves(tree), named_leaves(self.shapes)
        network = self._example()
        cut, skipped = self._cut(network, masks, _SAME)
        unneeded, numbers = unneeded_leaves(network, skipped), network.program.leaves
        smaller = unneeded | {name for name in numbers if not cut.untouched(numbers[name])}
        found = mirrored(leaves, shapes, smaller)
        require(
            found or not any(np.ndim(leaf) for leaf in leaves.values()),
            f"`tree` must have leaves like the parameters', such as {listing(shapes, 2)}, got "
            f"{listing(leaves, 2)}.",
        )
        for path, name in found.items():
            check_leaf(path, leaves[path])
            leaves[path] = cut_leaf(cut, unneeded, numbers[name], name, leaves[path])
        return with_leaves(tree, leaves)

    def cost(self, kept: Any) -> dict[str, np.ndarray]:
        """Return exact costs of sub-networks.

        Args:
          kept: whole numbers [..., G] or [..., G + blocks]: units kept in each group, then whether
            each block is there.

        Returns:
          int64 arrays [...]: `parameters` (numbers of floating leaves), `bytes` (of all leaves as
          stored), `flops` (two per multiply-accumulate of all contractions, for the example
          inputs) and `memory` (bytes of activations alive at once, at most).

        Raises:
          InputError: `kept` holds another number of counts.
        """
        kept = checked_counts(self.groups, self.blocks, kept)
        missing = len(self.groups) + len(self.blocks) - kept.shape[-1]
        blocks = np.ones((*kept.shape[:-1], missing), np.int64)
        return self.costs.exact(np.concatenate([kept, blocks], -1))

    def certify(self, params: Any, masks: Masks, *inputs: Any) -> Certificate:
        """Compare masked, shrunk and exported network, in float32 and in bfloat16.

        Args:
          params: the full parameters.
          masks: as for `shrink`.
          inputs: as for `apply`; their values should be typical.

        Returns:
          The differences and counts; `holds` says whether rounding explains them.
        """
        small = self.shrink(params, masks)
        return certify(
            lambda params, rows: self.masked(params, masks, *rows), small, params, inputs
        )

    def summary(self) -> str:
        """Return a table of groups and blocks, and of what is pinned and why."""
        kept = [*self.sizes, *(1 for _ in self.blocks)]
        return summary(self._example(), self.costs, np.array(kept), self.pinned)

    def _example(self) -> Traced:
        return self._cache[_key(self.shapes, self.inputs)]

    def _cut(self, network: Traced, masks: Masks, resized: Resized) -> tuple[Cut, list[Branch]]:
        """Return what masks leave of every axis, and the branches that they leave out."""
        return make_cut(network, masks[: len(self.groups)], resized), self._skipped(network, masks)

    def _skipped(self, network: Traced, masks: Masks) -> list[Branch]:
        given = masks[len(self.groups) :]
        pairs = zip(network.branches, given, strict=False)
        return [branch for branch, mask in pairs if not np.asarray(mask).all()]


def trace(
    apply: Callable[..., Any],
    params: Any,
    *inputs: Any,
    protect: str | Sequence[str] = (),
    only: str | Sequence[str] = "*",
    granularity: int = 1,
) -> Graph:
    """Find what can be removed from a network.

    Nothing is computed: shapes suffice, so a network of any size is traced without its weights.

    Args:
      apply: a pure function `apply(params, *inputs)` of any module library.
      params: the pytree of parameters: arrays or `jax.ShapeDtypeStruct`. Integers and random keys
        are leaves that are cut where they must be, and not counted as parameters.
      inputs: example inputs: pytrees of arrays or `jax.ShapeDtypeStruct`.
      protect: patterns (`*` and `?`) of leaf paths that must not be cut.
      only: patterns of leaf paths; a group is removable if one of its leaves matches.
      granularity: a search keeps multiples of so many units of a group, or all. Masks that you
        make yourself may keep any number.

    Returns:
      The graph.

    Raises:
      InputError: the network cannot be traced, or it holds its weights itself.

    Example:
      >>> import jax, jax.numpy as jnp, sosjax
      >>> def mlp(params, x):
      ...     return jax.nn.relu(x @ params["up"]) @ params["down"]
      >>> params = {"up": jnp.ones((4, 8)), "down": jnp.ones((8, 2))}
      >>> graph = sosjax.trace(mlp, params, jnp.ones((1, 4)))
      >>> [(group.name, group.size) for group in graph.groups]
      [('up', 8)]
      >>> small = graph.shrink(params, [jnp.arange(8) < 3])
      >>> small.params["up"].shape
      (4, 3)
    """
    rules = check_patterns(named_leaves(params), protect, only, granularity)
    return graph_of(apply, params, inputs, rules)


def graph_of(apply: Callable[..., Any], params: Any, inputs: Sequence[Any], rules: Rules) -> Graph:
    """Trace a network and count its costs."""
    for name, leaf in named_leaves(params).items():
        check_leaf(name, leaf)
    check_inputs(inputs)
    shapes, examples = jax.tree.map(struct, params), jax.tree.map(struct, tuple(inputs))
    network = traced(apply, shapes, examples, rules)
    check_closure(network.relations)
    return Graph(
        apply,
        shapes,
        examples,
        rules,
        network.layout.groups,
        tuple(branch.block for branch in network.branches),
        network.layout.pinned,
        network_costs(network),
        {_key(shapes, examples): network},
    )


def _key(params: Any, inputs: Sequence[Any]) -> Any:
    """Return what a trace depends on: the inputs' shapes and all types."""
    rows, leaves = (jax.tree.map(struct, tree) for tree in (tuple(inputs), params))
    return (
        jax.tree.structure(rows),
        tuple(jax.tree.leaves(rows)),
        tuple((leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(leaves)),
    )


def _typed(shape: jax.ShapeDtypeStruct, leaf: Any) -> jax.ShapeDtypeStruct:
    """Return the shape with the type of another leaf."""
    other = struct(leaf)
    return jax.ShapeDtypeStruct(shape.shape, other.dtype, weak_type=other.weak_type)
