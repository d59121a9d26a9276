"""The generic helpers on pytrees: leaves by path, rows by index."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def named_leaves(tree: Any) -> dict[str, Any]:
    """Return the leaves of a pytree by their path, `outer/inner/leaf`, in tree order."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def with_leaves(tree: Any, leaves: dict[str, Any]) -> Any:
    """Return the tree with the named leaves in the place of its own."""
    return jax.tree.unflatten(
        jax.tree.structure(tree), [leaves[name] for name in named_leaves(tree)]
    )


def take(tree: Any, rows: jax.Array | np.ndarray) -> Any:
    """Take the same rows of the leading axis of every leaf, so that an individual moves as one."""
    return jax.tree.map(lambda leaf: leaf[rows], tree)


def concatenate(*trees: Any) -> Any:
    """Join trees of one structure along the leading axis of every leaf."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trees)
