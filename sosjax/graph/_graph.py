"""A network and what can be removed from it, resolved once and checked against each other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import listing, nearest, require, require_unique
from .._tree import named_leaves
from ._contraction import Contraction, contractions, leaf_aliases
from ._cost import CostTable, cost_table
from ._group import Group, Head, Statistics
from ._program import Equation, Program, trace

CLASSES = -2
"""The group number of the head's class axis, in kept counts `[G + 1]` the last but for the padding."""

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
    def owners(self) -> dict[tuple[str, int], int]:
        """Which group lives on which (leaf, axis); the class axis is `CLASSES`."""
        owners = {place: g for g, group in enumerate(self.groups) for place in group.slices}
        return owners | {(self.head.kernel, 1): CLASSES, (self.head.bias, 0): CLASSES}

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
        site = _head_site(program, self.head)
        program, feature = _masked(program, self.groups, site)
        names = [name for pair in self.statistics for name in (pair.mean, pair.variance)]
        values = _values(program, params, inputs)
        for g, mask in enumerate(masks):
            values[_mask_number(g)] = mask
        if estimate:
            program = _estimating(program, self.statistics)
            for name in names:
                del values[program.leaves[name]]
        targets = [feature, *(program.leaves[name] for name in names)]
        features, *moments = program.evaluate(values, targets)
        return features, dict(zip(names, moments, strict=True))

    def logits(self, params: Any, inputs: Any, masks: Masks | None = None) -> Any:
        """Return the network's output; parameters may be full (with masks) or shrunk (without)."""
        program = self.program(inputs)
        values = _values(program, params, inputs)
        if masks is not None:
            program, _ = _masked(program, self.groups, _head_site(program, self.head))
            values |= {_mask_number(g): mask for g, mask in enumerate(masks)}
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
    _check_leaves(leaves, groups, statistics, head)
    batch = jax.ShapeDtypeStruct((2, *inputs.shape), inputs.dtype)
    program = trace(apply, params, batch)
    classes = leaves[head.kernel].shape[1]
    shape = program.shapes[program.output]
    require(
        shape == (2, classes),
        f"`apply` must return logits of shape [B, {classes}], got {list(shape)} for B = 2.",
    )
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
    graph = Graph(apply, shapes, inputs, groups, statistics, head, classes, None)  # type: ignore
    sites = list(contractions(program))
    _check_sites(program, graph, sites)
    object.__setattr__(graph, "costs", _costs(program, graph, leaves, sites))
    _check_shrinks(graph, leaves)
    return graph


def _values(program: Program, params: Any, inputs: Any) -> dict[int, Any]:
    values = {program.leaves[name]: leaf for name, leaf in named_leaves(params).items()}
    return values | {program.inputs: inputs}


def _mask_number(group: int) -> int:
    return -1 - group


def _head_site(program: Program, head: Head) -> Contraction:
    sites = [site for site in contractions(program) if site.leaf == head.kernel]
    require(
        len(sites) == 1 and sites[0].contracted == {0: 1},
        f"`head.kernel` {head.kernel!r} must be multiplied once with features [B, F], "
        f"got {len(sites)} uses.",
    )
    return sites[0]


def _masked(program: Program, groups: Sequence[Group], head: Contraction) -> tuple[Program, int]:
    """Mask the data operand of every contraction that consumes a group.

    A mask at the producer would be wrong: a bias or a normalisation revives a zeroed channel.
    """
    owners = {place: g for g, group in enumerate(groups) for place in group.slices}
    equations, shapes = list(program.equations), dict(program.shapes)
    made: dict[tuple[int, int, int], int] = {}
    for site in contractions(program):
        for leaf_axis, data_axis in site.contracted.items():
            group = owners.get((site.leaf or "", leaf_axis))
            if group is None:
                continue
            consumer = equations[site.equation]
            source = consumer.reads[site.data]
            place = (source, data_axis, group)
            if place not in made:
                made[place] = len(shapes)
                shapes[made[place]] = shapes[source]
                equations.append(_mask_equation(*place, made[place], len(shapes[source])))
            reads = list(consumer.reads)
            reads[site.data] = made[place]
            equations[site.equation] = _reading(consumer, tuple(reads))
    feature = equations[head.equation].reads[head.data]
    masked = Program(
        tuple(equations), shapes, program.constants, program.leaves, program.inputs, program.output
    )
    return masked, feature


def _reading(equation: Equation, reads: tuple[int, ...]) -> Equation:
    return Equation(equation.name, equation.run, reads, equation.writes, equation.params)


def _mask_equation(source: int, axis: int, group: int, target: int, rank: int) -> Equation:
    def run(data: Any, mask: Any) -> list[Any]:
        mask = jnp.reshape(mask, [-1 if place == axis else 1 for place in range(rank)])
        # `where` and not a product: a removed unit may be infinite, and 0 * inf is NaN.
        return [jnp.where(mask, data, 0) if mask.dtype == bool else data * mask]

    return Equation("mask", run, (source, _mask_number(group)), (target,), {})


def _estimating(program: Program, statistics: Sequence[Statistics]) -> Program:
    """Let the statistics be computed from the activation they normalise."""
    equations = [*program.equations]
    for pair in statistics:
        source, axis = _normalised(program, pair)
        axes = tuple(place for place in range(len(program.shapes[source])) if place != axis)

        def run(data: Any, axes: tuple[int, ...] = axes) -> list[Any]:
            return [data.mean(axes), data.var(axes)]

        writes = (program.leaves[pair.mean], program.leaves[pair.variance])
        equations.append(Equation("moments", run, (source,), writes, {}))
    return Program(
        tuple(equations),
        program.shapes,
        program.constants,
        program.leaves,
        program.inputs,
        program.output,
    )


