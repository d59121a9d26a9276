"""A graph with what is fitted anew to each sub-network: what a search is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import listing, nearest, require
from .._tree import named_leaves, with_leaves
from ._certify import Certificate, certify
from ._check import checked_counts
from ._convolution import with_fast_gradients
from ._cost import COSTS, CostTable
from ._gram import site_moments
from ._graph import Graph, Masks
from ._group import Block, Group
from ._half import in_bfloat16
from ._head import Head, Statistics, statistics_leaves
from ._head_site import check_logits, head_site
from ._layout import Rules
from ._mask import mask_number
from ._memory import network_costs
from ._moments import batch_axes, estimating
from ._narrow import narrowed
from ._program import Program
from ._shrink import Shrunk
from ._sites import Sites, find_sites

_BATCH = 2
"""The number of examples that a network is checked with."""


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """A network with what is fitted anew to each sub-network: statistics, and a head if it has one.

    Attributes:
      graph: what can be removed.
      inputs: one example's shape and dtype.
      statistics: the moments that are re-estimated for each sub-network.
      head: the last contraction, to outputs [B, C]; `None` where outputs are judged as they are.
      classes: the number C of outputs that the head has; 0 without one.
      costs: what a sub-network costs for one example; counts are those of groups, of blocks and,
        if there is a head, of its outputs.
      batched: for each of the statistics the axis that examples lie along where it is read.
      half: whether contractions are in bfloat16 where features are asked: see `in_bfloat16`.
    """

    graph: Graph
    inputs: jax.ShapeDtypeStruct
    statistics: tuple[Statistics, ...]
    head: Head | None
    classes: int
    costs: CostTable
    batched: tuple[int, ...]
    half: bool = False

    @cached_property
    def halved(self) -> "Subject":
        """The same with `half`."""
        return replace(self, half=True)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The removable groups."""
        return self.graph.groups

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The residual branches that can be left out."""
        return self.graph.blocks

    @property
    def rules(self) -> Rules:
        """What the user said of groups."""
        return self.graph.rules

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each group, [G]."""
        return self.graph.sizes

    @property
    def buffers(self) -> tuple[str, ...]:
        """The leaves that are stored but not trained: the statistics'."""
        return statistics_leaves(self.statistics)

    def summary(self) -> str:
        """Return a table of groups and blocks, and of what is pinned and why."""
        return self.graph.summary()

    def counts(self, kept: Any, classes: Any, xp: Any = np) -> Any:
        """Return the counts that `costs` takes: of groups, of blocks (all by default), outputs."""
        one = xp.ones((*kept.shape[:-1], 1), kept.dtype)
        blocks = [one] * (len(self.groups) + len(self.graph.blocks) - kept.shape[-1])
        outputs = [] if self.head is None else [one * classes]
        return xp.concatenate([kept, *blocks, *outputs], -1)

    def cost(self, kept: np.ndarray, classes: int) -> dict[str, np.ndarray]:
        """Return exact costs of sub-networks for a head of so many classes.

        Args:
          kept: whole numbers [..., G] or [..., G + blocks]: units kept in each group, then whether
            each block is there.
          classes: outputs of the head, if there is one.

        Returns:
          int64 arrays [...]: `parameters`, `bytes` and `flops`, for one example; and what further
          costs the table has.
        """
        kept = checked_counts(self.groups, self.graph.blocks, kept)
        costs = self.costs.exact(self.counts(kept, classes))
        return {name: costs[name] for name in (*COSTS, *self.costs.further)}

    def features(
        self,
        params: Any,
        inputs: Any,
        masks: Masks,
        estimate: bool,
        weights: Any | None = None,
        narrow: bool = False,
    ) -> tuple[Any, dict]:
        """Return what the head reads when only the masked units are there.

        Args:
          params: the full parameters.
          inputs: [B, ...].
          masks: for each group an array [size]: boolean, or float to differentiate by.
          estimate: whether the statistics are estimated from these inputs, each after the masks
            before it; else those among the parameters are used.
          weights: how much each example counts in the statistics, [B]; `None`: all alike.
          narrow: whether little more is computed than the masks keep, as is worth it for one
            sub-network after the other: see `narrowed`. Masks must be boolean.

        Returns:
          Features [B, F], zero at removed units, or the outputs of a network without a head; and
          the statistics used, by leaf path.
        """
        network = self.graph.traced(params, (inputs,))
        program, masking = self.graph.masked_program(network)
        feature, site = program.output, None
        if self.head is not None:
            site = head_site(program, self.head)
            feature = masking.operands.get((site.product, site.side), site.features)
        values = program.given(params, (inputs,)) | self.graph.given_masks(masks)
        if estimate:
            # After the masks, whose numbers are no values' of the network either.
            after = mask_number(len(self.groups) + len(self.graph.blocks))
            number = None if weights is None else after
            values |= {} if number is None else {number: weights}
            program = estimating(program, self.statistics, self.batched, number)
            for name in self.buffers:
                del values[program.leaves[name]]
        program = in_bfloat16(program) if self.half else with_fast_gradients(program)
        targets = [feature, *(program.leaves[name] for name in self.buffers)]
        if narrow and not self.half:
            program = narrowed(program, network, masking, set(values), targets)
        features, *moments = program.evaluate(values, targets)
        features = features.T if site is not None and site.summed == 0 else features
        return features, dict(zip(self.buffers, moments, strict=True))

    def recalibrated(self, params: Any, inputs: Any, weights: Any | None = None) -> Any:
        """Return the parameters with the whole network's moments estimated from these inputs.

        Args:
          params: the full parameters.
          inputs: [B, ...].
          weights: as for `features`.
        """
        if not self.statistics:
            return params
        full = [np.ones(size, bool) for size in self.sizes]
        _, moments = self.features(params, inputs, full, True, weights)
        return with_leaves(params, named_leaves(params) | moments)

    def logits(self, params: Any, inputs: Any, masks: Masks) -> Any:
        """Return the output of the full network under masks; its head may have any classes."""
        network = self.graph.traced(params, (inputs,))
        program, _ = self.graph.masked_program(network, self.resized(self.outputs(params)))
        return program.outcome(program.given(params, (inputs,)) | self.graph.given_masks(masks))

    def sites(self) -> Sites:
        """Return where what is kept can stand in for what is removed; see `Site`."""
        return find_sites(self.graph.traced(self.graph.shapes, self.graph.inputs), self._fitted)

    def moments(self, params: Any, inputs: Any, cotangents: Any) -> dict[str, Any]:
        """Return the second moments of what enters each site of the whole network.

        Args:
          params: the full parameters.
          inputs: [B, ...].
          cotangents: [draws, B, ...], like what `features` returns, to weigh rows by: see
            `site_moments`.
        """
        network = self.graph.traced(params, (inputs,))
        target = network.program.output
        if self.head is not None:
            site = head_site(network.program, self.head)
            target = site.features
            cotangents = jnp.swapaxes(cotangents, 1, 2) if site.summed == 0 else cotangents
        found = find_sites(network, self._fitted).found
        return site_moments(network, found, params, inputs, target, cotangents)

    def shrink(self, params: Any, masks: Masks) -> Shrunk:
        """Cut the network, with a head of its own.

        Args:
          params: full parameters; the head's class axis may have any size.
          masks: for each group a boolean array [size].
        """
        resized = self.resized(self.outputs(params))
        return Shrunk(
            self.graph.cut_params(params, masks, resized), self.graph.shrunk_apply(masks, resized)
        )

    def cut_leaves(
        self, params: Any, leaves: dict[str, Any], masks: Masks
    ) -> dict[str, np.ndarray]:
        """Cut some leaves by path, such as weights that were fitted anew; see `expanded`."""
        if not leaves:
            return {}
        full = with_leaves(params, named_leaves(params) | leaves)
        resized = self.resized(self.outputs(params))
        small = named_leaves(self.graph.cut_params(full, masks, resized))
        return {name: np.asarray(small[name]) for name in leaves}

    def expanded(self, params: Any, small: dict[str, Any], masks: Masks) -> Any:
        """Put leaves of a cut network in their places among full ones.

        Args:
          params: full parameters; the head's class axis may have any size.
          small: leaves by path, cut by the masks.
          masks: for each group a boolean array [size].

        Returns:
          Parameters like `params`, those leaves as NumPy arrays: every sub-network has shapes of
          its own, and JAX would compile programs for each. What the masks leave out stays as it is.
        """
        if not small:
            return params
        places = jax.tree.map(lambda leaf: np.arange(leaf.size).reshape(leaf.shape), params)
        resized = self.resized(self.outputs(params))
        kept = named_leaves(self.graph.cut_params(places, masks, resized))
        full = named_leaves(params)
        grown = {name: _put(full[name], kept[name], leaf) for name, leaf in small.items()}
        return with_leaves(params, full | grown)

    def certify(self, params: Any, masks: Masks, inputs: Any) -> Certificate:
        """Compare masked, shrunk and exported network; the head may have any classes.

        Args:
          params: full parameters.
          masks: for each group a boolean array [size].
          inputs: examples [B, ...].
        """
        return certify(
            lambda params, rows: self.logits(params, rows[0], masks),
            self.shrink(params, masks),
            params,
            (inputs,),
            self.buffers,
        )

    def resized(self, classes: int) -> dict[tuple[str, int], int]:
        """Return the sizes of the head's class axes."""
        if self.head is None:
            return {}
        return {(self.head.kernel, 1): classes, (self.head.bias, 0): classes}

    @property
    def _fitted(self) -> tuple[str, ...]:
        """The leaves that are fitted to each sub-network anyway."""
        return () if self.head is None else (self.head.kernel, self.head.bias)

    def outputs(self, params: Any) -> int:
        """Return how many outputs the head among these parameters has; 0 without a head."""
        return 0 if self.head is None else named_leaves(params)[self.head.bias].shape[0]


