"""The Jack of All Trades: one pretrained network with its parameters and what can be removed."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, final

import jax
import numpy as np

from .._errors import (
    listing,
    require,
    require_finite,
    require_name,
    require_number,
)
from .._tree import named_leaves, with_leaves
from ..graph._graph import trace
from ..graph._head import Head, Statistics
from ..graph._normalisation import found_statistics
from ..graph._subject import Subject, subject
from ._new_head import NEW_HEAD, with_new_head
from ._plain_head import with_plain_head


@final
class Jat:
    """A pretrained network to find sub-networks of.

    Attributes:
      name: for reports.
      graph: what can be removed, found in the traced network, with head and statistics.
      params: the parameters, a pytree of arrays; where the network ends in features, with a head
        of zeros that a task's own takes the place of.
      own_head: whether the head was trained; else every task gets one of its own.
      vocabulary: inputs are whole numbers below it; `None` for floating inputs.
      architecture: how to build the network again in another process: `{"family": ...}`, or
        `None` where only the caller has its function.
      adaptation: what `sosjax.adapt` made of it, ready for JSON; `None` if nothing.
      license: what its weights may be used for, in the words of whoever made them; `None` if that
        is not said.
      source: where its weights are from; `None` if that is not said.
    """

    def __init__(
        self,
        apply: Callable[..., Any],
        params: Any,
        *,
        input_shape: Sequence[int],
        input_dtype: Any = np.float32,
        vocabulary: int | None = None,
        head: Head | str | None = None,
        statistics: Sequence[Statistics] | None = None,
        protect: str | Sequence[str] = (),
        only: str | Sequence[str] = "*",
        granularity: int = 1,
        name: str = "network",
        architecture: dict[str, Any] | None = None,
        license: str | None = None,
        source: str | None = None,
    ) -> None:
        """Trace the network and check what is said of it. Nothing is compiled.

        Args:
          apply: a pure function `apply(params, inputs)` of inputs [B, *input_shape]: to logits or
            values [B, outputs] by `head`; to features [B, F]; or to logits of tokens
            [B, S, vocabulary].
          params: a pytree of finite arrays; a dict if the network ends in features.
          input_shape: the shape of one example.
          input_dtype: float32, or int32 for tokens.
          vocabulary: the number of tokens, where inputs are tokens.
          head: the last contraction, by its leaves or as `"last"`, which finds them; `None` for a
            network that ends in features (each task gets a head of its own) or in logits of tokens.
            A kernel [classes, features] is kept as [features, classes].
          statistics: the moments that normalisations read, to be estimated again for each
            sub-network; by default those of every BatchNorm, found in the network.
          protect: patterns of leaf paths that must not be cut.
          only: patterns of leaf paths; a group is removable if one of its leaves matches.
          granularity: kept counts are multiples of it, or all.
          name: for reports.
          architecture: see the class.
          license: for the cards of what is exported.
          source: likewise.

        Raises:
          InputError: a parameter is not finite, nothing can be removed, or statistics or head do
            not fit the network.
        """
        require_name("model.name", name)
        for argument, text in (("license", license), ("source", source)):
            if text is not None:
                require_name(f"model.{argument}", text)
        _check_params(params)
        _check_inputs(input_dtype, vocabulary)
        example = jax.ShapeDtypeStruct((1, *input_shape), np.dtype(input_dtype))
        self.name, self.vocabulary, self.architecture = name, vocabulary, architecture
        self.license, self.source = license, source
        self.adaptation: dict[str, Any] | None = None
        self.own_head = head is not None
        if head is None and (features := _features(apply, params, example)) is not None:
            (apply, params), head = with_new_head(apply, params, features), NEW_HEAD
        elif head is not None:
            apply, params, head = with_plain_head(apply, params, example, head)
        self.params = jax.tree.map(jax.numpy.asarray, params)
        graph = trace(apply, params, example, protect=protect, only=only, granularity=granularity)
        require(
            len(graph.groups) > 0,
            "`apply` must be a network with something to remove, as it is used after training "
            f"(without dropout, with stored moments), got none:\n{graph.summary()}",
        )
        if statistics is None:
            statistics = found_statistics(graph.traced(graph.shapes, graph.inputs).program)
        self.graph: Subject = subject(graph, statistics, head)

    def __repr__(self) -> str:
        """Return its name and what can be removed of it."""
        graph = self.graph
        units = f"{sum(graph.sizes):,} units in {len(graph.sizes)} groups"
        return f"Jat({self.name}: {units}, {len(graph.blocks)} blocks)"

    @property
    def bare_params(self) -> Any:
        """The parameters that were given: without the head of zeros, if there is one."""
        if self.own_head or self.graph.head is None:
            return self.params
        return {name: leaf for name, leaf in self.params.items() if name != "head"}

    def with_params(self, params: Any, adaptation: dict[str, Any] | None = None) -> "Jat":
        """Return the same network with other parameters; nothing is traced again.

        Args:
          params: like `params`, or like `bare_params`.
          adaptation: how they were made; see the class.

        Raises:
          InputError: a leaf is missing, unknown, of another shape or dtype, or not finite.
        """
        if (
            isinstance(params, dict)
            and "head" not in params
            and self.bare_params is not self.params
        ):
            params = {**params, "head": self.params["head"]}
        wanted, given = named_leaves(self.params), named_leaves(params)
        wrong = sorted(wanted.keys() ^ given.keys()) or [
            name for name, leaf in wanted.items() if _kind(given[name]) != _kind(leaf)
        ]
        require(
            not wrong,
            f"`params` must have the leaves of {self.name} in their shapes, got others: "
            f"{listing(wrong)}.",
        )
        _check_params(params)
        other = copy.copy(self)
        leaves = {name: jax.numpy.asarray(leaf) for name, leaf in given.items()}
        other.params, other.adaptation = with_leaves(self.params, leaves), adaptation
        return other

    def with_costs(self, further: dict[str, Callable[[Any, Any], Any]]) -> "Jat":
        """Return the same network with further costs; see `CostTable.further`."""
        other = copy.copy(self)
        other.graph = replace(self.graph, costs=replace(self.graph.costs, further=further))
        return other


def _kind(leaf: Any) -> tuple[Any, Any]:
    return getattr(leaf, "shape", None), getattr(leaf, "dtype", None)


def _check_params(params: Any) -> None:
    for path, leaf in named_leaves(params).items():
        require(
            hasattr(leaf, "shape") and hasattr(leaf, "dtype"),
            f"`params` must have arrays as leaves, got {type(leaf).__name__} at {path}.",
        )
        kind = leaf.dtype
        other = (np.floating, jax.dtypes.extended)  # random keys are of an extended type
        require(
            kind == np.float32 or not any(jax.numpy.issubdtype(kind, one) for one in other),
            f"`params` must be float32, so that bytes and outputs are exact, got {kind} at {path}.",
        )
        require_finite(f"params {path}", np.asarray(leaf))


def _check_inputs(dtype: Any, vocabulary: int | None) -> None:
    kind = np.dtype(dtype)
    require(
        kind in (np.float32, np.int32),
        f"`input_dtype` must be float32 or int32, got {kind}.",
    )
    require(
        (vocabulary is not None) == (kind == np.int32),
        f"`vocabulary` must be given with int32 inputs and with none else, got {vocabulary} with "
        f"{kind}.",
    )
    if vocabulary is not None:
        require_number("vocabulary", vocabulary, 2, whole=True)


def _features(apply: Callable[..., Any], params: Any, example: Any) -> int | None:
    """Return how many features a network ends in; `None` if its outputs are no [1, F]."""
    try:
        outcome = jax.eval_shape(apply, params, example)
    except Exception:  # `trace` tells what is wrong with the function
        return None
    shape = getattr(outcome, "shape", ())
    return shape[1] if len(shape) == 2 else None