def _normalised(program: Program, pair: Statistics) -> tuple[int, int]:
    """Find the activation from which the mean leaf is subtracted, and its channel axis."""
    aliases = leaf_aliases(program)
    for equation in program.equations:
        if equation.name == "sub" and aliases.get(equation.reads[1], ("",))[0] == pair.mean:
            axes = aliases[equation.reads[1]][1]
            shape = program.shapes[equation.reads[0]]
            return equation.reads[0], axes.index(0) + len(shape) - len(axes)
    require(False, f"`statistics` {pair.mean!r} must be subtracted from an activation, got no use.")
    raise AssertionError


def _check_leaves(leaves: dict, groups: Sequence[Group], statistics: Any, head: Head) -> None:
    require_unique("groups", [group.name for group in groups])
    require(len(groups) > 0, "`groups` must hold at least one group, got none.")
    named = [("head", head.kernel), ("head", head.bias)]
    named += [(f"statistics {p.mean}", leaf) for p in statistics for leaf in (p.mean, p.variance)]
    named += [(f"groups {group.name}", leaf) for group in groups for leaf, _ in group.slices]
    for argument, leaf in named:
        require(
            leaf in leaves,
            f"`{argument}` must name a leaf of `params`, got {leaf!r}{nearest(leaf, leaves)}.",
        )
    kernel, bias = leaves[head.kernel].shape, leaves[head.bias].shape
    require(
        len(kernel) == 2 and bias == kernel[1:],
        f"`head` must have a kernel [features, classes] and a bias [classes], "
        f"got {list(kernel)} and {list(bias)}.",
    )
    owners: dict[tuple[str, int], str] = {(head.kernel, 1): "head", (head.bias, 0): "head"}
    for group in groups:
        for leaf, axis in group.slices:
            shape = leaves[leaf].shape
            require(
                0 <= axis < len(shape) and shape[axis] == group.size,
                f"`groups` {group.name} must lie on axes of {group.size}, "
                f"got axis {axis} of {leaf} {list(shape)}.",
            )
            other = owners.setdefault((leaf, axis), group.name)
            require(
                other == group.name,
                f"`groups` must not share an axis, got axis {axis} of {leaf} "
                f"in {other} and {group.name}.",
            )


def _check_sites(program: Program, graph: Graph, sites: list[Contraction]) -> None:
    _head_site(program, graph.head)
    consumed = {(site.leaf, axis) for site in sites for axis in site.contracted}
    for group in graph.groups:
        uses = [place in consumed for place in group.slices]
        require(
            any(uses) and not all(uses),
            f"`groups` {group.name} must be produced by one of its leaves and consumed by a "
            f"contraction with another, got {sum(uses)} consuming of {len(uses)}.",
        )
    for pair in graph.statistics:
        _normalised(program, pair)


def _costs(program: Program, graph: Graph, leaves: dict, sites: list[Contraction]) -> CostTable:
    owners = graph.owners
    buffers = {name for pair in graph.statistics for name in (pair.mean, pair.variance)}

    def split(leaf: str) -> tuple[int, list[int]]:
        axes = enumerate(leaves[leaf].shape)
        owned = [(owners.get((leaf, axis)), size) for axis, size in axes]
        fixed = math.prod(size for owner, size in owned if owner is None)
        return fixed, [owner for owner, _ in owned if owner is not None]

    rows = []
    for name, leaf in leaves.items():
        fixed, groups = split(name)
        trainable = jnp.issubdtype(leaf.dtype, jnp.floating) and name not in buffers
        weights = {"parameters": int(trainable), "bytes": leaf.dtype.itemsize}
        rows.append((fixed, groups, weights))
    for site in sites:
        if site.leaf is None:
            rows.append((site.flops // 2, [], {"flops": 1}))
        else:
            fixed, groups = split(site.leaf)
            # Traced with a batch of two; the leaf's own sizes are put back by `fixed` and groups.
            per_number = site.flops // 2 // math.prod(leaves[site.leaf].shape)
            rows.append((fixed * per_number, groups, {"flops": 1}))
    return cost_table(rows)


def _check_shrinks(graph: Graph, leaves: dict) -> None:
    """Trace the network with one unit in each group, and count its FLOPs again."""
    small = {}
    for name, leaf in leaves.items():
        owner = [graph.owners.get((name, axis)) for axis in range(len(leaf.shape))]
        shape = [
            1 if group is not None and group != CLASSES else size
            for group, size in zip(owner, leaf.shape, strict=True)
        ]
        small[name] = jax.ShapeDtypeStruct(tuple(shape), leaf.dtype)
    tree = jax.tree.unflatten(jax.tree.structure(graph.shapes), list(small.values()))
    batch = jax.ShapeDtypeStruct((2, *graph.inputs.shape), graph.inputs.dtype)
    try:
        program = trace(graph.logits, tree, batch)
    except (TypeError, ValueError) as error:
        require(
            False,
            f"`groups` {listing(group.name for group in graph.groups)} must leave a network that "
            f"runs with one unit each, got: {error}",
        )
        raise
    flops = sum(site.flops for site in contractions(program)) // 2
    expected = graph.cost(np.ones(len(graph.groups)), graph.classes)["flops"]
    require(
        flops == expected,
        f"`groups` must name every leaf axis that a removed unit owns, got {flops} FLOPs for one "
        f"unit in each group where the named axes give {expected}.",
    )


