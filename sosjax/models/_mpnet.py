"""MPNet as an encoder of sentences (Song et al., 2020, https://arxiv.org/abs/2004.09297).

Attention knows how far tokens are apart by the relative bias of T5 (Raffel et al., 2020,
https://arxiv.org/abs/1910.10683), one for all layers.
"""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .._errors import require, require_known, require_number
from .._types import AnyArray
from ._bert import (
    NORM,
    SIZES,
    Layer,
    check_encoder,
    check_length,
    layer_norm,
    needed,
    otherwise,
    pooled,
)
from ._family import Family

BUCKETS = 32  # kinds of distance in every published network
FURTHEST = 128  # distances from here on are one bucket
PADDING = 1  # the network counts positions from here, and its padding stays here


@final
@dataclass(frozen=True)
class MpnetOptions:
    """What makes one MPNet; the defaults are those of MPNet-base.

    Attributes:
      vocabulary: tokens that there are.
      hidden: numbers for each token between layers.
      layers: attention and feed-forward layers.
      heads: attention heads of a layer; divide `hidden`.
      intermediate: units of a feed-forward layer.
      positions: rows of the table of positions, two more than the tokens of the longest text.
      buckets: kinds of distance between tokens: half for each direction.
      epsilon: added to variances.
      activation: 'gelu' (exact), 'gelu_new' (by tanh) or 'relu'.
      pad: the token that fills up short texts and is not attended to; must be 1.
      pooling: 'mean' over the tokens of a text, or 'cls' for its first.
      length: tokens of the example input, at most `positions - 2`.

    Raises:
      InputError: an option is out of its range.
    """

    vocabulary: int = 30527
    hidden: int = 768
    layers: int = 12
    heads: int = 12
    intermediate: int = 3072
    positions: int = 514
    buckets: int = BUCKETS
    epsilon: float = 1e-5
    activation: str = "gelu"
    pad: int = PADDING
    pooling: str = "mean"
    length: int = 128

    def __post_init__(self) -> None:
        check_encoder(self)
        require_known("model.pooling", self.pooling, ("mean", "cls"))
        require_number("model.vocabulary", self.vocabulary, PADDING + 1, whole=True)
        require_number("model.positions", self.positions, PADDING + 2, whole=True)
        require_number("model.length", self.length, 1, self.longest, whole=True)
        # Four or more for each direction; above, the far half would begin beyond `FURTHEST`.
        require_number("model.buckets", self.buckets, 4, 2 * FURTHEST, whole=True)
        require(
            self.buckets % 4 == 0,
            f"`model.buckets` must be a multiple of 4, got {self.buckets}.",
        )
        require(
            self.pad == PADDING,
            f"`model.pad` must be {PADDING}, which MPNet counts positions from, got {self.pad}.",
        )

    @property
    def longest(self) -> int:
        """Return the tokens of the longest text."""
        return self.positions - PADDING - 1


def distance_buckets(distances: np.ndarray, buckets: int) -> np.ndarray:
    """Return the kind of each distance: near ones have their own, far ones share by their log.

    Args:
      distances: whole numbers, key minus query.
      buckets: how many kinds there are; those of later keys are the upper half.

    Returns:
      int32 of the same shape, in [0, buckets).
    """
    half = buckets // 2
    exact = half // 2
    apart = np.abs(distances)
    # In float32 and in this order, for the next bucket begins where the quotient is whole.
    ratio = np.log(np.maximum(apart, 1).astype(np.float32) / np.float32(exact))
    far = ratio / np.float32(np.log(FURTHEST / exact)) * np.float32(half - exact)
    far = np.minimum(exact + far.astype(np.int32), half - 1)
    near = np.where(apart < exact, apart, far)
    return (near + half * (distances > 0)).astype(np.int32)


class _Embeddings(nnx.Module):
    """The sum of what a token and its position mean, normalised."""

    def __init__(self, options: MpnetOptions, rngs: nnx.Rngs) -> None:
        self.word_embeddings = nnx.Embed(options.vocabulary, options.hidden, rngs=rngs)
        self.position_embeddings = nnx.Embed(options.positions, options.hidden, rngs=rngs)
        self.norm = layer_norm(options, rngs)

    def __call__(self, ids: jax.Array, mask: jax.Array) -> jax.Array:
        counted = jnp.cumsum(mask.astype(jnp.int32), 1)
        places = jnp.where(mask, counted, 0) + PADDING
        return self.norm(self.word_embeddings(ids) + self.position_embeddings(places))


