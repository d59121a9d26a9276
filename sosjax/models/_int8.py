"""Weights as int8 with a float32 scale for each output, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

SCALE = "/scale"
"""Behind the path of a leaf: the path of its scales, of the leaf's shape with ones."""

LARGEST = 127
"""Symmetric: -128 is not used, and zero stays zero."""


def quantised(
    leaves: Mapping[str, np.ndarray], channels: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Return leaves by path as they are stored: those with channels as int8 beside their scales.

    Args:
      leaves: float32 arrays by path.
      channels: of each leaf to be quantised the axes along which every index has a scale of its
        own, those of outputs for example.

    Example:
      >>> stored = quantised({"kernel": np.float32([[0.5, 3], [-1, 6]])}, {"kernel": (1,)})
      >>> stored["kernel"].tolist(), (stored["kernel/scale"] * 127).tolist()
      ([[64, 64], [-127, 127]], [[1.0, 6.0]])
    """
    stored = {}
    for path, leaf in leaves.items():
        if path not in channels:
            stored[path] = leaf
            continue
        others = tuple(axis for axis in range(leaf.ndim) if axis not in channels[path])
        largest = np.abs(leaf).max(others, keepdims=True)
        scale = largest.astype(np.float32) / np.float32(LARGEST)
        # A channel of zeros, or of what is next to nothing, has no scale; any will do.
        scale = np.where(scale > 0, scale, np.float32(1))
        stored[path] = np.clip(np.rint(leaf / scale), -LARGEST, LARGEST).astype(np.int8)
        stored[path + SCALE] = scale
    return stored


def restored(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the leaves by path, float32, of NumPy or JAX arrays that `quantised` made."""
    scales = {path + SCALE for path in stored if path + SCALE in stored}
    return {
        path: leaf.astype(np.float32) * stored[path + SCALE] if path + SCALE in scales else leaf
        for path, leaf in stored.items()
        if path not in scales
    }


def stored_shapes(leaves: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, str]]:
    """Return shape and dtype of every stored array of what a description says of the leaves."""
    shapes: dict[str, tuple[Any, str]] = {}
    for path, leaf in leaves.items():
        shape, channels = tuple(leaf["shape"]), leaf.get("channels")
        shapes[path] = (shape, leaf["dtype"] if channels is None else "int8")
        if channels is not None:
            scale = tuple(size if axis in channels else 1 for axis, size in enumerate(shape))
            shapes[path + SCALE] = (scale, leaf["dtype"])
    return shapes
