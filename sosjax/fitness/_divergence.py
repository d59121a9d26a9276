"""How far outputs are from the whole network's, as a share: 0 is the same, 1 knows nothing of it.

Distillation (Hinton et al., 2015, https://arxiv.org/abs/1503.02531) asks a network to say what
another one says, wrong or right, which is more than its labels tell.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Bool, Float, Int
from ._error import finite_share

LEAST = 0.01
"""The least share that least squares may foretell."""
TINY = 1e-30
"""What a share counts as that is too small for a float32: its logarithm is finite."""


def as_shares(
    outputs: Float[Array, "B C"], valid: Bool[Array, " C"], log_odds: bool | Array
) -> Float[Array, "B C"]:
    """Return the probabilities that outputs stand for, zero for what a task does not have.

    Args:
      outputs: log odds, or what least squares foretell of one-hot rows: shares already, which are
        made at least `LEAST` and sum to one.
      valid: which classes the task has.
      log_odds: which of the two they are.
    """
    odds = jax.nn.softmax(jnp.where(valid, outputs, -jnp.inf), -1)
    foretold = jnp.where(valid, jnp.maximum(outputs, LEAST), 0)
    return jnp.where(log_odds, odds, foretold / foretold.sum(-1, keepdims=True))


def divergence(
    wanted: Float[Array, "B C"],
    found: Float[Array, "B C"],
    valid: Bool[Array, " C"],
    real: Float[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Return the divergence of found from wanted shares (Kullback and Leibler, 1951).

    A share of the divergence that equal odds have.

    Args:
      wanted: rows of probabilities, those of the whole network.
      found: rows of probabilities.
      valid: which classes there are.
      real: 1 for an example and 0 for padding, which counts in nothing; `None`: all are real.
    """
    rows = jnp.ones(len(wanted)) if real is None else real
    nats = rows @ _nats(wanted, found)
    equal = rows @ _nats(wanted, jnp.where(valid, 1 / valid.sum(), 0))
    return finite_share(nats, jnp.maximum(equal, 1e-6))


def token_divergence(
    wanted: Float[Array, "*B S V"], found: Float[Array, "*B S V"], tokens: Int[Array, "*B S"]
) -> tuple[Float[Array, "*B"], Float[Array, "*B"]]:
    """Return the divergence summed over the tokens of every row, and that of equal odds.

    Args:
      wanted: logits of the whole network.
      found: logits.
      tokens: -1 where none is asked.
    """
    wanted, found = jax.nn.log_softmax(wanted), jax.nn.log_softmax(found)
    odds = jnp.exp(wanted)
    sums = [
        jnp.where(tokens >= 0, (odds * gap).sum(-1), 0).sum(-1)
        for gap in (wanted - found, wanted + np.log(wanted.shape[-1]))
    ]
    return sums[0], sums[1]


def _nats(wanted: Array, found: Array) -> Array:
    """Return each row's divergence; where nothing is wanted, nothing is added."""
    there = wanted > 0
    ratio = jnp.where(there, wanted, 1) / jnp.where(there, jnp.maximum(found, TINY), 1)
    return (wanted * jnp.log(ratio)).sum(-1)
