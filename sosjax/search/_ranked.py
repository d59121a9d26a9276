"""What a search ranks units by: scores of every task, checked before anything is built on them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Kernel
from ..space._importance import MEASURED, SURGEON, drawn, magnitude, normalised


def unit_scores(
    kernel: Kernel,
    params: Any,
    batch: TaskBatch,
    names: Sequence[str],
    seed: int,
    surgeon: Sequence[Array | None] | None = None,
) -> dict[str, list[Array]]:
    """Score the units of every group for every task; what needs examples in one pass over them.

    Args:
      kernel: of the network.
      params: the full parameters.
      batch: the search data.
      names: some of `RANKINGS`; magnitude is the same for all tasks.
      seed: of random scores.
      surgeon: the surgeon's scores, [T, size] for each group; Taylor's take the place of `None`.

    Returns:
      By name, float32 [T, size] for each group; larger is more important.
    """
    graph, tasks = kernel.graph, len(batch.inputs)
    asked = {*names, "taylor"} if SURGEON in names else set(names)
    measured = tuple(name for name in MEASURED if name in asked)
    found: dict[str, list[Array]] = {}
    if measured:
        found = dict(jax.jit(partial(kernel.scores, names=measured))(params, batch))
    if "magnitude" in names:
        each = magnitude(graph, params)
        found["magnitude"] = [jnp.broadcast_to(score, (tasks, *score.shape)) for score in each]
    if "random" in names:
        found["random"] = drawn(seed, tasks, graph.sizes)
    if SURGEON in names:
        assert surgeon is not None
        pairs = zip(surgeon, found["taylor"], strict=True)
        found[SURGEON] = [other if own is None else own for own, other in pairs]
    return {name: found[name] for name in names}


def check_scores(
    scores: dict[str, list[Array]], groups: Sequence[str], tasks: Sequence[str]
) -> None:
    """Refuse scores that rank nothing.

    Args:
      scores: [T, size] for each group, by the ranking's name.
      groups: their names.
      tasks: their names.

    Raises:
      InputError: all scores of a group are zero for a task, or one is not finite.
    """
    for name, each in scores.items():
        for group, rows in zip(groups, each, strict=True):
            for task, row in zip(tasks, np.asarray(rows), strict=True):
                finite = bool(np.isfinite(row).all())
                came = "all zero" if finite else f"{(~np.isfinite(row)).sum()} not finite"
                require(
                    finite and row.any(),
                    f"`ranking` {name!r} must have finite scores for the units of every group, and "
                    f"some above zero, got {came} for group {group!r} and task {task!r}: another "
                    "ranking, or other examples, may tell its units apart.",
                )


def shared(scores: Sequence[Array]) -> list[Array]:
    """Return scores [T, size] that are the same for all tasks: the mean of those of mean 1."""
    return [
        jnp.broadcast_to(score.mean(0, keepdims=True), score.shape) for score in normalised(scores)
    ]
