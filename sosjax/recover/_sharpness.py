"""How sharp outputs are: by which factor those of a head in closed form become log odds."""

import jax
import jax.numpy as jnp

from .._types import Array, Bool, Float
from ..fitness._error import entropy

SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""A head in closed form foretells shares; as log odds they are too close by one of these."""
CHOSEN_ON = 256
"""Examples that the factor is chosen on."""


def sharpness(
    outputs: Float[Array, "B C"],
    targets: Float[Array, "B C"],
    valid: Bool[Array, " C"],
    real: Float[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Return which factor of the outputs has the least cross-entropy with the targets.

    Args:
      outputs: of a head in closed form; the first `CHOSEN_ON` count.
      targets: one-hot rows.
      valid: which classes the task has.
      real: 1 for an example and 0 for padding; `None`: all are real.
    """
    outputs, targets = outputs[:CHOSEN_ON], targets[:CHOSEN_ON]
    rows = None if real is None else real[:CHOSEN_ON]

    def loss(factor: Array) -> Array:
        return entropy(factor * outputs, targets, valid, rows)

    factors = jnp.asarray(SHARPNESS)
    return factors[jnp.argmin(jax.vmap(loss)(factors))]
