"""A sub-network with arrays of its own size."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from .._tree import named_leaves, with_leaves
from ..graph._graph import trace
from ..models._jat import Jat
from ..sets._member import Member


@final
@dataclass(frozen=True)
class Network:
    """A network whose removed units are gone.

    Attributes:
      apply: `apply(params, inputs [B, ...]) -> logits [B, classes]`; a pure function, to be jitted.
      params: the small parameters, a pytree of numpy arrays.
      classes: the class names of the outputs.
    """

    apply: Callable[[Any, Any], Any]
    params: Any
    classes: tuple[str, ...]

    def __call__(self, inputs: Any) -> jax.Array:
        """Return the logits [B, classes] of inputs [B, ...]."""
        return jax.jit(self.apply)(self.params, inputs)

    def __repr__(self) -> str:
        """Return what it is in a line."""
        return f"Network({self.parameters():,} numbers, {self.bytes():,} bytes: {self.classes})"

    def bytes(self) -> int:
        """Count the bytes of all arrays."""
        return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(self.params))

    def parameters(self, statistics: frozenset[str] = frozenset()) -> int:
        """Count the numbers of all floating leaves but the statistics."""
        leaves = named_leaves(self.params).items()
        return sum(
            math.prod(leaf.shape)
            for name, leaf in leaves
            if name not in statistics and np.issubdtype(leaf.dtype, np.floating)
        )

    def flops(self, input_shape: tuple[int, ...], dtype: Any = np.float32) -> int:
        """Count two for each multiply-accumulate for one example, by tracing the small network."""
        example = jax.ShapeDtypeStruct((1, *input_shape), np.dtype(dtype))
        small = trace(self.apply, self.params, example)
        return int(small.cost(np.array(small.sizes, np.int64))["flops"])


def shrink(jat: Jat, member: Member) -> Network:
    """Cut a member out of its network, with its own statistics, head and weights.

    Args:
      jat: the network the member was found in.
      member: from `SetOfSets.select`.

    Returns:
      A network that gives what the masked one gives.
    """
    graph = jat.graph
    leaves = member.leaves(named_leaves(jat.params), graph.head)
    small = graph.shrink(with_leaves(jat.params, leaves), member.masks)
    params = with_leaves(small.params, named_leaves(small.params) | member.weights)
    return Network(small.apply, jax.tree.map(np.asarray, params), member.classes)
