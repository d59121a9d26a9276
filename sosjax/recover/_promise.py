"""Which new sub-networks promise most beyond a front, or within environments."""

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Float
from ..pareto._hypervolume import hypervolume

MARGIN = 0.1
"""How far the reference lies behind the worst of every objective, as a share of its range."""

LEAST = 0.01
"""What an environment's log error is bettered by at least, or a recovery is not worth it."""


def promising(points: np.ndarray, known: np.ndarray, count: int) -> list[int]:
    """Choose rows one after the other, each for what it adds to the hypervolume of those before.

    So they lie where much is promised, and not all in one place.

    Args:
      points: the objectives that are promised, minimised, on the axes that gains are measured on,
        [M, K].
      known: the objectives of what there is, [N, K].
      count: how many rows at most; fewer, if no other adds anything.
    """
    if len(points) == 0:
        return []
    both = np.concatenate([points, known])
    low, high = both.min(0), both.max(0)
    reference = jnp.asarray(high + MARGIN * np.maximum(high - low, 1e-6), jnp.float32)
    there = np.concatenate([known, np.full((count, points.shape[1]), np.inf)]).astype(np.float32)

    # The last row is known, and adds nothing but rounding.
    rows = jnp.asarray(np.concatenate([points, known[:1]]), jnp.float32)
    chosen: list[int] = []
    for place in range(len(known), len(there)):
        found = np.asarray(_volumes(jnp.asarray(there), rows, reference), np.float64)
        gains = found[:-1] - found[-1]
        best = int(gains.argmax())
        if gains[best] <= 1e-6 * found[-1]:
            break
        chosen.append(best)
        there[place] = points[best]
    return chosen


def better_within(points: np.ndarray, known: np.ndarray, count: int) -> list[int]:
    """Choose rows one after the other, each for how much it betters one environment.

    What is chosen for one environment counts for the others, too: none is chosen for what another
    gives as well.

    Args:
      points: the log errors that are promised, infinite beyond an environment's limits, [E, M].
      known: those of what there is, [E, N].
      count: how many rows at most; fewer, if no other betters any by more than `LEAST`.
    """
    if 0 in points.shape:
        return []
    least, best = known.min(1, initial=np.inf), points.argmin(1)
    reached = points.min(1)
    chosen: list[int] = []
    while len(chosen) < count:
        better = reached < least - LEAST
        if not better.any():
            break
        gains = np.where(better, least - np.where(better, reached, 0), -np.inf)
        row = int(best[gains.argmax()])
        chosen.append(row)
        least = np.minimum(least, points[:, row])
    return chosen


@jax.jit
def _volumes(
    there: Float[Array, "N K"], rows: Float[Array, "M K"], reference: Float[Array, " K"]
) -> Float[Array, " M"]:
    """Return the hypervolume of what there is with each of the rows."""
    return jax.lax.map(
        lambda row: hypervolume(jnp.concatenate([there, row[None]]), reference), rows
    )
