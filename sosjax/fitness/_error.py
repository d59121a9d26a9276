"""How wrong outputs are, as a share: 0 is right, 1 is what knowing nothing gives, and the most."""

import jax.numpy as jnp
import numpy as np
import optax

from .._types import Array, Bool, Float, Int


def error_rate(
    logits: Float[Array, "B C"],
    targets: Float[Array, "B C"],
    valid: Bool[Array, " C"],
    real: Float[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Return the share of rows whose largest logit among the valid classes is not the target's.

    Infinite if a logit is not finite.

    Args:
      logits: of every class.
      targets: one-hot rows.
      valid: which classes the task has.
      real: 1 for an example and 0 for padding, which counts in nothing; `None`: all are real.
    """
    rows = jnp.ones(len(logits)) if real is None else real
    wrong = jnp.where(valid, logits, -jnp.inf).argmax(-1) != targets.argmax(-1)
    finite = jnp.isfinite(jnp.where(valid & (rows > 0)[:, None], logits, 0)).all()
    return jnp.where(finite, (wrong * rows).sum() / rows.sum(), jnp.inf)


def entropy(
    logits: Float[Array, "B C"],
    targets: Float[Array, "B C"],
    valid: Bool[Array, " C"],
    real: Float[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Return the mean cross-entropy of the rows among the valid classes, in nats.

    Args:
      logits: of every class.
      targets: one-hot rows.
      valid: which classes the task has.
      real: as for `error_rate`.
    """
    rows = jnp.ones(len(logits)) if real is None else real
    nats = optax.softmax_cross_entropy(jnp.where(valid, logits, -1e9), targets)
    return (nats * rows).sum() / rows.sum()


def unexplained(
    values: Float[Array, "B C"],
    targets: Float[Array, "B C"],
    valid: Bool[Array, " C"],
    scale: Float[Array, " C"],
    real: Float[Array, " B"] | None = None,
) -> Float[Array, ""]:
    """Return the unexplained variance, 1 - R2: the mean squared error over the variance.

    The mean over a task's values, at most 1; infinite if one is not finite.

    Args:
      values: as the network gives them.
      targets: as they are.
      valid: which values the task has.
      scale: the variance of each.
      real: as for `error_rate`.
    """
    rows = jnp.ones(len(values)) if real is None else real
    square = rows[:, None] * (values - targets) ** 2
    shares = jnp.where(valid, square.sum(0) / rows.sum() / scale, 0)
    return finite_share(shares.sum(), valid.sum())


def cross_entropy(
    logits: Float[Array, "*B S V"], tokens: Int[Array, "*B S"]
) -> tuple[Float[Array, "*B"], Float[Array, "*B"]]:
    """Return the tokens' cross-entropy and their number, for every row.

    The cross-entropy is a share of that of equal odds, `ln V` nats for each token.

    Args:
      logits: of every token at every place.
      tokens: the wanted ones; -1 where none is.
    """
    wanted = tokens >= 0
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(tokens, 0))
    shares = jnp.where(wanted, nats, 0).sum(-1) / np.log(logits.shape[-1])
    return shares, wanted.sum(-1).astype(logits.dtype)


def finite_share(error: Array, count: Array) -> Float[Array, ""]:
    """Return the mean of a sum, at most 1; infinite if it is not finite.

    What is worse than knowing nothing is all alike: else ever smaller networks that are ever
    worse would beat each other on nothing and fill the front.
    """
    mean = error / count
    return jnp.where(jnp.isfinite(mean), jnp.minimum(mean, 1), jnp.inf)
