"""BERT as an encoder of sentences (Devlin et al., 2019, https://arxiv.org/abs/1810.04805).

MiniLM (Wang et al., 2020, https://arxiv.org/abs/2002.10957) is BERT of other sizes; the mean over
tokens is that of Sentence-BERT (Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .._errors import require, require_known, require_number
from ._family import Family

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_new": partial(jax.nn.gelu, approximate=True),
    "relu": jax.nn.relu,
}
POOLINGS = ("mean", "cls", "pooler")


@final
@dataclass(frozen=True)
class BertOptions:
    """What makes one BERT; the defaults are those of BERT-base.

    Attributes:
      vocabulary: tokens that there are.
      hidden: numbers for each token between layers.
      layers: attention and feed-forward layers.
      heads: attention heads of a layer; divide `hidden`.
      intermediate: units of a feed-forward layer.
      positions: tokens of the longest text.
      types: kinds of segments; only the first is used.
      epsilon: added to variances.
      activation: 'gelu' (exact), 'gelu_new' (by tanh) or 'relu'.
      pad: the token that fills up short texts and is not attended to.
      pooling: 'mean' over the tokens of a text, 'cls' for its first, or 'pooler' for a layer and
        tanh on its first.
      length: tokens of the example input, at most `positions`.

    Raises:
      InputError: an option is out of its range.
    """

    vocabulary: int = 30522
    hidden: int = 768
    layers: int = 12
    heads: int = 12
    intermediate: int = 3072
    positions: int = 512
    types: int = 2
    epsilon: float = 1e-12
    activation: str = "gelu"
    pad: int = 0
    pooling: str = "mean"
    length: int = 128

    def __post_init__(self) -> None:
        check_encoder(self)
        require_number("model.types", self.types, 1, whole=True)
        require_number("model.pad", self.pad, 0, self.vocabulary - 1, whole=True)
        require_number("model.length", self.length, 1, self.positions, whole=True)


def check_encoder(options: Any) -> None:
    """Refuse options out of the ranges that all encoders of text share."""
    sizes = ("vocabulary", "hidden", "layers", "heads", "intermediate", "positions")
    for name in sizes:
        require_number(f"model.{name}", getattr(options, name), 1, whole=True)
    require(
        options.hidden % options.heads == 0,
        f"`model.heads` must divide `model.hidden` ({options.hidden}), got {options.heads}.",
    )
    require_number("model.epsilon", options.epsilon, 0, 1)
    require_known("model.activation", options.activation, ACTIVATIONS)
    require_known("model.pooling", options.pooling, POOLINGS)


@final
class Attention(nnx.Module):
    """Self-attention of several heads, added to its inputs and normalised."""

    def __init__(self, options: Any, rngs: nnx.Rngs) -> None:
        size = options.hidden
        self.heads = options.heads
        self.query = nnx.Linear(size, size, rngs=rngs)
        self.key = nnx.Linear(size, size, rngs=rngs)
        self.value = nnx.Linear(size, size, rngs=rngs)
        self.output = nnx.Linear(size, size, rngs=rngs)
        self.norm = layer_norm(options, rngs)

    def __call__(
        self, inputs: jax.Array, mask: jax.Array, bias: jax.Array | None = None
    ) -> jax.Array:
        """Return float [B, S, hidden]; `mask` [B, S] says which tokens are attended to.

        `bias` [heads, S, S] is added to the scores of queries for keys.
        """
        query, key, value = (
            layer(inputs).reshape(*inputs.shape[:2], self.heads, -1)
            for layer in (self.query, self.key, self.value)
        )
        # A Python number: it stays what it was when heads are cut.
        scale = 1 / np.sqrt(query.shape[-1]).item()
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) * scale
        if bias is not None:
            scores = scores + bias
        # Not minus infinity: a row of nothing but padding must not become NaN.
        scores = jnp.where(mask[:, None, None], scores, jnp.finfo(scores.dtype).min)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1), value)
        return self.norm(inputs + self.output(mixed.reshape(*inputs.shape[:2], -1)))


@final
class Layer(nnx.Module):
    """Attention, then two layers of units, added and normalised."""

    def __init__(self, options: Any, rngs: nnx.Rngs) -> None:
        self.activation = options.activation
        self.attention = Attention(options, rngs)
        self.intermediate = nnx.Linear(options.hidden, options.intermediate, rngs=rngs)
        self.output = nnx.Linear(options.intermediate, options.hidden, rngs=rngs)
        self.norm = layer_norm(options, rngs)

    def __call__(
        self, inputs: jax.Array, mask: jax.Array, bias: jax.Array | None = None
    ) -> jax.Array:
        """Return float [B, S, hidden]; see `Attention`."""
        inputs = self.attention(inputs, mask, bias)
        units = ACTIVATIONS[self.activation](self.intermediate(inputs))
        return self.norm(inputs + self.output(units))


def layer_norm(options: Any, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Return a LayerNorm as PyTorch computes it: the mean goes before squares are taken."""
    return nnx.LayerNorm(
        options.hidden, epsilon=options.epsilon, use_fast_variance=False, rngs=rngs
    )


