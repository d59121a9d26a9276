"""The translation network M2M100 (Fan et al., 2021, https://arxiv.org/abs/2010.11125)."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, struct

from .._errors import require, require_known, require_number
from ._family import Family

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": jax.nn.relu,
    "gelu": lambda hidden: jax.nn.gelu(hidden, approximate=False),
    "gelu_new": jax.nn.gelu,
    "silu": jax.nn.silu,
}
_FAR = -1e9  # added where a token may not look: finite, for a row of nothing but padding
_Pair = tuple[jax.Array, jax.Array]


@final
@dataclass(frozen=True)
class M2m100Options:
    """What makes one M2M100; the defaults are those of the checkpoint with 418M parameters.

    Attributes:
      vocabulary: number of tokens.
      width: of the hidden states; a multiple of the heads.
      encoder_layers: layers of the encoder.
      decoder_layers: layers of the decoder.
      encoder_heads: attention heads in each layer of the encoder.
      decoder_heads: attention heads in each layer of the decoder.
      encoder_inner: inner units of the encoder's feed-forward layers.
      decoder_inner: inner units of the decoder's feed-forward layers.
      length: tokens of an example input; any other number of tokens will do as well.
      positions: the most tokens that the network was trained for; texts are cut to it.
      pad: id of padding, in sources and in decoder inputs.
      start: id that decoding starts with.
      end: id that ends a text.
      activation: `relu`, `gelu`, `gelu_new` or `silu`.
      scaled: whether embeddings are multiplied by the root of the width.

    Raises:
      InputError: an option is of another type or out of range.
    """

    vocabulary: int = 128112
    width: int = 1024
    encoder_layers: int = 12
    decoder_layers: int = 12
    encoder_heads: int = 16
    decoder_heads: int = 16
    encoder_inner: int = 4096
    decoder_inner: int = 4096
    length: int = 128
    positions: int = 1024
    pad: int = 1
    start: int = 2
    end: int = 2
    activation: str = "relu"
    scaled: bool = True

    def __post_init__(self) -> None:
        for part in ("encoder", "decoder"):
            for name in (f"{part}_layers", f"{part}_heads", f"{part}_inner"):
                require_number(f"model.{name}", getattr(self, name), 1, whole=True)
        require_number("model.vocabulary", self.vocabulary, 2, whole=True)
        require_number("model.width", self.width, 4, whole=True)
        for heads in (self.encoder_heads, self.decoder_heads):
            require(
                self.width % heads == 0,
                f"`model.width` must be a multiple of the heads, got {self.width} for {heads}.",
            )
        require_number("model.positions", self.positions, 1, whole=True)
        require_number("model.length", self.length, 1, self.positions, whole=True)
        for name in ("pad", "start", "end"):
            require_number(f"model.{name}", getattr(self, name), 0, self.vocabulary - 1, whole=True)
        require_known("model.activation", self.activation, ACTIVATIONS)
        require(
            isinstance(self.scaled, bool),
            f"`model.scaled` must be true or false, got {self.scaled!r}.",
        )


def sinusoids(count: int, width: int, pad: int) -> np.ndarray:
    """Return a table of positions: sines in the first half of the columns, cosines in the other.

    Args:
      count: rows.
      width: columns; an odd last one is zero.
      pad: the row of padding, which is zero.

    Returns:
      float32 [count, width].

    Example:
      >>> table = sinusoids(3, 4, pad=1)
      >>> [f"{number:.2f}" for number in table[2]]
      ['0.91', '0.00', '-0.42', '1.00']
    """
    half = width // 2
    # In float32 from the first step on, as the reference does it: with many positions the rounding
    # of the angle is what counts.
    step = np.float32(math.log(10000) / (half - 1))
    speeds = np.exp(np.arange(half, dtype=np.float32) * -step)
    angles = np.arange(count, dtype=np.float32)[:, None] * speeds
    table = np.zeros((count, width), np.float32)
    table[:, : 2 * half] = np.concatenate([np.sin(angles), np.cos(angles)], 1)
    table[pad : pad + 1] = 0
    return table


@final
@struct.dataclass
class Cache:
    """What the decoder knows of the source and of the tokens so far, for `R` rows.

    Attributes:
      source: for each layer keys and values of the source, float32 [R, heads, S, size].
      past: for each layer keys and values of the tokens so far, float32 [R, heads, T, size].
      there: bool [R, 1, 1, S], false where the source is padding.
    """

    source: tuple[_Pair, ...]
    past: tuple[_Pair, ...]
    there: jax.Array

    def repeated(self, times: int) -> "Cache":
        """Return every row so many times, one after the other."""
        return jax.tree.map(lambda leaf: jnp.repeat(leaf, times, 0), self)

    def reordered(self, rows: jax.Array) -> "Cache":
        """Return rows [R] in another order; each must be of the same source as before."""
        return replace(self, past=jax.tree.map(lambda leaf: leaf[rows], self.past))


class Attention(nnx.Module):
    """Attention of several heads, with biases everywhere."""

    def __init__(self, width: int, heads: int, rngs: nnx.Rngs) -> None:
        self.q_proj = nnx.Linear(width, width, rngs=rngs)
        self.k_proj = nnx.Linear(width, width, rngs=rngs)
        self.v_proj = nnx.Linear(width, width, rngs=rngs)
        self.out_proj = nnx.Linear(width, width, rngs=rngs)
        self.heads = heads
        self.scale = (width // heads) ** -0.5

    def keys_values(self, rows: jax.Array) -> _Pair:
        """Return keys and values [B, heads, S, size] of rows [B, S, width]."""
        return self._split(self.k_proj(rows)), self._split(self.v_proj(rows))

    def __call__(self, rows: jax.Array, pair: _Pair, mask: jax.Array) -> jax.Array:
        """Return [B, S, width]: what rows see of keys and values where the mask is true."""
        keys, values = pair
        scores = self._split(self.q_proj(rows)) @ keys.swapaxes(-1, -2) * self.scale
        seen = jax.nn.softmax(jnp.where(mask, scores, _FAR)) @ values
        seen = seen.transpose(0, 2, 1, 3)
        return self.out_proj(seen.reshape(*seen.shape[:2], -1))

    def _split(self, rows: jax.Array) -> jax.Array:
        rows = rows.reshape(*rows.shape[:2], self.heads, -1)
        return rows.transpose(0, 2, 1, 3)


class EncoderLayer(nnx.Module):
    """Attention of the source to itself, then a feed-forward layer; each is normalised before."""

    def __init__(self, options: M2m100Options, rngs: nnx.Rngs) -> None:
        width, inner = options.width, options.encoder_inner
        self.self_attn = Attention(width, options.encoder_heads, rngs)
        self.self_attn_layer_norm = _norm(width, rngs)
        self.fc1 = nnx.Linear(width, inner, rngs=rngs)
        self.fc2 = nnx.Linear(inner, width, rngs=rngs)
        self.final_layer_norm = _norm(width, rngs)
        self.activation = options.activation

    def __call__(self, hidden: jax.Array, mask: jax.Array) -> jax.Array:
        """Return the next hidden states [B, S, width]."""
        normed = self.self_attn_layer_norm(hidden)
        hidden = hidden + self.self_attn(normed, self.self_attn.keys_values(normed), mask)
        inner = ACTIVATIONS[self.activation](self.fc1(self.final_layer_norm(hidden)))
        return hidden + self.fc2(inner)


class DecoderLayer(nnx.Module):
    """Attention to the tokens so far, attention to the source, a feed-forward layer."""

    def __init__(self, options: M2m100Options, rngs: nnx.Rngs) -> None:
        width, inner = options.width, options.decoder_inner
        self.self_attn = Attention(width, options.decoder_heads, rngs)
        self.self_attn_layer_norm = _norm(width, rngs)
        self.encoder_attn = Attention(width, options.decoder_heads, rngs)
        self.encoder_attn_layer_norm = _norm(width, rngs)
        self.fc1 = nnx.Linear(width, inner, rngs=rngs)
        self.fc2 = nnx.Linear(inner, width, rngs=rngs)
        self.final_layer_norm = _norm(width, rngs)
        self.activation = options.activation

    def __call__(
        self,
        hidden: jax.Array,
        source: _Pair,
        masks: _Pair,
        seen: Callable[[_Pair], _Pair] = lambda own: own,
    ) -> tuple[jax.Array, _Pair]:
        """Return the next hidden states, and the keys and values that they were made from.

        Args:
          hidden: [B, T, width].
          source: keys and values of the source.
          masks: where tokens may be looked at, and where the source may.
          seen: makes the keys and values to look at from those of `hidden`.
        """
        normed = self.self_attn_layer_norm(hidden)
        pair = seen(self.self_attn.keys_values(normed))
        hidden = hidden + self.self_attn(normed, pair, masks[0])
        hidden = hidden + self.encoder_attn(self.encoder_attn_layer_norm(hidden), source, masks[1])
        inner = ACTIVATIONS[self.activation](self.fc1(self.final_layer_norm(hidden)))
        return hidden + self.fc2(inner), pair


class Stack(nnx.Module):
    """Layers, and the normalisation after the last."""

    def __init__(self, layers: list[Any], width: int, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List(layers)
        self.layer_norm = _norm(width, rngs)


@final
class M2m100(nnx.Module):
    """Encoder, decoder and one embedding that all tokens come from and go to.

    Attributes:
      shared: the embedding, whose transpose makes the logits.
      encoder: layers that read the source.
      decoder: layers that read the tokens so far.
    """

    def __init__(self, options: M2m100Options, rngs: nnx.Rngs) -> None:
        self.options = options
        width = options.width
        self.shared = nnx.Embed(options.vocabulary, width, rngs=rngs)
        layers = [EncoderLayer(options, rngs) for _ in range(options.encoder_layers)]
        self.encoder = Stack(layers, width, rngs)
        layers = [DecoderLayer(options, rngs) for _ in range(options.decoder_layers)]
        self.decoder = Stack(layers, width, rngs)

    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Return logits, float32 [B, S, vocabulary].

        Args:
          inputs: int32 [B, 2, S]: ids of the source, and of what the decoder is given.
        """
        source, target = inputs[:, 0], inputs[:, 1]
        memory, there = self.encode(source), self._there(source)
        length = target.shape[1]
        masks = self._there(target) & np.tril(np.ones((length, length), bool)), there
        hidden = self._embedded(target)
        for layer in self.decoder.layers:
            hidden, _ = layer(hidden, layer.encoder_attn.keys_values(memory), masks)
        return self._logits(hidden)

    def encode(self, source: jax.Array) -> jax.Array:
        """Return what the encoder makes of source ids [B, S]: float32 [B, S, width]."""
        hidden, there = self._embedded(source), self._there(source)
        for layer in self.encoder.layers:
            hidden = layer(hidden, there)
        return self.encoder.layer_norm(hidden)

    def begin(self, source: jax.Array, length: int) -> Cache:
        """Return the cache for source ids [B, S] and at most `length` tokens."""
        memory = self.encode(source)
        pairs = tuple(layer.encoder_attn.keys_values(memory) for layer in self.decoder.layers)
        heads, size = pairs[0][0].shape[1], pairs[0][0].shape[3]
        empty = jnp.zeros((len(source), heads, length, size), memory.dtype)
        return Cache(pairs, tuple((empty, empty) for _ in pairs), self._there(source))

    def step(self, cache: Cache, tokens: jax.Array, place: jax.Array) -> tuple[jax.Array, Cache]:
        """Return logits [R, vocabulary] of the next tokens, and the cache with these.

        Args:
          cache: of the tokens before.
          tokens: int32 [R], the last tokens.
          place: where they stand, the first at 0.
        """
        length, options = cache.past[0][0].shape[2], self.options
        table = jnp.asarray(sinusoids(length + options.pad + 1, options.width, options.pad))
        hidden = self._words(tokens[:, None]) + table[options.pad + 1 + place]
        masks = jnp.arange(length) <= place, cache.there
        past = []
        for layer, source, before in zip(
            self.decoder.layers, cache.source, cache.past, strict=True
        ):
            hidden, pair = layer(
                hidden, source, masks, lambda own, old=before: _put(old, own, place)
            )
            past.append(pair)
        return self._logits(hidden)[:, 0], replace(cache, past=tuple(past))

    def _logits(self, hidden: jax.Array) -> jax.Array:
        return self.shared.attend(self.decoder.layer_norm(hidden))

    def _there(self, tokens: jax.Array) -> jax.Array:
        return (tokens != self.options.pad)[:, None, None, :]

    def _words(self, tokens: jax.Array) -> jax.Array:
        scale = math.sqrt(self.options.width) if self.options.scaled else 1.0
        return self.shared(tokens) * scale

    def _embedded(self, tokens: jax.Array) -> jax.Array:
        pad = self.options.pad
        table = jnp.asarray(sinusoids(tokens.shape[1] + pad + 1, self.options.width, pad))
        there = (tokens != pad).astype(jnp.int32)
        return self._words(tokens) + table[jnp.cumsum(there, 1) * there + pad]


