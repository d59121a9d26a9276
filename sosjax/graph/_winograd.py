"""Convolutions by windows of 3 x 3 with fewer multiplications: what a CPU gains by it.

Winograd's F(2 x 2, 3 x 3) computes 2 x 2 outputs by 16 products where 36 are usual (Lavin and Gray
2015, "Fast Algorithms for Convolutional Neural Networks", https://arxiv.org/abs/1509.09308).
Rounding errors are like those of the plain sum, relative to the largest value of a tile of 4 x 4.
Larger tiles save more and lose digits.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap

WORTH = 4e6
"""FLOPs for one image below which the transformations take as long as they save."""
CHANNELS = 16
"""The same for channels, of what goes in and of what comes out."""
CACHED = 2e6
"""Bytes of transformed images at once: more fall out of a core's cache."""

_ALONG = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_KERNEL = np.kron(_ALONG, _ALONG)
"""What the nine weights of a window become, [16, 9]."""


def is_worth(images: Any, kernel: Any, strides: Any, padding: Any) -> bool:
    """Return whether a plain convolution [B, H, W, C] by [3, 3, C, D] is faster so on a CPU."""
    if kernel.shape[:-2] != (3, 3) or tuple(strides) != (1, 1) or np.min(padding) < 0:
        return False
    if images.dtype != np.float32 or kernel.dtype != np.float32:
        return False
    height, width = _sizes(images, padding)
    channels, outputs = kernel.shape[2:]
    flops = 2 * 9 * height * width * channels * outputs
    return min(height, width) > 0 and min(channels, outputs) >= CHANNELS and flops >= WORTH


def winograd(images: Any, kernel: Any, padding: Any, **how: Any) -> Any:
    """Convolve images [B, H, W, C] with a kernel [3, 3, C, D], strides of one.

    Under `vmap` over images alone they are one batch, which goes through in parts.

    Args:
      images: float32.
      kernel: float32.
      padding: zeros before and after, for both axes.
      how: `precision` and `preferred_element_type` of the products.
    """

    @custom_vmap
    def convolved(images: Any, kernel: Any) -> Any:
        return _convolved(images, kernel, padding, **how)

    @convolved.def_vmap
    def _(size: int, mapped: Any, images: Any, kernel: Any) -> tuple[Any, bool]:
        if mapped[1]:
            axes = tuple(0 if one else None for one in mapped)
            each = partial(_convolved, padding=padding, **how)
            return jax.vmap(each, axes)(images, kernel), True
        out = convolved(images.reshape(-1, *images.shape[2:]), kernel)
        return out.reshape(size, -1, *out.shape[1:]), True

    return convolved(images, kernel)


def _convolved(images: Any, kernel: Any, padding: Any, **how: Any) -> Any:
    """Convolve a batch, in parts that fit the cache."""
    (*_, channels, outputs), batch = kernel.shape, len(images)
    sizes = _sizes(images, padding)
    tiles = [-(-size // 2) for size in sizes]
    transformed = _KERNEL @ kernel.reshape(9, channels * outputs)
    products = transformed.reshape(16, channels, outputs)
    edges = [
        (low, 2 * tile + 2 - low - size)
        for (low, _), tile, size in zip(padding, tiles, images.shape[1:3], strict=True)
    ]

    def part(rows: Any) -> Any:
        rows = jnp.pad(rows, ((0, 0), *edges, (0, 0)))
        # Written down between the two: else all 16 are summed from their four terms each, which
        # takes longer to run and far longer to compile.
        down = lax.optimization_barrier(jnp.stack(_differences(rows, 1)))
        both = jnp.stack(_differences(down, 3), 1).reshape(16, -1, channels)
        found = lax.dot_general(both, products, (((2,), (1,)), ((0,), (0,))), **how)
        sums = [jnp.stack(_sums(one), 3) for one in _sums(found.reshape(4, 4, -1, *tiles, outputs))]
        out = jnp.stack(sums, 2).reshape(-1, *(2 * tile for tile in tiles), outputs)
        return out[:, : sizes[0], : sizes[1]]

    fitting = max(1, int(CACHED // (16 * 4 * channels * tiles[0] * tiles[1])))
    parts = -(-batch // fitting)
    if parts <= 1:
        return part(images)
    size = -(-batch // parts)
    rows = jnp.pad(images, ((0, parts * size - batch), (0, 0), (0, 0), (0, 0)))
    out = lax.map(part, rows.reshape(parts, size, *images.shape[1:]))
    return out.reshape(-1, *sizes, outputs)[:batch]


def _sizes(images: Any, padding: Any) -> list[int]:
    """Return height and width of what comes out."""
    return [
        size + low + high - 2 for size, (low, high) in zip(images.shape[1:3], padding, strict=True)
    ]


def _differences(rows: Any, axis: int) -> list[Any]:
    """Return four combinations of the rows of each tile, which lie two apart, an array each."""
    span = rows.shape[axis] - 2
    first, second, third, fourth = (
        lax.slice_in_dim(rows, start, start + span - 1, 2, axis) for start in range(4)
    )
    return [first - third, second + third, third - second, second - fourth]


def _sums(products: Any) -> list[Any]:
    """Return both rows that come out of each tile, of four products along the first axis."""
    first, second, third, fourth = products
    return [first + second + third, second - third - fourth]
