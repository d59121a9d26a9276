"""What a strategy answers with where its search keeps no population: the best rows seen."""

import jax
import jax.numpy as jnp

from .._types import Array, Bool, Float, Int
from ..pareto._crowding import crowding_distance
from ..pareto._dominance import fronts


def best_distinct(
    rows: Float[Array, "P D"], costs: Float[Array, "P K"], count: int
) -> tuple[Float[Array, "N D"], Float[Array, "N K"], Int[Array, " N"]]:
    """Return the best `count` rows of one task, their costs and the numbers of their fronts.

    By nondominated front, then by crowding distance, then by index. Rows equal in all genes to an
    earlier one come after all others that are finite, failed rows last. The costs of a failed row
    are all infinite afterwards.
    """
    failed = ~jnp.isfinite(costs).all(-1)
    again = repeated(rows) & ~failed
    front = fronts(jnp.where((failed | again)[:, None], jnp.inf, costs))
    finite = jnp.where(failed[:, None], 0.0, costs)
    # Distances compare within a front only; the fronts of twins and of failed rows say nothing.
    distance = jnp.where(failed | again, 0.0, crowding_distance(finite, front))
    order = jnp.lexsort((-distance, front, again + 2 * failed))[:count]
    costs = jnp.where(failed[:, None], jnp.inf, costs)
    return rows[order], costs[order], front[order]


def repeated(rows: Float[Array, "P D"]) -> Bool[Array, " P"]:
    """Return which rows equal an earlier row in all genes.

    Compared by two 32-bit fingerprints: memory P x D + P x P instead of P x P x D, at the price of
    one false alarm in 10^19 pairs.
    """
    one, two = (fingerprint(rows, seed) for seed in (0x9E3779B9, 0x7F4A7C15))
    equal = (one[:, None] == one) & (two[:, None] == two)
    return jnp.tril(equal, -1).any(1)


def fingerprint(rows: Float[Array, "P D"], seed: int) -> Int[Array, " P"]:
    """Return one 32-bit number for each row, the same for the same genes at the same places.

    The bits of each gene, offset by its place, through the final mixing of MurmurHash3 (Appleby,
    2011); without it genes that are 0 or 1 would differ in their highest bits only.
    """
    bits = jax.lax.bitcast_convert_type(rows.astype(jnp.float32) + 0.0, jnp.uint32)
    mixed = bits + (jnp.arange(rows.shape[1], dtype=jnp.uint32) + 1) * jnp.uint32(seed)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        mixed = (mixed ^ (mixed >> shift)) * jnp.uint32(factor)
    return jax.lax.bitcast_convert_type(mixed.sum(-1, dtype=jnp.uint32), jnp.int32)
