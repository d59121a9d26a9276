"""Which examples the steps of an epoch look at."""

import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._batch import TaskBatch
from ._adaptation import Adaptation
from ._recovery import Recovery


def counts(batch: TaskBatch) -> np.ndarray:
    """Return how many examples each task has, padding left out."""
    if batch.real is None:
        return np.full(len(batch.inputs), batch.inputs.shape[1])
    return np.asarray(batch.real.sum(1)).astype(int)


def steps(batch: TaskBatch, training: Recovery | Adaptation) -> int:
    """Return how many steps an epoch has: as many for all tasks as for the largest."""
    return int(counts(batch).max()) // training.batch


def orders(batch: TaskBatch, training: Recovery | Adaptation, epoch: int) -> Array:
    """Return which examples each step of an epoch looks at, int32 [T, N, B].

    All tasks take as many steps as the largest; a smaller one goes through its examples again.
    """
    sizes = counts(batch)
    examples = steps(batch, training) * training.batch
    rng = np.random.default_rng((training.seed, epoch))
    rows = []
    for size in sizes.tolist():
        rounds = -(-examples // size)
        row = np.concatenate([rng.permutation(size) for _ in range(rounds)])
        rows.append(row[:examples].reshape(-1, training.batch))
    return jnp.asarray(np.stack(rows), jnp.int32)
