"""Weights and inputs that numpy draws again anywhere: what the recorded outputs were made with."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def drawn(name: str, shape: Sequence[int]) -> np.ndarray:
    """Return the array of a state dict by its name, float32, of sizes that a trained one may have.

    Args:
      name: as PyTorch calls it; it is the seed too.
      shape: of the array.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        return (rng.standard_normal(shape) * (1.5 / fan_in) ** 0.5).astype(np.float32)
    center = 1.0 if name.endswith("weight") else 0.0
    return (center + 0.2 * rng.standard_normal(shape)).astype(np.float32)


def state_of(shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Return a whole state dict by the shapes of its arrays."""
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def inputs_of(kind: str, options: Any) -> np.ndarray:
    """Return inputs of a network: `images`, `texts`, `pairs` of texts, or `series`."""
    rng = np.random.default_rng(0)
    if kind == "images":
        return rng.random((2, *options.input_shape), np.float32)
    if kind == "series":
        return rng.standard_normal((2, options.length, options.channels)).astype(np.float32)
    shape = (2, options.length) if kind == "texts" else (2, 2, options.length)
    ids = rng.integers(5, options.vocabulary, shape).astype(np.int32)
    ids[1, ..., -2:] = options.pad
    if kind == "pairs":
        ids[:, 1, 0] = options.start
    return ids
