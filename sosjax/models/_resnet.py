"""Residual networks with BatchNorm (He et al., 2016, https://arxiv.org/abs/1512.03385)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import numpy as np
from flax import nnx

from .._errors import require, require_known, require_number
from ..graph._head import Head
from ._family import Family
from ._image import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    PADDINGS,
    batch_norm,
    convolution,
    image_shape,
    normalised,
    pads,
    per_channel,
    whole_numbers,
)

BLOCKS = ("basic", "bottleneck")
STEMS = {"imagenet": (7, 2), "strided": (3, 2), "small": (3, 1)}
"""Window and stride of the first convolution. A 3x3 maximum of stride 2 follows that of
`imagenet`."""
EXPANSION = 4
EPSILON = 1e-5


@final
@dataclass(frozen=True)
class ResNetOptions:
    """What makes one residual network; the defaults make torchvision's ResNet-18.

    Attributes:
      widths: channels of the 3x3 convolutions of each stage; the stem has as many as the first.
      depths: residual blocks of each stage; the first block of all stages but the first has
        stride 2.
      block: `basic`, two 3x3 convolutions, or `bottleneck`, a 3x3 between two 1x1 convolutions,
        the last of them to four times the width.
      stem: `imagenet`, 7x7 of stride 2 and a maximum of stride 2; `strided`, 3x3 of stride 2; or
        `small`, 3x3 of stride 1, for images of about 32 pixels.
      classes: outputs of the head.
      input_shape: height, width and channels of an image.
      mean: subtracted from the images; one number or one for each channel.
      deviation: the images are divided by it; one number or one for each channel.
      padding: `symmetric` as in PyTorch, or `same` as in TensorFlow.

    Raises:
      InputError: an option is of another kind, or they do not go together.
    """

    widths: Sequence[int] = (64, 128, 256, 512)
    depths: Sequence[int] = (2, 2, 2, 2)
    block: str = "basic"
    stem: str = "imagenet"
    classes: int = 1000
    input_shape: Sequence[int] = (224, 224, 3)
    mean: float | Sequence[float] = IMAGENET_MEAN
    deviation: float | Sequence[float] = IMAGENET_DEVIATION
    padding: str = "symmetric"

    def __post_init__(self) -> None:
        settle = partial(object.__setattr__, self)
        settle("widths", whole_numbers("model.widths", self.widths))
        settle("depths", whole_numbers("model.depths", self.depths))
        require(
            len(self.widths) == len(self.depths),
            f"`model.widths` and `model.depths` must name the same stages, "
            f"got {list(self.widths)} and {list(self.depths)}.",
        )
        require_known("model.block", self.block, BLOCKS)
        require_known("model.stem", self.stem, STEMS)
        require_known("model.padding", self.padding, PADDINGS)
        require_number("model.classes", self.classes, 1, whole=True)
        settle("input_shape", image_shape(self.input_shape))
        channels = self.input_shape[2]
        settle("mean", per_channel("model.mean", self.mean, channels))
        settle("deviation", per_channel("model.deviation", self.deviation, channels, 1e-6))


RESNETS: Mapping[str, Mapping[str, Any]] = {
    "resnet18": {"depths": (2, 2, 2, 2), "block": "basic"},
    "resnet34": {"depths": (3, 4, 6, 3), "block": "basic"},
    "resnet50": {"depths": (3, 4, 6, 3), "block": "bottleneck"},
}
"""Options of the published sizes."""


class _Basic(nnx.Module):
    """Two 3x3 convolutions around an identity or projected shortcut."""

    def __init__(self, channels: int, width: int, stride: int, padding: str, rngs: nnx.Rngs):
        conv = partial(convolution, padding=padding, rngs=rngs)
        self.conv1 = conv(channels, width, 3, stride)
        self.norm1 = batch_norm(width, EPSILON, rngs)
        self.conv2 = conv(width, width, 3)
        self.norm2 = batch_norm(width, EPSILON, rngs)
        self.projected = stride != 1 or channels != width
        if self.projected:
            self.project = conv(channels, width, 1, stride)
            self.project_norm = batch_norm(width, EPSILON, rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        hidden = nnx.relu(self.norm1(self.conv1(inputs)))
        hidden = self.norm2(self.conv2(hidden))
        shortcut = self.project_norm(self.project(inputs)) if self.projected else inputs
        return nnx.relu(hidden + shortcut)


class _Bottleneck(nnx.Module):
    """A 3x3 convolution between two 1x1 around an identity or projected shortcut.

    The 3x3 convolution has the stride, as in torchvision; the first one has it in the paper.
    """

    def __init__(self, channels: int, width: int, stride: int, padding: str, rngs: nnx.Rngs):
        conv = partial(convolution, padding=padding, rngs=rngs)
        wide = EXPANSION * width
        self.conv1 = conv(channels, width, 1)
        self.norm1 = batch_norm(width, EPSILON, rngs)
        self.conv2 = conv(width, width, 3, stride)
        self.norm2 = batch_norm(width, EPSILON, rngs)
        self.conv3 = conv(width, wide, 1)
        self.norm3 = batch_norm(wide, EPSILON, rngs)
        self.projected = stride != 1 or channels != wide
        if self.projected:
            self.project = conv(channels, wide, 1, stride)
            self.project_norm = batch_norm(wide, EPSILON, rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        hidden = nnx.relu(self.norm1(self.conv1(inputs)))
        hidden = nnx.relu(self.norm2(self.conv2(hidden)))
        hidden = self.norm3(self.conv3(hidden))
        shortcut = self.project_norm(self.project(inputs)) if self.projected else inputs
        return nnx.relu(hidden + shortcut)


@final
class ResNet(nnx.Module):
    """Stem, stages of residual blocks, global mean, linear head."""

    def __init__(self, options: ResNetOptions, rngs: nnx.Rngs) -> None:
        """Draw the weights of a network in evaluation mode; `train()` and `eval()` switch it."""
        self.options = options
        size, stride = STEMS[options.stem]
        width, padding = options.widths[0], options.padding
        self.stem = convolution(
            options.input_shape[2], width, size, stride, padding=padding, rngs=rngs
        )
        self.stem_norm = batch_norm(width, EPSILON, rngs)
        basic = options.block == "basic"
        channels, stages = width, []
        for stage, (width, depth) in enumerate(zip(options.widths, options.depths, strict=True)):
            blocks = []
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                made = _Basic if basic else _Bottleneck
                blocks.append(made(channels, width, stride, padding, rngs))
                channels = width if basic else EXPANSION * width
            stages.append(nnx.List(blocks))
        self.stages = nnx.List(stages)
        self.head = nnx.Linear(channels, options.classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return logits [B, classes] of float32 images [B, H, W, C] in [0, 1]."""
        options = self.options
        hidden = normalised(images, options.mean, options.deviation)
        hidden = nnx.relu(self.stem_norm(self.stem(hidden)))
        if options.stem == "imagenet":
            hidden = nnx.max_pool(hidden, (3, 3), (2, 2), pads(3, options.padding))
        for stage in self.stages:
            for block in stage:
                hidden = block(hidden)
        return self.head(hidden.mean((1, 2)))


