"""A tiny translation network with random weights, and pairs of texts for it."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from conftest import random_params
from flax import nnx

from sosjax.graph._graph import trace
from sosjax.models._m2m100 import M2m100, M2m100Options
from sosjax.models._module import functional

LENGTH = 6
OPTIONS = M2m100Options(
    vocabulary=17,
    width=12,
    encoder_layers=1,
    decoder_layers=2,
    encoder_heads=2,
    decoder_heads=3,
    encoder_inner=10,
    decoder_inner=14,
    length=LENGTH,
    positions=40,
)


def tiny_translator():
    """Return the network: `apply`, `logits` (jitted), `shapes`, `params` and `graph`."""
    apply, shapes = functional(lambda: M2m100(OPTIONS, nnx.Rngs(0)))
    graph = trace(apply, shapes, jax.ShapeDtypeStruct((1, 2, LENGTH), jnp.int32))
    # Small enough that no token is certain, and so that tokens are not all the same.
    params = jax.tree.map(lambda leaf: leaf * 0.4, random_params(shapes))
    return SimpleNamespace(
        apply=apply, logits=jax.jit(apply), shapes=shapes, params=params, graph=graph
    )


def tiny_pairs(rows=3, seed=0):
    """Return ids [rows, 2, LENGTH], the later rows with more padding."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(3, OPTIONS.vocabulary, (rows, 2, LENGTH))
    for row in range(rows):
        ids[row, 0, LENGTH - row :] = OPTIONS.pad
        ids[row, 1, LENGTH - 2 * row :] = OPTIONS.pad
    ids[:, 1, 0] = OPTIONS.start
    return jnp.asarray(ids, jnp.int32)
