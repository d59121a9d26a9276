"""Rows of genes in [0, 1] and the solutions, of any pytree, that they stand for."""

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import InputError, require
from .._types import Array, Float
from ._variation import Levels, level

MOST_LEVELS = 2**20
"""Values of one whole-number gene that rows in float32 can tell apart."""


@final
class Genotype:
    """The unified space: every solution is a row [D] of genes in [0, 1].

    Leaves of floats are real genes, leaves of booleans are bits, leaves of whole numbers take every
    value between their bounds.

    >>> genotype = Genotype({"rate": jnp.zeros(2), "layers": jnp.zeros((), jnp.int32)}, (1, 4))
    >>> genotype.size, genotype.levels.tolist()
    (3, [4, 0, 0])
    >>> genotype.decode(jnp.asarray([[0.6, 0.0, 1.0]]))["rate"].tolist()
    [[1.0, 4.0]]

    Attributes:
      size: number of genes, D.
      levels: how many values each gene can take, int [D]; 0 for a real one.
      dtype: of rows: float64 if a leaf is, else float32.
    """

    def __init__(self, solution: Any, bounds: Any = None) -> None:
        """Read shapes, dtypes and bounds.

        Args:
          solution: one solution; only shapes and dtypes are read.
          bounds: the lowest and the highest value, each a number for all leaves or a pytree of
            the solution's structure whose leaves broadcast to its leaves. None: [0, 1].

        Raises:
          InputError: a leaf is neither float, bool nor whole number, bounds are the wrong way
            round, not finite, beyond what a leaf's dtype can hold or of other shapes, or whole
            numbers have no bounds.
        """
        leaves, self._tree = jax.tree.flatten(solution)
        require(len(leaves) > 0, "`solution` must have at least one leaf, got none.")
        self._shapes = tuple(np.shape(leaf) for leaf in leaves)
        self._dtypes = tuple(_dtype(leaf) for leaf in leaves)
        for dtype in self._dtypes:
            require(
                _bit(dtype) or jnp.issubdtype(dtype, jnp.floating) or _whole(dtype),
                f"`solution` must have leaves of floats, booleans or whole numbers, got {dtype}.",
            )
        double = any(dtype == np.float64 for dtype in self._dtypes)
        self.dtype = jnp.dtype(jnp.float64 if double else jnp.float32)
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.size = sum(self._sizes)
        require(self.size > 0, "`solution` must have at least one gene, got none.")
        low, high = self._interval(bounds)
        self._low, self._width = low, high - low
        kinds = [2 if _bit(dtype) else int(_whole(dtype)) for dtype in self._dtypes]
        kind = np.repeat(kinds, self._sizes)
        self.levels: Levels = np.where(kind == 1, self._width + 1, kind).astype(np.int64)
        require(
            self.levels.max() <= MOST_LEVELS,
            f"`bounds` must leave whole numbers at most {MOST_LEVELS} values, "
            f"got {self.levels.max()}.",
        )
        self._unit = bounds is None and not self.levels.any()

    def decode(self, rows: Float[Array, "P D"]) -> Any:
        """Return the solutions, each leaf with a leading axis P, in the leaves' own dtypes."""
        values = rows
        if not self._unit:
            real = self._low + rows * self._width
            values = jnp.where(self.levels > 0, self._low + level(rows, self.levels), real)
        parts = jnp.split(values, np.cumsum(self._sizes)[:-1], axis=1)
        leaves = [
            part.reshape(len(rows), *shape).astype(dtype)
            for part, shape, dtype in zip(parts, self._shapes, self._dtypes, strict=True)
        ]
        return jax.tree.unflatten(self._tree, leaves)

    def encode(self, solutions: Any) -> Float[Array, "P D"]:
        """Return the rows of solutions, each leaf with a leading axis P.

        Values outside the bounds are clipped to them; NaN becomes the middle.

        Raises:
          InputError: another structure or other shapes than the solution's.
        """
        leaves, tree = jax.tree.flatten(solutions)
        require(
            tree == self._tree,
            f"`population` must have the structure of the solution {self._tree}, got {tree}.",
        )
        shapes = [np.shape(leaf) for leaf in leaves]
        wanted = [(*shapes[0][:1], *shape) for shape in self._shapes]
        require(
            shapes == wanted and len(shapes[0]) > 0,
            f"`population` must have leaves of shapes [P, *solution] {wanted}, got {shapes}.",
        )
        flat = [jnp.reshape(leaf, (len(leaf), -1)).astype(self.dtype) for leaf in leaves]
        values = jnp.concatenate(flat, 1)
        if self._unit:
            return _confined(values)
        real = (values - self._low) / np.where(self._width > 0, self._width, 1)
        middle = (values - self._low + 0.5) / np.maximum(self.levels, 1)
        return _confined(jnp.where(self.levels > 0, middle, real)).astype(self.dtype)

    def _interval(self, bounds: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest value of every gene, [D] each."""
        if bounds is None:
            whole = any(_whole(dtype) for dtype in self._dtypes)
            require(not whole, "`bounds` must be given for leaves of whole numbers, got None.")
            bounds = (0, 1)
        require(
            isinstance(bounds, tuple | list) and len(bounds) == 2,
            f"`bounds` must be a pair (low, high), got {bounds!r}.",
        )
        low, high = (self._spread(side, end) for end, side in enumerate(bounds))
        good = np.isfinite(low) & np.isfinite(high) & (low <= high)
        gene = int(np.argmin(good))
        came = f"got {low[gene]:g} and {high[gene]:g} for gene {gene}."
        require(good.all(), f"`bounds` must be finite with low <= high, {came}")
        leaf = np.repeat(np.arange(len(self._sizes)), self._sizes)
        least, most = np.array([_limits(dtype, self.dtype) for dtype in self._dtypes]).T[:, leaf]
        good = (low >= least) & (high <= most)
        gene = int(np.argmin(good))
        came = f"got {low[gene]:g} and {high[gene]:g} for gene {gene}."
        wanted = f"from {least[gene]:.8g} to {most[gene]:.8g} for {self._dtypes[leaf[gene]]}"
        require(good.all(), f"`bounds` must lie {wanted}, {came}")
        return low.astype(self.dtype), high.astype(self.dtype)

    def _spread(self, side: Any, end: int) -> np.ndarray:
        """Return a bound of every gene from a number for all or from one for each leaf.

        Bits run from 0 to 1 whatever the bounds, whole numbers over those within the bounds.
        """
        leaves, tree = jax.tree.flatten(side)
        if len(leaves) == 1:
            leaves = leaves * len(self._shapes)
        else:
            try:
                leaves = self._tree.flatten_up_to(side)
            except ValueError:
                raise InputError(
                    f"`bounds` must be numbers or of the solution's structure {self._tree}, "
                    f"got {tree}."
                ) from None
        parts = []
        for leaf, shape, dtype in zip(leaves, self._shapes, self._dtypes, strict=True):
            try:
                bound = np.broadcast_to(np.asarray(leaf, np.float64), shape).ravel()
            except (TypeError, ValueError):
                raise InputError(
                    f"`bounds` must be numbers that broadcast to leaves of shape {list(shape)}, "
                    f"got {leaf!r}."
                ) from None
            if _whole(dtype):
                bound = np.floor(bound) if end else np.ceil(bound)
            parts.append(np.full_like(bound, end) if _bit(dtype) else bound)
        return np.concatenate(parts)


def _confined(rows: Array) -> Array:
    return jnp.where(jnp.isnan(rows), 0.5, jnp.clip(rows, 0, 1))


def _dtype(leaf: Any) -> Any:
    try:
        return jnp.result_type(leaf)
    except TypeError:
        raise InputError(
            f"`solution` must have leaves of floats, booleans or whole numbers, got {leaf!r}."
        ) from None


def _limits(dtype: Any, row: Any) -> tuple[float, float]:
    """Return the lowest and the highest value of a leaf's dtype that rows of a dtype can stand for.

    Half of the largest float, so that the width of the interval is one, too.
    """
    if _whole(dtype):
        info, exact = jnp.iinfo(dtype), 2 ** (jnp.finfo(row).nmant + 1)
        return max(int(info.min), -exact), min(int(info.max), exact)
    if _bit(dtype):
        return 0.0, 1.0
    most = min(float(jnp.finfo(dtype).max), float(jnp.finfo(row).max) / 2)
    return -most, most


def _bit(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.bool_))


def _whole(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.integer))
