"""Three ways to number the fronts of rows in lexicographic order.

A row that comes earlier in that order dominates a later one (or equals it) if it is no larger in
every cost but the first, which the order has compared already. The number of a row's front is then
the length of the longest chain of rows, each dominating the next, that ends before it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Bool, Float, Int

WORD = 32


def peel(
    costs: Float[Array, "P K"], valid: Bool[Array, " P"], enough: int | None = None
) -> Int[Array, " P"]:
    """Take off one front after the other.

    The dominance matrix is packed to bits, so that a front asks for P^2 / 32 words. Stops when
    `enough` rows have a number; the rest has the next one. Rows that are not valid have number P.
    """
    words = _dominator_words(costs)
    count = len(costs)
    wanted = count if enough is None else enough
    stop = jnp.maximum(valid.sum() - wanted, 0)

    def unfinished(state: tuple[Array, Array]) -> Array:
        left = state[0] == count
        return left.any() if enough is None else left.sum() > stop

    def take(state: tuple[Array, Array]) -> tuple[Array, Array]:
        front, number = state
        left = front == count
        beaten = ((words & _packed(left)[:, None]) != 0).any(0)
        return jnp.where(left & ~beaten, number, front), number + 1

    # Until the end P means left, and P + 1 not valid.
    start = (jnp.where(valid, count, count + 1), jnp.zeros((), jnp.int32))
    front, number = jax.lax.while_loop(unfinished, take, start)
    return jnp.where(valid, jnp.where(front == count, number, front), count)


def _dominator_words(costs: Float[Array, "P K"]) -> Array:
    """Return for every row which earlier ones are no larger in all costs but the first, as bits."""
    count = len(costs)
    words = -(-count // WORD)
    others = jnp.pad(costs, ((0, words * WORD - count), (0, 0)), constant_values=jnp.inf)
    others = others.reshape(words, WORD, -1)
    packed = jnp.zeros((words, count), jnp.uint32)
    # Written out bit by bit this is one elementwise kernel, which a reduction is not.
    for bit in range(WORD):
        no_larger = jnp.ones((words, count), bool)
        for cost in range(1, costs.shape[1]):
            no_larger &= others[:, bit, cost, None] <= costs[:, cost]
        packed |= jnp.where(no_larger, jnp.uint32(1 << bit), jnp.uint32(0))
    # Of a word the bits of the rows before, of which there may be all 32 or none.
    before = jnp.clip(jnp.arange(count) - WORD * jnp.arange(words)[:, None], 0, WORD)
    some = (jnp.uint32(1) << before.astype(jnp.uint32)) - 1
    return packed & jnp.where(before == WORD, ~jnp.uint32(0), some)


def _packed(rows: Bool[Array, " P"]) -> Array:
    words = -(-len(rows) // WORD)
    bits = jnp.pad(rows, (0, words * WORD - len(rows))).reshape(words, WORD).astype(jnp.uint32)
    return (bits << jnp.arange(WORD, dtype=jnp.uint32)).sum(1, dtype=jnp.uint32)


@jax.custom_batching.sequential_vmap
def patience(second: Float[Array, " P"]) -> Int[Array, " P"]:
    """Number the rows of two costs from their second alone, in P log P steps.

    Every front remembers its lowest second cost so far. These values ascend with the front's
    number, so that the first front without a dominator of the next row is found by bisection, as in
    patience sorting. (The idea is that of Jensen, 2003, doi 10.1109/TEVC.2003.817234.)

    XLA compiles this loop on single numbers to one kernel for a CPU, at 50 ns a row. A batch of
    such loops would become gathers and scatters, forty times as slow; so a batch goes one by one.
    """

    def place(state: tuple[Array, Array], value: Array) -> tuple[tuple[Array, Array], Array]:
        lowest, number = state
        front = _first_above(lowest, number, value)
        lowest = jax.lax.dynamic_update_index_in_dim(lowest, value, front, 0)
        return (lowest, jnp.maximum(number, front + 1)), front

    start = (jnp.full(len(second) + 1, jnp.inf, second.dtype), jnp.zeros((), jnp.int32))
    return jax.lax.scan(place, start, second)[1]


def _first_above(
    values: Float[Array, " Q"], count: Int[Array, ""], bound: Float[Array, ""]
) -> Int[Array, ""]:
    """Return the index of the first of `count` ascending values above the bound, else `count`."""

    def halve(state: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = state
        middle = (low + high) // 2
        above = jax.lax.dynamic_index_in_dim(values, middle, keepdims=False) > bound
        return jnp.where(above, low, middle + 1), jnp.where(above, middle, high)

    start = (jnp.zeros((), jnp.int32), count)
    return jax.lax.while_loop(lambda state: state[0] < state[1], halve, start)[0]


def blockwise(costs: Float[Array, "P K"], block: int = 128) -> Int[Array, " P"]:
    """Number the rows block after block.

    Compares every pair once, whatever the number of fronts, and holds block^2 comparisons.
    """
    count = len(costs)
    blocks = -(-count // block)
    rows = jnp.pad(costs, ((0, blocks * block - count), (0, 0)), constant_values=jnp.inf)
    rows = rows.reshape(blocks, block, -1)
    within = np.arange(block)[:, None] < np.arange(block)

    def number(index: Array, front: Array) -> Array:
        def earlier(other: Array, found: Array) -> Array:
            beats = _no_larger(rows[other], rows[index])
            return jnp.maximum(found, jnp.where(beats, front[other][:, None] + 1, 0).max(0))

        found = jax.lax.fori_loop(0, index, earlier, jnp.zeros(block, jnp.int32))
        return front.at[index].set(_relaxed(found, _no_larger(rows[index], rows[index]) & within))

    front = jax.lax.fori_loop(0, blocks, number, jnp.zeros((blocks, block), jnp.int32))
    return front.reshape(-1)[:count]


def _no_larger(one: Float[Array, "B K"], other: Float[Array, "B K"]) -> Bool[Array, "B B"]:
    """Return whether row i of one is no larger than row j of the other, the first cost aside."""
    result = jnp.ones((len(one), len(other)), bool)
    for cost in range(1, one.shape[1]):
        result &= one[:, cost, None] <= other[:, cost]
    return result


def _relaxed(front: Int[Array, " B"], beats: Bool[Array, "B B"]) -> Int[Array, " B"]:
    """Raise the numbers until every row is behind all rows that beat it."""

    def raise_(state: tuple[Array, Array]) -> tuple[Array, Array]:
        behind = jnp.where(beats, state[0][:, None] + 1, 0).max(0)
        higher = jnp.maximum(state[0], behind)
        return higher, (higher != state[0]).any()

    return jax.lax.while_loop(lambda state: state[1], raise_, (front, jnp.ones((), bool)))[0]