def m2m100_options(config: dict[str, Any]) -> M2m100Options:
    """Return the options of a Hugging Face `config.json`.

    Raises:
      InputError: sizes are missing, or the network is none of this family's, such as one with a
        second embedding.
    """
    names = {
        "vocab_size": "vocabulary",
        "d_model": "width",
        "encoder_layers": "encoder_layers",
        "decoder_layers": "decoder_layers",
        "encoder_attention_heads": "encoder_heads",
        "decoder_attention_heads": "decoder_heads",
        "encoder_ffn_dim": "encoder_inner",
        "decoder_ffn_dim": "decoder_inner",
        "max_position_embeddings": "positions",
        "pad_token_id": "pad",
        "decoder_start_token_id": "start",
        "eos_token_id": "end",
        "activation_function": "activation",
        "scale_embedding": "scaled",
    }
    missing = [name for name in list(names)[:8] if name not in config]
    require(
        not missing,
        f"`config.json` must hold the sizes of the network, got none for {', '.join(missing)}.",
    )
    require(
        config.get("tie_word_embeddings", True),
        "`config.json` must have `tie_word_embeddings` true for M2M100, got false.",
    )
    given = {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
    for theirs, ours in names.items():
        default = getattr(M2m100Options, ours)
        require(
            type(given.get(ours, default)) is type(default),
            f"`{theirs}` of `config.json` must be such as {json.dumps(default)}, got "
            f"{json.dumps(config.get(theirs))}.",
        )
    positions = given.get("positions", M2m100Options.positions)
    return M2m100Options(**given, length=min(M2m100Options.length, positions))


def _norm(width: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
    return nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)


def _put(before: _Pair, own: _Pair, place: jax.Array) -> _Pair:
    keys, values = (
        jax.lax.dynamic_update_slice_in_dim(old, new, place, axis=2)
        for old, new in zip(before, own, strict=True)
    )
    return keys, values


# The ignored names repeat `shared.weight`, or are the table of positions.
M2M100 = Family(
    name="m2m100",
    options=M2m100Options,
    build=M2m100,
    example=lambda options: jax.ShapeDtypeStruct((2, options.length), jnp.int32),
    head=None,
    renames=((r"^model\.", ""),),
    ignored=(
        r"^lm_head\.weight$",
        r"(encoder|decoder)\.embed_tokens\.weight$",
        r"(encoder|decoder)\.embed_positions\.",
    ),
    tied={r"(^lm_head|\.embed_tokens)\.weight$": "shared.embedding"},
    model_types=("m2m_100",),
    sizes={"m2m100_418m": {}},
    from_huggingface=m2m100_options,
)
