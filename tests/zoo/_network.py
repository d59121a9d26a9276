"""What a network of the zoo is, and random weights for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class Network:
    """A network to be pruned: `apply(params, *inputs(batch))`."""

    apply: Callable[..., Any]
    params: Any
    inputs: Callable[[int], tuple[Any, ...]]


def _is_shape(node):
    return isinstance(node, tuple) and all(isinstance(size, int) for size in node)


def weights(shapes):
    """Draw weights for a tree of shapes."""

    def struct(shape):
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    return filled(jax.tree.map(struct, shapes, is_leaf=_is_shape))


def filled(structs):
    """Draw a value for every leaf: vectors are positive, as variances must be."""
    rng = np.random.default_rng(0)

    def draw(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.key(0)
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return np.zeros(leaf.shape, leaf.dtype)
        wide = rng.normal(size=leaf.shape) * max(1, np.prod(leaf.shape)) ** -0.25
        vector = sum(size > 1 for size in leaf.shape) < 2
        values = rng.uniform(0.5, 1.5, leaf.shape) if vector else wide
        # NumPy's, as cutting them compiles nothing.
        return np.asarray(values, leaf.dtype)

    return jax.tree.map(draw, structs)


def rows(*shape):
    """Return a function of the batch size that draws floats [batch, *shape]."""

    def draw(batch):
        return (jnp.asarray(np.random.default_rng(1).normal(size=(batch, *shape)), jnp.float32),)

    return draw


def tokens(vocabulary, *lengths):
    """Return a function of the batch size that draws whole numbers, one array for each length."""

    def draw(batch):
        rng = np.random.default_rng(1)
        sizes = [(batch, length) for length in lengths]
        return tuple(jnp.asarray(rng.integers(0, vocabulary, size), jnp.int32) for size in sizes)

    return draw
