"""What the networks for images share: checks of their options, convolution, normalisation."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from .._errors import require, require_number

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
LARGE = 1e6
PADDINGS = ("symmetric", "same")
"""How borders are filled: as many zeros on both sides, as PyTorch does, or as TensorFlow does:
what makes the outputs `ceil(size / stride)`, and where that is an odd number, one more at the
end."""


def whole_numbers(argument: str, value: Any) -> tuple[int, ...]:
    """Return a sequence of whole numbers of at least 1 as a tuple.

    Raises:
      InputError: it is none, or empty.
    """
    require(
        isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0,
        f"`{argument}` must be a list of whole numbers, got {value!r}.",
    )
    for number in value:
        require_number(argument, number, 1, whole=True)
    return tuple(map(int, value))


def image_shape(value: Any) -> tuple[int, ...]:
    """Return `model.input_shape` as (height, width, channels).

    Raises:
      InputError: it is not three whole numbers of at least 1.
    """
    shape = whole_numbers("model.input_shape", value)
    require(
        len(shape) == 3,
        f"`model.input_shape` must be height, width and channels, got {list(shape)}.",
    )
    return shape


def per_channel(argument: str, value: Any, channels: int, low: float = -LARGE) -> Any:
    """Return one number as a float, or one for each channel as a tuple of floats.

    Raises:
      InputError: there are other numbers of them, or one is no number from `low` to 1e6.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        require_number(argument, value, low, LARGE)
        return float(value)
    for number in value:
        require_number(argument, number, low, LARGE)
    require(
        len(value) == channels,
        f"`{argument}` must be one number or one for each of the {channels} channels, "
        f"got {len(value)}.",
    )
    return tuple(map(float, value))


def normalised(images: jax.Array, mean: Any, deviation: Any) -> jax.Array:
    """Subtract the mean from images [B, H, W, C] and divide by the deviation."""
    return (images - jnp.asarray(mean, images.dtype)) / jnp.asarray(deviation, images.dtype)


def pads(size: int, padding: str) -> Any:
    """Return the padding of a window of an odd size, as JAX wants it."""
    return "SAME" if padding == "same" else ((size // 2, size // 2),) * 2


def convolution(
    channels: int,
    width: int,
    size: int,
    stride: int = 1,
    groups: int = 1,
    *,
    padding: str,
    rngs: nnx.Rngs,
) -> nnx.Conv:
    """Return a convolution without bias of square windows from `channels` to `width` channels."""
    return nnx.Conv(
        channels,
        width,
        (size, size),
        (stride, stride),
        padding=pads(size, padding),
        feature_group_count=groups,
        use_bias=False,
        rngs=rngs,
    )


def batch_norm(width: int, epsilon: float, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Return a BatchNorm in evaluation mode; `module.train()` and `.eval()` switch it."""
    return nnx.BatchNorm(width, use_running_average=True, epsilon=epsilon, rngs=rngs)
