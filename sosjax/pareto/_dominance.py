"""Dominance and nondominated fronts of costs [P, K], all minimised."""

import jax
import jax.numpy as jnp

from .._errors import require
from .._types import Array, Bool, Float, Int
from ._chain import blockwise, patience, peel
from ._order import orders

# Where one way to number fronts overtakes the other, on a CPU for 2 and for more costs, and on an
# accelerator, where only the memory of the packed matrix (P^2 / 8 bytes) is against it.
PEELED_PAIRS, PEELED, PEELED_ON_ACCELERATOR = 256, 1024, 2**15
BLOCK = 256


def dominates(costs: Float[Array, "P K"]) -> Bool[Array, "P P"]:
    """Return whether row i dominates row j.

    Row i dominates row j if it is nowhere larger and somewhere smaller. Of rows that are equal in
    every cost the first dominates the others, so that a front holds no duplicates. A row with a
    cost that is not finite dominates nothing and is dominated by every finite row.
    """
    index = jnp.arange(len(costs))
    return jax.vmap(_dominators, (None, 0, 0), 1)(_comparable(costs), _comparable(costs), index)


def _comparable(costs: Float[Array, "P K"]) -> Float[Array, "P K"]:
    """Return the costs with failed rows at infinity in every column."""
    return jnp.where(jnp.isfinite(costs).all(-1, keepdims=True), costs, jnp.inf)


def _dominators(
    costs: Float[Array, "P K"], row: Float[Array, " K"], place: Int[Array, ""]
) -> Bool[Array, " P"]:
    """Return which of comparable costs dominate the row at that place."""
    no_larger = jnp.isfinite(costs[:, 0])
    smaller = jnp.arange(len(costs)) < place
    # Column by column, so that nothing of [P, P, K] is ever held.
    for column, value in zip(costs.T, row, strict=True):
        no_larger &= column <= value
        smaller |= column < value
    return no_larger & smaller


def fronts(costs: Float[Array, "P K"], enough: int | None = None) -> Int[Array, " P"]:
    """Return the number of each row's nondominated front, from 0 for the best.

    Fronts as in NSGA-II (Deb et al., 2002, doi 10.1109/4235.996017): a front is what nothing
    dominates once the fronts before it are taken away. Of rows that are equal in every cost the
    first dominates the others. Rows that are not finite get the number P, behind every front.

    A small population is peeled front by front. On a CPU a large one of two costs takes P log P
    steps, and one of more costs compares every pair once, in blocks: neither the time nor the
    memory grows with the number of fronts.

    Args:
      costs: the costs, K >= 1.
      enough: how many rows need their number. All rows behind the front that completes this many
        share the next number, which can save time. By default every row gets its own front's.

    >>> costs = jnp.asarray([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 2.0], [jnp.nan, 0.0]])
    >>> fronts(costs).tolist()
    [0, 0, 1, 2, 5]
    >>> fronts(costs, enough=1).tolist()
    [0, 0, 1, 1, 5]
    """
    require(costs.shape[1] > 0, f"`costs` must have at least one column, got {costs.shape}.")
    require(
        enough is None or enough >= 1,
        f"`enough` must be a whole number of rows, at least 1, got {enough}.",
    )
    costs = _comparable(costs)
    order = orders(costs)[0]
    front = _numbers(costs[order], enough)
    return jnp.zeros_like(front).at[order].set(front, unique_indices=True)


def _numbers(costs: Float[Array, "P K"], enough: int | None) -> Int[Array, " P"]:
    """Return the front numbers of comparable rows in lexicographic order."""
    count, objectives = costs.shape
    valid = jnp.isfinite(costs[:, 0])

    def peeled(costs: Array) -> Array:
        return peel(costs, valid, enough)

    def in_blocks(costs: Array) -> Array:
        return _coarse(jnp.where(valid, blockwise(costs), count), enough)

    def by_patience(costs: Array) -> Array:
        return _coarse(jnp.where(valid, patience(costs[:, 1]), count), enough)

    if objectives == 1:
        return _coarse(jnp.where(valid, jnp.arange(count, dtype=jnp.int32), count), enough)
    if count <= (PEELED_PAIRS if objectives == 2 else PEELED):
        return peeled(costs)
    return jax.lax.platform_dependent(
        costs,
        cpu=by_patience if objectives == 2 else in_blocks,
        default=peeled if count <= PEELED_ON_ACCELERATOR else in_blocks,
    )


def _coarse(front: Int[Array, " P"], enough: int | None) -> Int[Array, " P"]:
    """Let all rows behind the first fronts that hold enough rows share the next number."""
    if enough is None:
        return front
    count = len(front)
    sizes = jnp.zeros(count + 1, jnp.int32).at[front].add(1)
    complete = (jnp.cumsum(sizes) < enough).sum()
    return jnp.where(front == count, count, jnp.minimum(front, complete + 1))


@jax.jit
def nondominated(costs: Float[Array, "P K"]) -> Bool[Array, " P"]:
    """Return which rows are finite and dominated by no other; of equal rows, the first.

    Two costs take P log P steps; more compare every pair, in blocks.
    """
    costs = _comparable(costs)
    finite = jnp.isfinite(costs[:, 0])
    if costs.shape[1] > 2:
        rows = (costs, jnp.arange(len(costs)))
        beaten = jax.lax.map(
            lambda row: _dominators(costs, *row).any(), rows, batch_size=min(len(costs), BLOCK)
        )
        return finite & ~beaten
    order = orders(costs)[0]
    last = costs[order, -1]
    earlier = jnp.concatenate([jnp.full(1, jnp.inf, last.dtype), jax.lax.cummin(last)[:-1]])
    return finite & jnp.zeros_like(finite).at[order].set(last < earlier, unique_indices=True)
