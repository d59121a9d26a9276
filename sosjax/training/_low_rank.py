"""Updates of low rank, which fold into the weights (Hu et al., 2021, arXiv 2106.09685)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._types import Array
from ..graph._subject import Subject


class Factors(NamedTuple):
    """An update of a leaf: their product, in the leaf's shape.

    Attributes:
      inner: [n, rank], n the product of all axes but the last; zero at the start. A row without a
        gradient, such as that of a word that no example holds, therefore stays as it is.
      outer: [rank, m], drawn.
    """

    inner: Array
    outer: Array


def factors(
    key: Array, leaves: dict[str, Any], trained: dict[str, Any], graph: Subject, rank: int
) -> dict[str, Factors]:
    """Return the first factors of every floating leaf of two or more axes that is not trained."""
    found = {}
    for name, leaf in leaves.items():
        fits = leaf.ndim >= 2 and leaf.size > 0 and jnp.issubdtype(leaf.dtype, jnp.floating)
        if fits and name not in trained and name not in graph.buffers:
            key, own = jax.random.split(key)
            outer = jax.random.normal(own, (rank, leaf.shape[-1])) / rank
            found[name] = Factors(jnp.zeros((leaf.size // leaf.shape[-1], rank)), outer)
    return found


def adapted(leaves: dict[str, Any], moving: dict[str, Any]) -> dict[str, Any]:
    """Return all leaves: those in training as they are by now, with updates folded in."""
    found = dict(leaves)
    for name, own in moving.items():
        if isinstance(own, Factors):
            found[name] = leaves[name] + (own.inner @ own.outer).reshape(leaves[name].shape)
        else:
            found[name] = own
    return found
