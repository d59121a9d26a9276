"""A linear head in closed form, judged leave-one-out.

The normal equations are inverted by sweeps in plain array code. A LAPACK call is avoided on
purpose: several of them beside convolutions in one program stop for ever on a CPU of two cores
(JAX 0.10).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from .._types import Array, Float


class RidgeHead(NamedTuple):
    """A linear head, logits = features @ kernel + bias.

    Attributes:
      kernel: [F, C].
      bias: [C].
    """

    kernel: Array
    bias: Array


BLOCK = 32
"""Rows that are swept together."""


def inverse(matrix: Float[Array, "F F"]) -> Float[Array, "F F"]:
    """Return the inverse of a symmetric positive definite matrix, by the sweep operator.

    Dempster, 1969. Without pivoting, which positive definiteness makes safe. Of a large matrix
    `BLOCK` rows are swept at once, as products of matrices, which takes half the time.
    """
    size = len(matrix)
    if size <= 4 * BLOCK:
        return -jax.lax.fori_loop(0, size, _sweep_row, matrix)
    # What is missing of a whole number of blocks is filled up with ones on the diagonal.
    filled = jnp.eye(-(-size // BLOCK) * BLOCK, dtype=matrix.dtype)
    filled = filled.at[:size, :size].set(matrix)
    swept = jax.lax.fori_loop(0, len(filled) // BLOCK, _sweep_block, filled)
    return -swept[:size, :size]


def _sweep_row(row: Array, swept: Array) -> Array:
    column = swept[row]
    pivot = column[row]
    scaled = column / pivot
    swept = swept - column[:, None] * scaled
    swept = swept.at[row].set(scaled).at[:, row].set(scaled)
    return swept.at[row, row].set(-1 / pivot)


def _sweep_block(block: Array, swept: Array) -> Array:
    start = block * BLOCK
    columns = jax.lax.dynamic_slice_in_dim(swept, start, BLOCK, 1)
    pivot = jax.lax.dynamic_slice_in_dim(columns, start, BLOCK, 0)
    solver = -jax.lax.fori_loop(0, BLOCK, _sweep_row, pivot)
    scaled = columns @ solver
    swept = swept - scaled @ columns.T
    swept = jax.lax.dynamic_update_slice_in_dim(swept, scaled, start, 1)
    swept = jax.lax.dynamic_update_slice_in_dim(swept, scaled.T, start, 0)
    return jax.lax.dynamic_update_slice(swept, -solver, (start, start))


def ridge_head(
    features: Float[Array, "B F"],
    targets: Float[Array, "B C"],
    prior: RidgeHead | None,
    penalty: float | Float[Array, ""],
    real: Float[Array, " B"] | None = None,
) -> tuple[RidgeHead, Float[Array, "B C"]]:
    """Fit targets on features and on the prior head's outputs, which belong to the span anyway.

    Giving the prior's outputs as further features makes its directions cheap under the penalty:
    with few examples the fit leans on the prior, with many it is free.

    Args:
      features: what the head reads; a column of zeros is a removed unit.
      targets: one-hot rows or values; a column of zeros is an output the task does not have.
      prior: the Jack's own rows for the task's classes; `None` if it has none.
      penalty: ridge penalty as a share of the mean feature's variance.
      real: 1 for an example and 0 for padding, which counts in nothing; `None`: all are real.

    Returns:
      The head, and each example's logits by the head fitted on all the other examples.
    """
    # Accelerators multiply float32 in fewer bits unless told otherwise: too few to invert.
    with jax.default_matmul_precision("highest"):
        return _fitted(features, targets, prior, penalty, real)


def _fitted(
    features: Array,
    targets: Array,
    prior: RidgeHead | None,
    penalty: float | Array,
    real: Array | None,
) -> tuple[RidgeHead, Array]:
    count = len(features) if real is None else real.sum()
    each = 1.0 if real is None else real[:, None]
    center = (each * features).sum(0) / count
    centered = each * (features - center)
    design = centered
    if prior is not None:
        design = jnp.concatenate([centered, centered @ prior.kernel], 1)
    gram = design.T @ design / count
    ridge = penalty * jnp.trace(gram[: features.shape[1], : features.shape[1]])
    ridge = ridge / features.shape[1] + 1e-6
    solver = inverse(gram + ridge * jnp.eye(len(gram))) / count
    average = (each * targets).sum(0) / count
    weights = solver @ (design.T @ (targets - average))
    fitted = design @ weights + average
    leverage = 1 / count + ((design @ solver) * design).sum(1, keepdims=True)
    left_out = targets - (targets - fitted) / jnp.maximum(1 - leverage, 1e-3)
    kernel = weights[: features.shape[1]]
    if prior is not None:
        kernel = kernel + prior.kernel @ weights[features.shape[1] :]
    return RidgeHead(kernel, average - center @ kernel), left_out