def subject(graph: Graph, statistics: Sequence[Statistics], head: Head | None) -> Subject:
    """Check statistics and head against a graph traced for one example [1, ...].

    Raises:
      InputError: statistics or head are not used as said.
    """
    _check_leaves(graph, statistics, head)
    (example,) = graph.inputs
    several = _checked_batch(graph, example, head)
    network = graph.traced(graph.shapes, graph.inputs)
    program, classes, varying = network.program, 0, []
    batched = batch_axes(program, several, statistics)
    if head is not None:
        places = program.leaves[head.kernel], program.leaves[head.bias]
        classes = program.shape(places[0])[1]
        axes = network.relations.axes_of
        varying = [axes(places[0])[1], axes(places[1])[0]]
        site = head_site(program, head)
        varying.append(axes(site.product)[site.classes])
    inputs = jax.ShapeDtypeStruct(example.shape[1:], example.dtype)
    costs = network_costs(network, statistics_leaves(statistics), varying)
    return Subject(graph, inputs, tuple(statistics), head, classes, costs, batched)


def _check_leaves(graph: Graph, statistics: Sequence[Statistics], head: Head | None) -> None:
    leaves = named_leaves(graph.shapes)
    named = [("head", leaf) for leaf in ((head.kernel, head.bias) if head else ())]
    named += [(f"statistics {p.mean}", leaf) for p in statistics for leaf in (p.mean, p.variance)]
    for argument, leaf in named:
        require(
            leaf in leaves,
            f"`{argument}` must name a leaf of `params`, got {leaf!r}{nearest(leaf, leaves)}.",
        )
    if head is not None:
        kernel, bias = leaves[head.kernel].shape, leaves[head.bias].shape
        require(
            len(kernel) == 2 and bias == kernel[1:],
            f"`head` must have a kernel [features, classes] and a bias [classes], "
            f"got {list(kernel)} and {list(bias)}.",
        )


def _checked_batch(graph: Graph, example: Any, head: Head | None) -> Program:
    """Trace two examples and refuse what does not hold: one alone hides an axis summed over."""
    batch = jax.ShapeDtypeStruct((_BATCH, *example.shape[1:]), example.dtype)
    program = graph.traced(graph.shapes, (batch,)).program
    shapes = [list(program.shape(number)) for number in program.region.outputs]
    if head is None:
        require(
            len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][0] == _BATCH,
            "`apply` must return logits of tokens [B, S, vocabulary] where there is no head, got "
            f"{listing(shapes) or 'none'} for B = {_BATCH}.",
        )
    else:
        classes = named_leaves(graph.shapes)[head.bias].shape[0]
        require(
            shapes == [[_BATCH, classes]],
            f"`apply` must return logits of shape [B, {classes}], got "
            f"{listing(shapes) or 'none'} for B = {_BATCH}.",
        )
        check_logits(program, head)
    return program


def _put(full: Any, places: np.ndarray, leaf: Any) -> np.ndarray:
    """Return a full leaf with a small one's entries at these places of its flat self."""
    grown = np.array(full)
    grown.reshape(-1)[places.ravel()] = np.asarray(leaf).ravel()
    return grown
