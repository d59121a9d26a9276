"""One number for an algorithm over many tasks."""

import jax.numpy as jnp

from .._types import Array, Float


def mean_standard_score(scores: Float[Array, "L R T"]) -> Float[Array, " L"]:
    """Return the mean standard score (MSS) of each of L algorithms; lower is better.

    The scores of a task (such as IGD, lower is better) are shifted and scaled to mean 0 and
    variance 1 over all algorithms and runs, then averaged over the runs and tasks of an algorithm
    (Yuan et al., 2017, arXiv 1706.02766). A task on which all scores are equal adds 0. An algorithm
    with a score that is not finite gets infinity, and its bad runs do not touch the others' scores.

    Args:
      scores: by algorithm, run and task.

    >>> mean_standard_score(jnp.asarray([[[1.0], [1.0]], [[3.0], [3.0]]])).tolist()
    [-1.0, 1.0]
    """
    finite = jnp.isfinite(scores)
    count = jnp.maximum(finite.sum((0, 1)), 1)
    distance = scores - jnp.where(finite, scores, 0).sum((0, 1)) / count
    deviation = jnp.sqrt(jnp.where(finite, distance**2, 0).sum((0, 1)) / count)
    standard = jnp.where(deviation > 0, distance / jnp.where(deviation > 0, deviation, 1), 0)
    return jnp.where(finite.all((1, 2)), standard.mean((1, 2)), jnp.inf)
