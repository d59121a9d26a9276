"""Vision transformers (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .._errors import require, require_known, require_number
from ..graph._head import Head
from ._family import Family
from ._image import image_shape, normalised, per_channel

ACTIVATIONS = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": partial(jax.nn.gelu, approximate=True),
    "gelu_pytorch_tanh": partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
}


@final
@dataclass(frozen=True)
class ViTOptions:
    """What makes one vision transformer; the defaults make ViT-B/16 for 1,000 classes.

    Attributes:
      hidden: width of the tokens, a multiple of `heads`.
      layers: number of blocks.
      heads: attention heads of each block.
      intermediate: units between the two matrices of a feed-forward network.
      patch: height and width of a patch in pixels.
      activation: `gelu` (exact), `gelu_new` or `gelu_pytorch_tanh` (by tanh), or `relu`.
      epsilon: of the LayerNorms; 1e-12 in Hugging Face, 1e-6 in timm.
      bias: whether queries, keys and values have one.
      fused: whether one matrix makes queries, keys and values, as in timm.
      classes: outputs of the head; 0 for no head, and features as outputs.
      input_shape: height, width and channels of an image, multiples of `patch`.
      mean: subtracted from the images; one number or one for each channel.
      deviation: the images are divided by it; one number or one for each channel.

    Raises:
      InputError: an option is of another kind, or they do not go together.
    """

    hidden: int = 768
    layers: int = 12
    heads: int = 12
    intermediate: int = 3072
    patch: int = 16
    activation: str = "gelu"
    epsilon: float = 1e-12
    bias: bool = True
    fused: bool = False
    classes: int = 1000
    input_shape: Sequence[int] = (224, 224, 3)
    mean: float | Sequence[float] = 0.5
    deviation: float | Sequence[float] = 0.5

    def __post_init__(self) -> None:
        settle = partial(object.__setattr__, self)
        for name in ("hidden", "layers", "heads", "intermediate", "patch"):
            require_number(f"model.{name}", getattr(self, name), 1, whole=True)
        require(
            self.hidden % self.heads == 0,
            f"`model.hidden` must be a multiple of `model.heads`, "
            f"got {self.hidden} and {self.heads}.",
        )
        require_known("model.activation", self.activation, ACTIVATIONS)
        require_number("model.epsilon", self.epsilon, 0, 1)
        for name in ("bias", "fused"):
            value = getattr(self, name)
            require(
                isinstance(value, bool), f"`model.{name}` must be true or false, got {value!r}."
            )
        require_number("model.classes", self.classes, 0, whole=True)
        settle("input_shape", image_shape(self.input_shape))
        height, width, channels = self.input_shape
        require(
            height % self.patch == 0 and width % self.patch == 0,
            f"`model.input_shape` must have a height and width that are multiples of "
            f"`model.patch`, got {height} and {width} for {self.patch}.",
        )
        settle("mean", per_channel("model.mean", self.mean, channels))
        settle("deviation", per_channel("model.deviation", self.deviation, channels, 1e-6))


VITS: Mapping[str, Mapping[str, Any]] = {
    "vit-tiny-patch16": {"hidden": 192, "heads": 3, "intermediate": 768},
    "vit-small-patch16": {"hidden": 384, "heads": 6, "intermediate": 1536},
    "vit-base-patch16": {},
    "vit-base-patch32": {"patch": 32},
    "vit-large-patch16": {"hidden": 1024, "layers": 24, "heads": 16, "intermediate": 4096},
}
"""Options of the usual sizes."""


class _Attention(nnx.Module):
    """Attention of every token to all, in heads of equal size."""

    def __init__(self, options: ViTOptions, rngs: nnx.Rngs) -> None:
        size = options.hidden
        linear = partial(nnx.Linear, use_bias=options.bias, rngs=rngs)
        self.heads, self.fused = options.heads, options.fused
        if options.fused:
            self.qkv = linear(size, 3 * size)
        else:
            self.query, self.key, self.value = (linear(size, size) for _ in range(3))
        self.output = nnx.Linear(size, size, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        batch, length, size = tokens.shape
        each = size // self.heads
        if self.fused:
            made = jnp.split(self.qkv(tokens), 3, axis=-1)
        else:
            made = [layer(tokens) for layer in (self.query, self.key, self.value)]
        query, key, value = (part.reshape(batch, length, self.heads, each) for part in made)
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * each**-0.5
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), value)
        return self.output(mixed.reshape(batch, length, size))


class _FeedForward(nnx.Module):
    """Two matrices with an activation between."""

    def __init__(self, options: ViTOptions, rngs: nnx.Rngs) -> None:
        self.activation = options.activation
        self.fc1 = nnx.Linear(options.hidden, options.intermediate, rngs=rngs)
        self.fc2 = nnx.Linear(options.intermediate, options.hidden, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        return self.fc2(ACTIVATIONS[self.activation](self.fc1(tokens)))


class _Layer(nnx.Module):
    """Attention and feed-forward network, each behind a LayerNorm and beside a shortcut."""

    def __init__(self, options: ViTOptions, rngs: nnx.Rngs) -> None:
        norm = partial(nnx.LayerNorm, options.hidden, epsilon=options.epsilon, rngs=rngs)
        self.layernorm_before = norm()
        self.attention = _Attention(options, rngs)
        self.layernorm_after = norm()
        self.mlp = _FeedForward(options, rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        tokens = tokens + self.attention(self.layernorm_before(tokens))
        return tokens + self.mlp(self.layernorm_after(tokens))


@final
class ViT(nnx.Module):
    """Patches and a class token with their positions, blocks, linear head of the class token."""

    def __init__(self, options: ViTOptions, rngs: nnx.Rngs) -> None:
        """Draw the weights of a network; there is no dropout."""
        self.options = options
        size, patch = options.hidden, (options.patch, options.patch)
        height, width, channels = options.input_shape
        positions = height // options.patch * (width // options.patch) + 1
        draw = nnx.initializers.truncated_normal(0.02)
        self.cls_token = nnx.Param(draw(rngs.params(), (1, 1, size)))
        self.position_embeddings = nnx.Param(draw(rngs.params(), (1, positions, size)))
        self.patch_embeddings = nnx.Conv(channels, size, patch, patch, padding="VALID", rngs=rngs)
        self.layers = nnx.List([_Layer(options, rngs) for _ in range(options.layers)])
        self.layernorm = nnx.LayerNorm(size, epsilon=options.epsilon, rngs=rngs)
        if options.classes:
            self.head = nnx.Linear(size, options.classes, rngs=rngs)

    def __call__(self, images: jax.Array) -> jax.Array:
        """Return logits [B, classes] of float32 images [B, H, W, C] in [0, 1].

        Without a head they are the features [B, hidden] of the class token.
        """
        options = self.options
        patches = self.patch_embeddings(normalised(images, options.mean, options.deviation))
        patches = patches.reshape(images.shape[0], -1, options.hidden)
        first = jnp.broadcast_to(self.cls_token[...], (images.shape[0], 1, options.hidden))
        tokens = jnp.concatenate((first, patches), 1) + self.position_embeddings[...]
        for layer in self.layers:
            tokens = layer(tokens)
        # The rest of the last LayerNorm is not needed.
        features = self.layernorm(tokens[:, 0])
        return self.head(features) if options.classes else features


def _example(options: ViTOptions) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(options.input_shape), np.float32)


def _from_huggingface(config: dict[str, Any]) -> ViTOptions:
    size, patch = config.get("image_size", 224), config.get("patch_size", 16)
    height, width = size if isinstance(size, list | tuple) else (size, size)
    edges = patch if isinstance(patch, list | tuple) else [patch]
    require(
        len(set(edges)) == 1,
        f"`patch_size` of config.json must be as high as wide, got {patch}.",
    )
    has_head = any("Classification" in name for name in config.get("architectures") or ())
    return ViTOptions(
        hidden=config.get("hidden_size", 768),
        layers=config.get("num_hidden_layers", 12),
        heads=config.get("num_attention_heads", 12),
        intermediate=config.get("intermediate_size", 3072),
        patch=edges[0],
        activation=config.get("hidden_act", "gelu"),
        epsilon=config.get("layer_norm_eps", 1e-12),
        bias=config.get("qkv_bias", True),
        classes=len(config.get("id2label", (0, 1))) if has_head else 0,
        input_shape=(height, width, config.get("num_channels", 3)),
        # These two are no part of config.json; `preprocessor_config.json` has them.
        mean=config.get("image_mean", 0.5),
        deviation=config.get("image_std", 0.5),
    )


_HUGGINGFACE = (
    (r"^vit\.", ""),
    (r"^embeddings\.", ""),
    (r"^patch_embeddings\.projection\.", "patch_embeddings."),
    (r"^encoder\.layer\.", "layers."),
    (r"\.attention\.attention\.", ".attention."),
    (r"\.attention\.output\.dense\.", ".attention.output."),
    (r"\.attention\.q_proj\.", ".attention.query."),
    (r"\.attention\.k_proj\.", ".attention.key."),
    (r"\.attention\.v_proj\.", ".attention.value."),
    (r"\.attention\.o_proj\.", ".attention.output."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"^(layers\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"^classifier\.", "head."),
)
_TIMM = (
    (r"^patch_embed\.proj\.", "patch_embeddings."),
    (r"^pos_embed$", "position_embeddings"),
    (r"^blocks\.", "layers."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.attn\.qkv\.", ".attention.qkv."),
    (r"\.attn\.proj\.", ".attention.output."),
    (r"^norm\.", "layernorm."),
)

VIT = Family(
    name="vit",
    options=ViTOptions,
    build=ViT,
    example=_example,
    head=Head("head/kernel", "head/bias"),
    renames=(*_HUGGINGFACE, *_TIMM),
    ignored=(r"(^|\.)pooler\.", r"mask_token$"),
    model_types=("vit",),
    from_huggingface=_from_huggingface,
    sizes=VITS,
)
"""Vision transformers; files of Hugging Face, and of timm with `fused`, are understood."""
