"""A network and what can be removed from it, resolved once and checked against each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from .._errors import InputError, listing, require
from .._tree import named_leaves, with_leaves
from ._check import check_leaves, check_sites
from ._contraction import contractions
from ._cost import CostTable, network_costs
from ._group import Group, Head, Statistics, statistics_leaves
from ._mask import head_site, mask_number, masked
from ._moments import estimating
from ._program import Program, trace

CLASSES = -2
"""The group number of the head's class axis: its count comes last, before the table's padding."""

BATCH = 2
"""The batch size that networks are traced with to be checked and counted."""

Masks = Sequence[Any]


@final
@dataclass(frozen=True)
class Graph:
    """What can be removed from a network, and how it runs without it.

    Attributes:
      apply: the network, `apply(params, inputs) -> logits [B, classes]`.
      shapes: the parameters as `jax.ShapeDtypeStruct`.
      inputs: one example's shape and dtype.
      groups: the removable groups.
      statistics: the moments that are re-estimated for each sub-network.
      head: the classifier.
      classes: the number of classes.
      costs: what a sub-network costs.
    """

    apply: Callable[..., Any]
    shapes: Any
    inputs: jax.ShapeDtypeStruct
    groups: tuple[Group, ...]
    statistics: tuple[Statistics, ...]
    head: Head
    classes: int
    costs: CostTable

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each group, [G]."""
        return tuple(group.size for group in self.groups)

    @property
    def buffers(self) -> tuple[str, ...]:
        """The leaves that are stored but not trained: the statistics'."""
        return statistics_leaves(self.statistics)

    def program(self, inputs: Any) -> Program:
        """Trace the network for these inputs [B, ...]."""
        return trace(self.apply, self.shapes, jax.ShapeDtypeStruct(inputs.shape, inputs.dtype))

    def cost(self, kept: np.ndarray, classes: int) -> dict[str, np.ndarray]:
        """Return exact costs of sub-networks for a head of so many classes.

        Args:
          kept: whole numbers [..., G], units kept in each group.
          classes: outputs of the head.

        Returns:
          int64 arrays [...] by cost name.
        """
        kept = np.asarray(kept, np.int64)
        heads = np.full((*kept.shape[:-1], 1), classes, np.int64)
        return self.costs.exact(np.concatenate([kept, heads], -1))

    def features(self, params: Any, inputs: Any, masks: Masks, estimate: bool) -> tuple[Any, dict]:
        """Return what the head reads when only the masked units are there.

        Args:
          params: the full parameters.
          inputs: [B, ...].
          masks: for each group an array [size]: boolean, or float to differentiate by.
          estimate: whether the statistics are estimated from these inputs, each after the masks
            before it; else those among the parameters are used.

        Returns:
          Features [B, F], zero at removed units, and the statistics used, by leaf path.
        """
        program = self.program(inputs)
        site = head_site(program, self.head)
        program, feature = masked(program, self.groups, site)
        names = self.buffers
        values = program.given(params, inputs)
        for g, mask in enumerate(masks):
            values[mask_number(g)] = mask
        if estimate:
            program = estimating(program, self.statistics)
            for name in names:
                del values[program.leaves[name]]
        targets = [feature, *(program.leaves[name] for name in names)]
        features, *moments = program.evaluate(values, targets)
        return features, dict(zip(names, moments, strict=True))

    def logits(self, params: Any, inputs: Any, masks: Masks | None = None) -> Any:
        """Return the network's output; parameters may be full (with masks) or shrunk (without)."""
        program = self.program(inputs)
        values = program.given(params, inputs)
        if masks is not None:
            program, _ = masked(program, self.groups, head_site(program, self.head))
            values |= {mask_number(g): mask for g, mask in enumerate(masks)}
        return program.evaluate(values, [program.output])[0]


def build_graph(
    apply: Callable[..., Any],
    params: Any,
    inputs: jax.ShapeDtypeStruct,
    groups: Sequence[Group],
    statistics: Sequence[Statistics],
    head: Head,
) -> Graph:
    """Resolve groups, statistics and head against the traced network.

    Args:
      apply: `apply(params, inputs) -> logits [B, classes]`.
      params: the pytree of parameters.
      inputs: one example's shape and dtype, without the batch axis.
      groups: the removable groups.
      statistics: the normalisations' moments.
      head: the classifier.

    Raises:
      InputError: a leaf or axis does not exist, sizes differ, two groups share an axis, nothing
        consumes or produces a group, statistics or head are not used as said, or a network with
        one unit less does not trace.
    """
    leaves = named_leaves(params)
    groups, statistics = tuple(groups), tuple(statistics)
    check_leaves(leaves, groups, statistics, head)
    batch = jax.ShapeDtypeStruct((BATCH, *inputs.shape), inputs.dtype)
    program = trace(apply, params, batch)
    classes = leaves[head.kernel].shape[1]
    shape = program.shapes[program.output]
    require(
        shape == (BATCH, classes),
        f"`apply` must return logits of shape [B, {classes}], got {list(shape)} for B = {BATCH}.",
    )
    sites = list(contractions(program))
    check_sites(program, sites, groups, statistics, head)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
    owners = owners_of(groups, head)
    costs = network_costs(leaves, owners, statistics, sites, BATCH)
    graph = Graph(apply, shapes, inputs, groups, statistics, head, classes, costs)
    _check_shrinks(graph)
    return graph


def owners_of(groups: Sequence[Group], head: Head) -> dict[tuple[str, int], int]:
    """Return which group lives on which (leaf, axis); the class axis is `CLASSES`."""
    owners = {place: g for g, group in enumerate(groups) for place in group.slices}
    return owners | {(head.kernel, 1): CLASSES, (head.bias, 0): CLASSES}


def _check_shrinks(graph: Graph) -> None:
    """Trace the network with one unit in each group, and count its FLOPs again."""
    owners = owners_of(graph.groups, graph.head)

    def small(name: str, leaf: Any) -> jax.ShapeDtypeStruct:
        cut = [owners.get((name, axis), CLASSES) != CLASSES for axis in range(len(leaf.shape))]
        shape = tuple(1 if gone else size for gone, size in zip(cut, leaf.shape, strict=True))
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    leaves = {name: small(name, leaf) for name, leaf in named_leaves(graph.shapes).items()}
    batch = jax.ShapeDtypeStruct((BATCH, *graph.inputs.shape), graph.inputs.dtype)
    try:
        program = trace(graph.logits, with_leaves(graph.shapes, leaves), batch)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`groups` {listing(group.name for group in graph.groups)} must leave a network that "
            f"runs with one unit each, got: {error}"
        ) from error
    flops = sum(site.flops for site in contractions(program)) // BATCH
    expected = graph.cost(np.ones(len(graph.groups)), graph.classes)["flops"]
    require(
        flops == expected,
        f"`groups` must name every leaf axis that a removed unit owns, got {flops} FLOPs for one "
        f"unit in each group where the named axes give {expected}.",
    )
