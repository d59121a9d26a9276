"""Weights of what is kept that follow from what is removed, without a gradient step.

Where a product of rows and a weight W loses features, compensation regresses the lost part of the
product on the features that are left, and adds the coefficients to their weights (Kwon et al.,
2022, https://arxiv.org/abs/2204.09656, without a search for masks); the correction of variances
scales each column so that the product is as large as before. Both go by the moments of rows of the
whole network, so that a candidate's weights are a function of its masks alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._tree import named_leaves
from .._types import AnyArray, Array, Bool, Float
from ..graph._sites import Site
from ..graph._subject import Subject
from ._ridge import inverse

RANK = 384
"""The directions that moments are written by; their diagonal is exact all the same."""
RIDGE = 1e-3
"""The penalty on changes of a weight, as a share of the mean feature's square."""


DRAWS = 2
"""Random sums of the outputs that rows are weighed by."""


class Moments(NamedTuple):
    """The second moments of one site's features, `factor @ factor.T + diag(rest)`, in some unit.

    Attributes:
      factor: [F, r].
      rest: what the factor leaves of the diagonal, and the penalty; positive, [F].
    """

    factor: AnyArray
    rest: AnyArray


def task_moments(
    graph: Subject, params: Any, inputs: Array, weights: Array, chunk: int, key: Array
) -> dict[str, Array]:
    """Return the moments of a task's rows, [F, F] by the site's leaf; see `site_moments`.

    Args:
      graph: the network.
      params: its parameters.
      inputs: [B, ...].
      weights: how much an example counts, [B]; or, of outputs that are tokens, each one, [B, S].
      chunk: examples side by side.
      key: of the random sums.
    """
    size = min(chunk, len(inputs))
    missing = -len(inputs) % size
    inputs = jnp.concatenate([inputs, jnp.repeat(inputs[:1], missing, 0)])
    weights = jnp.concatenate([weights, jnp.zeros((missing, *weights.shape[1:]))])
    parts = [leaf.reshape(-1, size, *leaf.shape[1:]) for leaf in (inputs, weights)]
    masks = [jnp.ones(units, bool) for units in graph.sizes]

    def moments(inputs: Array, weights: Array, keys: Array) -> dict[str, Array]:
        outputs, _ = jax.eval_shape(lambda rows: graph.features(params, rows, masks, False), inputs)
        shape = (DRAWS, *outputs.shape[1:])
        drawn = jax.vmap(lambda key: jax.random.normal(key, shape, outputs.dtype), 0, 1)(keys)
        drawn *= weights.reshape(*weights.shape, *[1] * (len(outputs.shape) - weights.ndim))
        with jax.default_matmul_precision("highest"):
            return graph.moments(params, inputs, drawn)

    def add(total: dict[str, Array], part: Any) -> tuple[dict[str, Array], None]:
        return jax.tree.map(jnp.add, total, moments(*part)), None

    # Each example has draws of its own, whatever is beside it.
    keys = jax.vmap(lambda row: jax.random.fold_in(key, row))(jnp.arange(len(inputs)))
    keys = keys.reshape(-1, size)
    shapes = jax.eval_shape(moments, parts[0][0], parts[1][0], keys[0])
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return jax.lax.scan(add, nothing, (*parts, keys))[0]


def factorised(moments: np.ndarray, rank: int = RANK, ridge: float = RIDGE) -> Moments:
    """Write second moments by few directions, on the host.

    Args:
      moments: [F, F], see `site_moments`.
      rank: the number r of directions, or F if that is less.
      ridge: see `RIDGE`.

    Raises:
      InputError: a moment is not finite.
    """
    require(
        bool(np.isfinite(moments).all()),
        "`data.search` must have finite activations to compensate by, got one that is not.",
    )
    matrix, size = np.asarray(moments, np.float64), len(moments)
    # In units of the mean feature's, so that float32 holds whatever the scale was.
    matrix = matrix / (np.trace(matrix) / size or 1.0)
    factor = _factor(matrix, min(rank, size))
    rest = np.maximum(np.diag(matrix) - (factor**2).sum(1), 0) + ridge
    return Moments(np.asarray(factor, np.float32), np.asarray(rest, np.float32))


def _factor(matrix: np.ndarray, rank: int) -> np.ndarray:
    """Return [n, rank], whose square is closest to a symmetric positive matrix.

    By subspace iteration from random vectors (Halko et al., 2011,
    https://arxiv.org/abs/0909.4061) where few of many directions are wanted.
    """
    if 2 * rank < len(matrix):
        width = min(rank + rank // 4 + 8, len(matrix))
        basis = np.random.default_rng(0).normal(size=(len(matrix), width))
        for _ in range(2):
            basis, _ = np.linalg.qr(matrix @ basis)
        values, vectors = np.linalg.eigh(basis.T @ matrix @ basis)
        vectors = basis @ vectors
    else:
        values, vectors = np.linalg.eigh(matrix)
    return vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0))


def made_good(
    fit: Callable[..., Array],
    sites: Sequence[Site],
    params: Any,
    masks: Sequence[Any],
    known: dict[str, Moments],
) -> dict[str, Array]:
    """Return the weights of all sites for what masks leave.

    Args:
      fit: one of `FITS`.
      sites: of the network.
      params: the full parameters.
      masks: for each group a boolean array [size].
      known: the moments of each site's features, by its leaf.

    Returns:
      Leaves by path, at full size, zero for what is removed; those of the network, to the bit,
      where nothing is.
    """
    leaves = named_leaves(params)
    # Accelerators multiply float32 in fewer bits unless told otherwise: too few to invert.
    with jax.default_matmul_precision("highest"):
        return {
            site.leaf: site.as_leaf(
                fit(site.matrix(leaves[site.leaf]), site.kept(masks), known[site.leaf]),
                leaves[site.leaf],
            )
            for site in sites
        }


def made_up(
    matrix: Float[Array, "F O"], kept: Bool[Array, " F"], known: Moments
) -> Float[Array, "F O"]:
    """Return the weights of kept features with which a product is closest to what it was.

    With C the moments, k kept and r removed: `W_k + (C_kk + penalty)^-1 C_kr W_r`, by the identity
    of Woodbury in as many unknowns as the factor has columns.
    """
    factor, rest = known
    lost = factor.T @ jnp.where(kept[:, None], 0, matrix)
    scaled = jnp.where(kept[:, None], factor / rest[:, None], 0)
    system = jnp.eye(factor.shape[1]) + factor.T @ scaled
    solver = inverse(system)
    part = solver @ lost
    part = part + solver @ (lost - system @ part)
    return jnp.where(kept[:, None], matrix, 0) + scaled @ part


def rescaled(
    matrix: Float[Array, "F O"], kept: Bool[Array, " F"], known: Moments
) -> Float[Array, "F O"]:
    """Return the weights of kept features, each column scaled so that its product's power is kept.

    The power is the second moment of the product. A column of which nothing is left stays zero.
    """

    def power(weights: Array) -> Array:
        return ((known.factor.T @ weights) ** 2).sum(0) + known.rest @ weights**2

    left = jnp.where(kept[:, None], matrix, 0)
    whole, there = power(matrix), power(left)
    scale = jnp.sqrt(jnp.where(there > 0, whole / jnp.where(there > 0, there, 1), 1))
    return jnp.where(kept.all(), matrix, left * scale)


FITS = {"compensated": made_up, "rescaled": rescaled}
"""How weights are made good, by the fitness that does so."""