class _Encoder(nnx.Module):
    """Layers, one after the other, with one table of biases for distances."""

    def __init__(self, options: MpnetOptions, rngs: nnx.Rngs) -> None:
        self.layer = nnx.List([Layer(options, rngs) for _ in range(options.layers)])
        self.relative_attention_bias = nnx.Embed(options.buckets, options.heads, rngs=rngs)

    def __call__(self, hidden: jax.Array, mask: jax.Array) -> jax.Array:
        table = self.relative_attention_bias.embedding[...]
        kinds = _kinds(hidden.shape[1], table.shape[0])
        for layer in self.layer:
            hidden = layer(hidden, mask, jnp.moveaxis(_own(table)[kinds], -1, 0))
        return hidden


def _own(table: AnyArray) -> jax.Array:
    """Return the table [buckets, heads] with heads of its own.

    One table for all layers would tie their heads together: a layer could lose none that the others
    keep. A sum over heads with all but one left out is the same numbers, and of new units.
    """
    same = np.eye(table.shape[1], dtype=bool)
    return jnp.where(same, table[:, None, :], 0).sum(-1)


def _kinds(length: int, buckets: int) -> jax.Array:
    """Return the kind of distance of each pair of tokens, int32 [S, S]: queries, then keys."""
    row = distance_buckets(np.arange(1 - length, length), buckets)
    places = jnp.arange(length)
    return jnp.asarray(row)[places[None, :] - places[:, None] + length - 1]


@final
class Mpnet(nnx.Module):
    """Tokens to features: embeddings, layers normalised after each sum, pooling."""

    def __init__(self, options: MpnetOptions, rngs: nnx.Rngs) -> None:
        self.options = options
        self.embeddings = _Embeddings(options, rngs)
        self.encoder = _Encoder(options, rngs)

    def __call__(self, ids: jax.Array) -> jax.Array:
        """Return float32 features [B, hidden] of int32 tokens [B, S].

        Raises:
          InputError: S is greater than `positions - 2`.
        """
        check_length(ids, self.options.longest)
        mask = ids != self.options.pad
        hidden = self.encoder(self.embeddings(ids, mask), mask)
        return pooled(hidden, mask, self.options.pooling)


def _from_huggingface(config: dict[str, Any]) -> MpnetOptions:
    """Return the options of an MPNet.

    Raises:
      InputError: a size is missing or out of range.
    """
    buckets = otherwise(config, "relative_attention_num_buckets", BUCKETS)
    require(
        buckets == BUCKETS,
        f"`config.json` must have relative_attention_num_buckets of {BUCKETS}, which transformers "
        f"computes with whatever it says, got {buckets}.",
    )
    positions = otherwise(config, "max_position_embeddings", 512)
    return MpnetOptions(
        *needed(config, SIZES),
        positions=positions,
        # The default of transformers; published checkpoints say 1e-5.
        epsilon=otherwise(config, "layer_norm_eps", 1e-12),
        activation=otherwise(config, "hidden_act", "gelu"),
        pad=otherwise(config, "pad_token_id", PADDING),
        length=max(1, min(128, positions - PADDING - 1)),
    )


MPNET = Family(
    name="mpnet",
    options=MpnetOptions,
    build=Mpnet,
    example=lambda options: jax.ShapeDtypeStruct((options.length,), jnp.int32),
    renames=(
        (r"^mpnet\.", ""),
        (r"\.attn\.q\.", ".query."),
        (r"\.attn\.k\.", ".key."),
        (r"\.attn\.v\.", ".value."),
        (r"\.attn\.o\.", ".output."),
        NORM,
        (r"\.dense\.", "."),
    ),
    ignored=(r"position_ids$", r"^pooler\.", r"^mpnet\.pooler\.", r"^lm_head\.", r"^classifier\."),
    model_types=("mpnet",),
    from_huggingface=_from_huggingface,
)
