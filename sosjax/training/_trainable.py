"""Which leaves of a network are trained."""

from typing import Any

import jax.numpy as jnp

from ..graph._subject import Subject

PARTS = ("all", "norms", "low-rank")


def trainable(leaves: dict[str, Any], parts: str, graph: Subject) -> dict[str, Any]:
    """Return the leaves that are trained as they are.

    Args:
      leaves: by path.
      parts: `"all"`, or else those with one axis, which norms and biases have, and the head.
      graph: the network: moments of normalisations are estimated and never trained.
    """
    floating = {
        name: leaf
        for name, leaf in leaves.items()
        if jnp.issubdtype(leaf.dtype, jnp.floating) and name not in graph.buffers
    }
    head = () if graph.head is None else (graph.head.kernel, graph.head.bias)
    return {
        name: leaf
        for name, leaf in floating.items()
        if parts == "all" or leaf.ndim <= 1 or name in head
    }
