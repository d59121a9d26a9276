"""EfficientNet-Lite (Tan and Le, 2019, https://arxiv.org/abs/1905.11946; Liu, 2020, its Lite form).

Lite networks have no squeeze-and-excitation and ReLU6 for Swish, and their stem, their last
convolution and the depths of their first and last stage are not scaled.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import numpy as np
from flax import nnx

from .._errors import require_known, require_number
from ..graph._head import Head
from ._family import Family
from ._image import PADDINGS, batch_norm, convolution, image_shape, normalised, per_channel

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, window, stride of the first block, factor of the expansion and outputs of each stage."""
STEM = 32
FEATURES = 1280
DIVISOR = 8


@final
@dataclass(frozen=True)
class EfficientNetOptions:
    """What makes one EfficientNet-Lite; the defaults make Lite0.

    Attributes:
      width: the channels of all stages are multiplied by it and rounded to multiples of 8.
      depth: the blocks of all stages but the first and the last are multiplied by it and rounded
        up.
      classes: outputs of the head.
      input_shape: height, width and channels of an image.
      mean: subtracted from the images; one number or one for each channel.
      deviation: the images are divided by it; one number or one for each channel.
      padding: `same` as in TensorFlow and files that come from there, or `symmetric`.
      epsilon: of the BatchNorms.

    Raises:
      InputError: an option is of another kind.
    """

    width: float = 1.0
    depth: float = 1.0
    classes: int = 1000
    input_shape: Sequence[int] = (224, 224, 3)
    mean: float | Sequence[float] = 127 / 255
    deviation: float | Sequence[float] = 128 / 255
    padding: str = "same"
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        settle = partial(object.__setattr__, self)
        for name in ("width", "depth"):
            require_number(f"model.{name}", getattr(self, name), 0.01, 100)
            settle(name, float(getattr(self, name)))
        require_number("model.classes", self.classes, 1, whole=True)
        settle("input_shape", image_shape(self.input_shape))
        channels = self.input_shape[2]
        settle("mean", per_channel("model.mean", self.mean, channels))
        settle("deviation", per_channel("model.deviation", self.deviation, channels, 1e-6))
        require_known("model.padding", self.padding, PADDINGS)
        require_number("model.epsilon", self.epsilon, 0, 1)


def _scaled(width: float, depth: float, size: int) -> dict[str, Any]:
    return {"width": width, "depth": depth, "input_shape": (size, size, 3)}


EFFICIENTNETS: Mapping[str, Mapping[str, Any]] = {
    "efficientnet-lite0": _scaled(1.0, 1.0, 224),
    "efficientnet-lite1": _scaled(1.0, 1.1, 240),
    "efficientnet-lite2": _scaled(1.1, 1.2, 260),
    "efficientnet-lite3": _scaled(1.2, 1.4, 280),
    "efficientnet-lite4": _scaled(1.4, 1.8, 300),
}
"""Options of the published sizes."""


@final
@dataclass(frozen=True)
class Shape:
    """One block: its channels, window, stride and factor of the expansion."""

    channels: int
    width: int
    size: int
    stride: int
    expansion: int

    @property
    def residual(self) -> bool:
        """Whether its inputs are added to its outputs."""
        return self.stride == 1 and self.channels == self.width


def _rounded(channels: int, factor: float) -> int:
    """Scale channels to the nearest multiple of 8 that is not less than nine tenths."""
    scaled = channels * factor
    nearest = max(DIVISOR, int(scaled + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * scaled else nearest


def block_shapes(options: EfficientNetOptions) -> list[Shape]:
    """Return what the blocks are, in order."""
    channels, shapes = STEM, []
    for stage, (repeats, size, stride, expansion, outputs) in enumerate(STAGES):
        width = _rounded(outputs, options.width)
        inner = 0 < stage < len(STAGES) - 1
        for block in range(math.ceil(options.depth * repeats) if inner else repeats):
            shapes.append(Shape(channels, width, size, 1 if block else stride, expansion))
            channels = width
    return shapes


class _Block(nnx.Module):
    """A depthwise convolution between an expansion and a linear projection.

    Inputs are added where the outputs have their shape.
    """

    def __init__(self, shape: Shape, padding: str, epsilon: float, rngs: nnx.Rngs) -> None:
        conv = partial(convolution, padding=padding, rngs=rngs)
        wide = shape.channels * shape.expansion
        self.expanded = shape.expansion != 1
        if self.expanded:
            self.expand = conv(shape.channels, wide, 1)
            self.expand_norm = batch_norm(wide, epsilon, rngs)
        self.depthwise = conv(wide, wide, shape.size, shape.stride, groups=wide)
        self.depthwise_norm = batch_norm(wide, epsilon, rngs)
        self.project = conv(wide, shape.width, 1)
        self.project_norm = batch_norm(shape.width, epsilon, rngs)
        self.residual = shape.residual

    def __call__(self, inputs: jax.Array) -> jax.Array:
        hidden = inputs
        if self.expanded:
            hidden = jax.nn.relu6(self.expand_norm(self.expand(hidden)))
        hidden = jax.nn.relu6(self.depthwise_norm(self.depthwise(hidden)))
        hidden = self.project_norm(self.project(hidden))
        return hidden + inputs if self.residual else hidden


@final
class EfficientNet(nnx.Module):
    """Stem, inverted residual blocks, a last convolution, global mean, linear head."""

    def __init__(self, options: EfficientNetOptions, rngs: nnx.Rngs) -> None:
        """Draw the weights of a network in evaluation mode; `train()` and `eval()` switch it."""
        self.options = options
        padding, epsilon = options.padding, options.epsilon
        conv = partial(convolution, padding=padding, rngs=rngs)
        self.stem = conv(options.input_shape[2], STEM, 3, 2)
        self.stem_norm = batch_norm(STEM, epsilon, rngs)
        shapes = block_shapes(options)
        self.blocks = nnx.List([_Block(shape, padding, epsilon, rngs) for shape in shapes])
        self.features = conv(shapes[-1].width, FEATURES, 1)
        self.features_norm = batch_norm(FEATURES, epsilon, rngs)
        self.head = nnx.Linear(FEATURES, options.classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return logits [B, classes] of float32 images [B, H, W, C] in [0, 1]."""
        hidden = normalised(images, self.options.mean, self.options.deviation)
        hidden = jax.nn.relu6(self.stem_norm(self.stem(hidden)))
        for block in self.blocks:
            hidden = block(hidden)
        hidden = jax.nn.relu6(self.features_norm(self.features(hidden)))
        return self.head(hidden.mean((1, 2)))


def _example(options: EfficientNetOptions) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(options.input_shape), np.float32)


EFFICIENTNET = Family(
    name="efficientnet",
    options=EfficientNetOptions,
    build=EfficientNet,
    example=_example,
    head=Head("head/kernel", "head/bias"),
    renames=(
        (r"^_conv_stem\.", "stem."),
        (r"^_bn0\.", "stem_norm."),
        (r"^_blocks\.", "blocks."),
        (r"\._expand_conv\.", ".expand."),
        (r"\._bn0\.", ".expand_norm."),
        (r"\._depthwise_conv\.", ".depthwise."),
        (r"\._bn1\.", ".depthwise_norm."),
        (r"\._project_conv\.", ".project."),
        (r"\._bn2\.", ".project_norm."),
        (r"^_conv_head\.", "features."),
        (r"^_bn1\.", "features_norm."),
        (r"^_fc\.", "head."),
    ),
    sizes=EFFICIENTNETS,
)
"""EfficientNet-Lite; files of `efficientnet_lite_pytorch` are understood."""
