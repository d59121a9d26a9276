"""Rankings of the units of every group, for each task."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .._tree import named_leaves
from .._types import Array, Float, Int
from ..graph._subject import Subject


def taylor(
    loss: Callable[..., Array], sizes: Sequence[int], rows: tuple[Array, ...], side_by_side: int
) -> list[Float[Array, " _size"]]:
    """Score units by the first-order change of the loss when they are removed.

    The mean over examples of |d loss / d mask|, which is |sum of activation times gradient| at the
    places that consume the unit (Molchanov et al., 2017, https://arxiv.org/abs/1611.06440).

    Args:
      loss: `loss(masks, inputs [1, ...], targets [1, ...], ...)`, a number.
      sizes: units in each group.
      rows: the examples: arrays [B, ...], one for each argument of `loss` after the masks.
      side_by_side: how many go through the network at the same time.

    Returns:
      One score for each unit of each group; larger is more important.
    """
    ones = [jnp.ones(size, jnp.float32) for size in sizes]

    def one(example: tuple[Array, ...]) -> list[Array]:
        gradients = jax.grad(loss)(ones, *(leaf[None] for leaf in example))
        return [jnp.abs(gradient) for gradient in gradients]

    scores = jax.lax.map(one, rows, batch_size=side_by_side)
    return [score.mean(0) for score in scores]


def magnitude(graph: Subject, params: object) -> list[Float[Array, " _size"]]:
    """Score units by the sum of the absolute parameters they own, statistics left out.

    Each leaf is divided by its mean absolute value first, so that no leaf drowns the others
    (Li et al., 2017, https://arxiv.org/abs/1608.08710, over whole groups).
    """
    leaves = named_leaves(params)
    scores = jnp.zeros(1 + sum(graph.sizes), jnp.float32)
    for (name, axis), table in graph.graph.tables().items():
        if name not in graph.buffers:
            size = jnp.abs(leaves[name])
            others = tuple(place for place in range(size.ndim) if place != axis)
            each = size.mean(others) / jnp.maximum(size.mean(), 1e-12)
            # Entry 0 collects what belongs to no unit.
            scores = scores.at[table].add(each[:, None])
    return jnp.split(scores[1:], np.cumsum(graph.sizes)[:-1].tolist())


def ranking(scores: Sequence[Float[Array, " _size"]]) -> list[Int[Array, " _size"]]:
    """Return the place of every unit in its group, 0 for the largest score; ties by index."""
    return [jnp.argsort(jnp.argsort(-score, stable=True)) for score in scores]
