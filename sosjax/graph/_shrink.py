"""Cut a network's parameters for real."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from .._errors import require
from .._tree import named_leaves, with_leaves
from ._graph import Graph
from ._program import trace


def shrink_params(graph: Graph, params: Any, masks: Sequence[np.ndarray]) -> Any:
    """Return the parameters without the units that the masks leave out.

    Args:
      graph: the network.
      params: full parameters; the head's class axis may have any size.
      masks: for each group a boolean array [size].

    Returns:
      The same pytree with smaller arrays; `graph.logits` runs them as they are.

    Raises:
      InputError: a mask has the wrong size or keeps nothing.
    """
    kept = []
    for group, mask in zip(graph.groups, masks, strict=True):
        require(
            np.shape(mask) == (group.size,) and bool(np.any(mask)),
            f"`masks` {group.name} must keep 1 to {group.size} units, got shape {np.shape(mask)} "
            f"keeping {int(np.sum(mask))}.",
        )
        kept.append(np.flatnonzero(mask))
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    for rows, group in zip(kept, graph.groups, strict=True):
        for name, axis in group.slices:
            leaves[name] = np.take(leaves[name], rows, axis)
    return with_leaves(params, leaves)


def shrunk_apply(apply: Callable[..., Any], shapes: Any) -> Callable[[Any, Any], Any]:
    """Return `apply(params, inputs)` for parameters that are smaller than traced.

    The network's own function is traced at its full size and its equations then run on the small
    arrays; it is never called on them.

    Args:
      apply: the full network.
      shapes: its full parameters as `jax.ShapeDtypeStruct`.
    """

    def run(params: Any, inputs: Any) -> Any:
        program = trace(apply, shapes, jax.ShapeDtypeStruct(inputs.shape, inputs.dtype))
        return program.evaluate(program.given(params, inputs), [program.output])[0]

    return run