def _example(options: ResNetOptions) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(options.input_shape), np.float32)


def _from_huggingface(config: dict[str, Any]) -> ResNetOptions:
    block = config.get("layer_type", "bottleneck")
    require_known("layer_type", block, BLOCKS)
    outputs = whole_numbers("hidden_sizes", config.get("hidden_sizes", (256, 512, 1024, 2048)))
    narrower = 1 if block == "basic" else EXPANSION
    wanted = {
        "embedding_size": outputs[0] // narrower,
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    }
    for name, value in wanted.items():
        found = config.get(name, value)
        require(
            found == value,
            f"`{name}` of config.json must be {value!r} in a ResNet of sosjax, got {found!r}.",
        )
    channels = config.get("num_channels", 3)
    # The constants are no part of config.json; `preprocessor_config.json` has these two.
    usual = (IMAGENET_MEAN, IMAGENET_DEVIATION) if channels == 3 else (0.0, 1.0)
    return ResNetOptions(
        widths=tuple(width // narrower for width in outputs),
        depths=config.get("depths", (3, 4, 6, 3)),
        block=block,
        classes=len(config.get("id2label", (0, 1))),
        input_shape=(224, 224, channels),
        mean=config.get("image_mean", usual[0]),
        deviation=config.get("image_std", usual[1]),
    )


_HUGGINGFACE = (
    (r"^resnet\.embedder\.embedder\.convolution\.", "stem."),
    (r"^resnet\.embedder\.embedder\.normalization\.", "stem_norm."),
    (r"^resnet\.encoder\.stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.\2."),
    *((rf"\.layer\.{number}\.convolution\.", f".conv{number + 1}.") for number in range(3)),
    *((rf"\.layer\.{number}\.normalization\.", f".norm{number + 1}.") for number in range(3)),
    (r"\.shortcut\.convolution\.", ".project."),
    (r"\.shortcut\.normalization\.", ".project_norm."),
    (r"^classifier\.1\.", "head."),
)
_TORCHVISION = (
    (r"^conv1\.", "stem."),
    (r"^bn1\.", "stem_norm."),
    *((rf"^layer{number + 1}\.", f"stages.{number}.") for number in range(8)),
    (r"\.bn(\d)\.", r".norm\1."),
    (r"\.downsample\.0\.", ".project."),
    (r"\.downsample\.1\.", ".project_norm."),
    (r"^fc\.", "head."),
)

RESNET = Family(
    name="resnet",
    options=ResNetOptions,
    build=ResNet,
    example=_example,
    head=Head("head/kernel", "head/bias"),
    renames=(*_TORCHVISION, *_HUGGINGFACE),
    model_types=("resnet",),
    from_huggingface=_from_huggingface,
    sizes=RESNETS,
)
"""Residual networks; files of torchvision, timm and Hugging Face are understood."""
