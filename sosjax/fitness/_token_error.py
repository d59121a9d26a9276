"""How wrong a network to tokens is, some sentences at a time."""

from typing import Any

import jax
import jax.numpy as jnp

from .._types import Array
from ..graph._subject import Subject
from ._batch import TaskBatch
from ._divergence import token_divergence
from ._error import cross_entropy, finite_share

SENTENCES = 8
"""Examples side by side: outputs of tokens are large."""


def token_judged(
    graph: Subject,
    narrow: bool,
    compare: bool,
    params: Any,
    adapted: Any,
    task: TaskBatch,
    masks: list[Array],
) -> tuple[Array, Array]:
    """Return a sub-network's error and its divergence from the network, zero where it is not asked.

    Args:
      graph: the network.
      narrow: whether a sub-network runs at its own width.
      compare: whether the divergence is asked.
      params: the network's parameters.
      adapted: those that are the sub-network's.
      task: the examples.
      masks: of groups, and perhaps of blocks.
    """
    full = [jnp.ones_like(one) for one in masks]

    def one(row: tuple[Array, Array, Array]) -> tuple[Array, ...]:
        inputs, tokens, weight = row
        logits, _ = graph.features(adapted, inputs[None], masks, False, narrow=narrow)
        nats, count = cross_entropy(logits[0], tokens)
        if not compare:
            return weight * nats, weight * count
        wanted, _ = graph.features(params, inputs[None], full, False)
        apart, equal = token_divergence(wanted[0], logits[0], tokens)
        return weight * nats, weight * count, weight * apart, weight * equal

    weights = jnp.ones(len(task.inputs)) if task.real is None else task.real
    rows = (task.inputs, task.targets, weights)
    nats, counts, *apart = jax.lax.map(one, rows, batch_size=SENTENCES)
    error = finite_share(nats.sum(), counts.sum())
    return error, finite_share(*(one.sum() for one in apart)) if apart else jnp.zeros(())
