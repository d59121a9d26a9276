"""Which examples the steps of an epoch look at."""

import jax.numpy as jnp
import numpy as np

from .._types import Array
from ._adaptation import Adaptation
from ._batch import TaskBatch
from ._recovery import Recovery


def counts(batch: TaskBatch) -> np.ndarray:
    """Return how many examples each task has, padding left out."""
    if batch.real is None:
        return np.full(len(batch.inputs), batch.inputs.shape[1])
    return np.asarray(batch.real.sum(1)).astype(int)


def orders(batch: TaskBatch, training: Recovery | Adaptation, epoch: int) -> Array:
    """Return which examples each step of an epoch looks at, int32 [T, N, B].

    All tasks take as many steps as the largest; a smaller one goes through its examples again.
    """
    sizes = counts(batch)
    steps = int(sizes.max()) // training.batch
    rng = np.random.default_rng((training.seed, epoch))
    rows = []
    for size in sizes.tolist():
        rounds = -(-steps * training.batch // size)
        row = np.concatenate([rng.permutation(size) for _ in range(rounds)])
        rows.append(row[: steps * training.batch].reshape(steps, training.batch))
    return jnp.asarray(np.stack(rows), jnp.int32)
