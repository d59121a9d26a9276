"""Rankings of the units of every group, for each task."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._tree import named_leaves
from .._types import Array, Float, Int
from ..graph._subject import Subject

MEASURED = ("taylor", "fisher", "activation")
"""The scores that examples are needed for."""
SURGEON = "surgeon"
"""What removing a unit costs once the others have made up for it; see `fitness/_surgeon.py`."""
RANKINGS = (*MEASURED, "magnitude", SURGEON, "random")
"""Everything that units can be ranked by."""


def example_scores(
    loss: Callable[..., Array],
    sizes: Sequence[int],
    rows: tuple[Array, ...],
    weights: Float[Array, " B"],
    side_by_side: int,
    names: Sequence[str] = MEASURED,
) -> dict[str, list[Float[Array, " _size"]]]:
    """Score units by what the loss of single examples says of them, in one pass over the examples.

    With g = d loss / d mask of one example, which is the sum of activation times gradient at the
    places that consume the unit:

    - `taylor`: the mean of |g|, the first-order change of the loss when the unit is removed
      (Molchanov et al., 2017, https://arxiv.org/abs/1611.06440).
    - `fisher`: the mean of g^2, the diagonal of the empirical Fisher information of the masks
      (Theis et al., 2018, https://arxiv.org/abs/1801.05787; Kwon et al., 2022,
      https://arxiv.org/abs/2204.09656).
    - `activation`: the root of the mean of the watch's derivative (`graph/_watch.py`): over all
      weights that consume the unit, and all data, the norm of |weight| |activation|. For a dense
      layer that is the norm of the activation times the norm of the weights, as Wanda scores single
      weights (Sun et al., 2023, https://arxiv.org/abs/2306.11695).

    Args:
      loss: `loss(masks, watch, inputs [1, ...], targets [1, ...], ...)`, a number.
      sizes: units in each group.
      rows: the examples: arrays [B, ...], one for each argument of `loss` after the watch.
      weights: how much each example counts; 0 for padding.
      side_by_side: how many go through the network at the same time.
      names: which of the three.

    Returns:
      By name one score, at least 0, for each unit of each group; larger is more important.
    """
    ones = [jnp.ones(size, jnp.float32) for size in sizes]
    watch = jnp.zeros(1 + sum(sizes), jnp.float32)
    masked, watched = "taylor" in names or "fisher" in names, "activation" in names
    by = (0,) * masked + (1,) * watched

    def one(example: tuple[Array, ...]) -> Any:
        return jax.grad(loss, by)(ones, watch, *(leaf[None] for leaf in example))

    def mean(each: Float[Array, "B _size"]) -> Float[Array, " _size"]:
        return (weights[:, None] * each).sum(0) / weights.sum()

    found = jax.lax.map(one, rows, batch_size=side_by_side)
    scores = {}
    if masked:
        scores["taylor"] = [mean(jnp.abs(gradient)) for gradient in found[0]]
        scores["fisher"] = [mean(gradient**2) for gradient in found[0]]
    if watched:
        # Entry 0 collects what belongs to no unit.
        size = jnp.sqrt(mean(found[-1]))[1:]
        scores["activation"] = jnp.split(size, np.cumsum(sizes)[:-1].tolist())
    return {name: scores[name] for name in names}


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


def drawn(seed: int, tasks: int, sizes: Sequence[int]) -> list[Float[Array, "T _size"]]:
    """Draw scores from (0, 1] for every task: the ranking that knows nothing."""
    keys = jax.random.split(jax.random.key(seed), len(sizes))
    return [
        1 - jax.random.uniform(key, (tasks, size)) for key, size in zip(keys, sizes, strict=True)
    ]


def normalised(scores: Sequence[Float[Array, "*R _size"]]) -> list[Float[Array, "*R _size"]]:
    """Return scores of mean 1 over each group."""
    return [score / score.mean(-1, keepdims=True) for score in scores]


def mixture(
    scores: Sequence[Float[Array, "*T R _size"]], weights: Float[Array, " R"] | None = None
) -> list[Float[Array, "*T _size"]]:
    """Return the weighted sums of R scores; the plain sums without weights or if all are zero."""
    if weights is None:
        return [score.sum(-2) for score in scores]
    weights = jnp.where(weights.any(), weights, 1.0)
    return [(weights[:, None] * score).sum(-2) for score in scores]


@jax.jit
def ranking(scores: Sequence[Float[Array, "*T _size"]]) -> list[Int[Array, "*T _size"]]:
    """Return the place of every unit in its group, 0 for the largest score; ties by index."""
    return [jnp.argsort(jnp.argsort(-score, stable=True)) for score in scores]


def unit_costs(graph: Subject, cost: str, classes: int) -> Float[np.ndarray, " G"]:
    """Return what the whole network costs more for one unit of each group than without it.

    Args:
      graph: the network.
      cost: `"parameters"`, `"bytes"` or `"flops"`.
      classes: outputs of the head.
    """
    sizes = np.array(graph.sizes)
    kept = np.concatenate([sizes[None], sizes - np.eye(len(sizes), dtype=sizes.dtype)])
    costs = graph.cost(kept, classes)[cost]
    return (costs[0] - costs[1:]).astype(np.float64)


def kept_above(
    scores: Sequence[Float[np.ndarray, " _size"]], shares: Float[np.ndarray, " count"]
) -> Int[np.ndarray, "count G"]:
    """Return how many units each group keeps under one threshold for all groups.

    Args:
      scores: of units, comparable across groups.
      shares: of all units to keep, in (0, 1]: each sets a threshold; ties by group and index.

    Returns:
      Counts of at least one for each group.
    """
    group = np.repeat(np.arange(len(scores)), [len(score) for score in scores])
    order = group[np.argsort(-np.concatenate(scores), kind="stable")]
    total = np.maximum(np.round(shares * len(order)), 1).astype(int)
    counts = [np.bincount(order[:count], minlength=len(scores)) for count in total]
    return np.maximum(np.stack(counts), 1)