def pooled(hidden: jax.Array, mask: jax.Array, pooling: str) -> jax.Array:
    """Return one row for each text: the mean over tokens that are no padding, or the first token.

    Args:
      hidden: float [B, S, hidden].
      mask: bool [B, S], which tokens are no padding.
      pooling: one of `POOLINGS`.
    """
    if pooling != "mean":
        return hidden[:, 0]
    weights = mask.astype(hidden.dtype)[..., None]
    return (hidden * weights).sum(1) / jnp.maximum(weights.sum(1), 1)


def check_length(ids: jax.Array, longest: int) -> None:
    """Refuse texts longer than the positions that the network knows."""
    require(
        ids.shape[1] <= longest,
        f"`inputs` must hold at most {longest} tokens a text, which the model has positions for, "
        f"got {ids.shape[1]}.",
    )


class _Embeddings(nnx.Module):
    """The sum of what a token, its position and its segment mean, normalised."""

    def __init__(self, options: BertOptions, rngs: nnx.Rngs) -> None:
        size = options.hidden
        self.word_embeddings = nnx.Embed(options.vocabulary, size, rngs=rngs)
        self.position_embeddings = nnx.Embed(options.positions, size, rngs=rngs)
        self.token_type_embeddings = nnx.Embed(options.types, size, rngs=rngs)
        self.norm = layer_norm(options, rngs)

    def __call__(self, ids: jax.Array) -> jax.Array:
        places = self.position_embeddings.embedding[: ids.shape[1]]
        kind = self.token_type_embeddings.embedding[0]
        return self.norm(self.word_embeddings(ids) + kind + places)


class _Encoder(nnx.Module):
    """Layers, one after the other."""

    def __init__(self, options: BertOptions, rngs: nnx.Rngs) -> None:
        self.layer = nnx.List([Layer(options, rngs) for _ in range(options.layers)])

    def __call__(self, hidden: jax.Array, mask: jax.Array) -> jax.Array:
        for layer in self.layer:
            hidden = layer(hidden, mask)
        return hidden


@final
class Bert(nnx.Module):
    """Tokens to features: embeddings, layers normalised after each sum, pooling."""

    def __init__(self, options: BertOptions, rngs: nnx.Rngs) -> None:
        self.options = options
        self.embeddings = _Embeddings(options, rngs)
        self.encoder = _Encoder(options, rngs)
        if options.pooling == "pooler":
            self.pooler = nnx.Linear(options.hidden, options.hidden, rngs=rngs)

    def __call__(self, ids: jax.Array) -> jax.Array:
        """Return float32 features [B, hidden] of int32 tokens [B, S].

        Raises:
          InputError: S is greater than `positions`.
        """
        check_length(ids, self.options.positions)
        mask = ids != self.options.pad
        hidden = self.encoder(self.embeddings(ids), mask)
        features = pooled(hidden, mask, self.options.pooling)
        return jnp.tanh(self.pooler(features)) if self.options.pooling == "pooler" else features


def needed(config: dict[str, Any], names: Sequence[str]) -> list[Any]:
    """Return entries of a `config.json`.

    Raises:
      InputError: one is missing.
    """
    missing = [name for name in names if config.get(name) is None]
    require(
        not missing,
        f"`config.json` must hold the sizes of the network, got none for {', '.join(missing)}.",
    )
    return [config[name] for name in names]


def otherwise(config: dict[str, Any], name: str, default: Any) -> Any:
    """Return an entry of a `config.json`, or its default where it is missing or null."""
    value = config.get(name)
    return default if value is None else value


SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
)


def _from_huggingface(config: dict[str, Any]) -> BertOptions:
    """Return the options of a BERT; a network for sequence classification is pooled by its pooler.

    Raises:
      InputError: a size is missing, or it is a decoder or has relative positions.
    """
    kind = otherwise(config, "position_embedding_type", "absolute")
    require(
        kind == "absolute" and not config.get("is_decoder"),
        "`config.json` must describe a BERT encoder with absolute positions, got "
        f"position_embedding_type {kind!r} and is_decoder {bool(config.get('is_decoder'))}.",
    )
    classifies = any("SequenceClassification" in one for one in config.get("architectures") or ())
    positions = otherwise(config, "max_position_embeddings", 512)
    return BertOptions(
        *needed(config, SIZES),
        positions=positions,
        types=otherwise(config, "type_vocab_size", 2),
        epsilon=otherwise(config, "layer_norm_eps", 1e-12),
        activation=otherwise(config, "hidden_act", "gelu"),
        pad=otherwise(config, "pad_token_id", 0),
        pooling="pooler" if classifies else "mean",
        length=min(128, positions),
    )


NORM = (r"(output\.)?LayerNorm\.", "norm.")
"""Normalisations lie beside what they follow here, and inside an `output` there."""

BERT = Family(
    name="bert",
    options=BertOptions,
    build=Bert,
    example=lambda options: jax.ShapeDtypeStruct((options.length,), jnp.int32),
    renames=(
        (r"^bert\.", ""),
        (r"LayerNorm\.gamma$", "LayerNorm.weight"),
        (r"LayerNorm\.beta$", "LayerNorm.bias"),
        (r"\.attention\.self\.", ".attention."),
        NORM,
        (r"\.dense\.", "."),
    ),
    ignored=(
        r"position_ids$",
        r"(^|\.)pooler\.",
        r"^cls\.",
        r"^(classifier|qa_outputs)\.",
    ),
    model_types=("bert",),
    from_huggingface=_from_huggingface,
)
