"""Transformers of many layouts, as plain functions of dictionaries."""

import jax
import jax.numpy as jnp

from ._network import Network, rows, tokens, weights
from .layers import attend, dense, dense_shapes, layer_norm, layer_norm_shapes

VOCABULARY, WIDTH = 11, 6


def _feed(params, x):
    return dense(params["down"], jax.nn.gelu(dense(params["up"], x)))


def _feed_shapes(hidden):
    return {"up": dense_shapes(WIDTH, hidden), "down": dense_shapes(hidden, WIDTH)}


def _heads(x, heads):
    return x.reshape(*x.shape[:-1], heads, -1)


def _merged(x):
    return x.reshape(*x.shape[:-2], -1)


def bert():
    """Separate matrices for q, k and v, normalised after each sum; words, places, first token."""

    def layer(params, x, heads):
        q, k, v = (_heads(dense(params[name], x), heads) for name in "qkv")
        mixed = dense(params["out"], _merged(attend(q, k, v)))
        x = layer_norm(params["norm1"], x + mixed)
        return layer_norm(params["norm2"], x + _feed(params["feed"], x))

    def apply(params, words):
        x = params["words"][words] + params["places"][None, : words.shape[1]] + params["types"][0]
        x = layer_norm(params["norm"], x)
        x = layer(params["second"], layer(params["first"], x, 3), 2)
        return dense(params["head"], jnp.tanh(dense(params["pool"], x[:, 0])))

    def layer_shapes(heads, size, value, hidden):
        wide = dense_shapes(WIDTH, heads * size)
        return {
            "q": wide,
            "k": wide,
            "v": dense_shapes(WIDTH, heads * value),
            "out": dense_shapes(heads * value, WIDTH),
            "norm1": layer_norm_shapes(WIDTH),
            "norm2": layer_norm_shapes(WIDTH),
            "feed": _feed_shapes(hidden),
        }

    shapes = {
        "words": (VOCABULARY, WIDTH),
        "places": (8, WIDTH),
        "types": (2, WIDTH),
        "norm": layer_norm_shapes(WIDTH),
        "first": layer_shapes(3, 4, 5, 9),
        "second": layer_shapes(2, 3, 7, 10),
        "pool": dense_shapes(WIDTH, 8),
        "head": dense_shapes(8, 3),
    }
    return Network(apply, weights(shapes), tokens(VOCABULARY, 5))


def _thirds(x):
    q, k, v = jnp.split(x, 3, axis=-1)
    return [_heads(part, 2) for part in (q, k, v)]


def _slices(x):
    """Cut q|k|v of unequal widths: v's heads are wider."""
    return [_heads(x[..., :8], 2), _heads(x[..., 8:16], 2), _heads(x[..., 16:], 2)]


def _inner_thirds(x):
    """Cut each head's own 3 x size into q, k and v."""
    return jnp.split(_heads(x, 2), 3, axis=-1)


LAYOUTS = {
    # how the fused width becomes q, k and v [B, S, 2, size], and the size of v
    "three_heads_size": (lambda x: list(jnp.moveaxis(x.reshape(*x.shape[:2], 3, 2, 4), 2, 0)), 4),
    "heads_three_size": (lambda x: list(jnp.moveaxis(x.reshape(*x.shape[:2], 2, 3, 4), 3, 0)), 4),
    "heads_size_three": (lambda x: list(jnp.moveaxis(x.reshape(*x.shape[:2], 2, 4, 3), 4, 0)), 4),
    "thirds": (_thirds, 4),
    "slices": (_slices, 5),
    "inner_thirds": (_inner_thirds, 4),
}


def fused(layout):
    """Return a maker of a block whose q, k and v come from one matrix."""
    separate, value = LAYOUTS[layout]

    def apply(params, x):
        hidden = dense(params["qkv"], layer_norm(params["norm"], x))
        x = x + dense(params["out"], _merged(attend(*separate(hidden))))
        return dense(params["head"], (x + _feed(params["feed"], x)).mean(1))

    shapes = {
        "norm": layer_norm_shapes(WIDTH),
        "qkv": dense_shapes(WIDTH, 2 * (4 + 4 + value)),
        "out": dense_shapes(2 * value, WIDTH),
        "feed": _feed_shapes(9),
        "head": dense_shapes(WIDTH, 3),
    }
    return lambda: Network(apply, weights(shapes), rows(5, WIDTH))


def _angles(length, pairs):
    speed = 10000.0 ** (-jnp.arange(pairs) / pairs)
    return jnp.arange(length)[:, None] * speed


def _rotated_halves(x):
    """Rotate pairs (i, i + size / 2)."""
    angles = jnp.concatenate([_angles(x.shape[1], x.shape[-1] // 2)] * 2, -1)[:, None]
    one, two = jnp.split(x, 2, axis=-1)
    return x * jnp.cos(angles) + jnp.concatenate([-two, one], -1) * jnp.sin(angles)


def _rotated_neighbours(x):
    """Rotate pairs (2 i, 2 i + 1)."""
    angles = _angles(x.shape[1], x.shape[-1] // 2)[:, None]
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    one, two = x[..., ::2], x[..., 1::2]
    return jnp.stack([one * cos - two * sin, one * sin + two * cos], -1).reshape(x.shape)


def _rms_norm(scale, x):
    return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-5) * scale


def _grouped(q, k, v, mask):
    """Attend with three queries for each of two keys, by broadcasting."""
    q = q.reshape(*q.shape[:2], 2, 3, q.shape[-1])
    scores = jnp.einsum("bqhrd,bkhd->bhrqk", q, k) / q.shape[-1] ** 0.5
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), -1)
    return _merged(jnp.einsum("bhrqk,bkhd->bqhrd", weights, v))


def _repeated(q, k, v, mask):
    """Attend with every key and value repeated three times."""
    return attend(q, jnp.repeat(k, 3, axis=2), jnp.repeat(v, 3, axis=2), mask)


def llama(rotated, grouped):
    """Return a maker of a causal block: rotated positions, grouped queries, gated layer."""

    def apply(params, words):
        x = params["words"][words]
        mask = jnp.tril(jnp.ones((words.shape[1],) * 2, bool))
        hidden = _rms_norm(params["norm1"], x)
        q, k = (rotated(_heads(hidden @ params[name], n)) for name, n in (("q", 6), ("k", 2)))
        mixed = _merged(grouped(q, k, _heads(hidden @ params["v"], 2), mask))
        x = x + mixed @ params["out"]
        hidden = _rms_norm(params["norm2"], x)
        hidden = jax.nn.silu(hidden @ params["gate"]) * (hidden @ params["up"])
        x = x + hidden @ params["down"]
        return _rms_norm(params["norm"], x) @ params["words"].T

    shapes = {
        "words": (VOCABULARY, WIDTH),
        "norm1": (WIDTH,),
        "q": (WIDTH, 6 * 8),
        "k": (WIDTH, 2 * 8),
        "v": (WIDTH, 2 * 5),
        "out": (6 * 5, WIDTH),
        "norm2": (WIDTH,),
        "gate": (WIDTH, 9),
        "up": (WIDTH, 9),
        "down": (9, WIDTH),
        "norm": (WIDTH,),
    }
    return lambda: Network(apply, weights(shapes), tokens(VOCABULARY, 5))


grouped_queries = llama(_rotated_halves, _grouped)
repeated_keys = llama(_rotated_neighbours, _repeated)


def _attended(params, x, source, heads, mask=None):
    q, (k, v) = params["q"], (params["k"], params["v"])
    q, k, v = jnp.einsum("bsw,whd->bshd", x, q), source @ k, source @ v
    mixed = attend(q, _heads(k, heads), _heads(v, heads), mask)
    return jnp.einsum("bshd,hdw->bsw", mixed, params["out"])


def _attended_shapes(heads, size, value):
    return {
        "q": (WIDTH, heads, size),
        "k": (WIDTH, heads * size),
        "v": (WIDTH, heads * value),
        "out": (heads, value, WIDTH),
    }


def translator(norm=layer_norm):
    """Return a maker of an encoder and a decoder with cross attention and one tied embedding."""

    def apply(params, source, target):
        mask = jnp.tril(jnp.ones((target.shape[1],) * 2, bool))
        x, y = params["words"][source], params["words"][target]
        one, two = params["encoder"], params["decoder"]
        hidden = norm(one["norm1"], x)
        x = x + _attended(one["self"], hidden, hidden, 2)
        x = x + _feed(one["feed"], norm(one["norm2"], x))
        hidden = norm(two["norm1"], y)
        y = y + _attended(two["self"], hidden, hidden, 3, mask)
        y = y + _attended(two["cross"], norm(two["norm2"], y), x, 2)
        y = y + _feed(two["feed"], norm(two["norm3"], y))
        return norm(params["norm"], y) @ params["words"].T

    norms = {f"norm{place}": layer_norm_shapes(WIDTH) for place in (1, 2, 3)}
    shapes = {
        "words": (VOCABULARY, WIDTH),
        "encoder": {**norms, "self": _attended_shapes(2, 3, 4), "feed": _feed_shapes(7)},
        "decoder": {
            **norms,
            "self": _attended_shapes(3, 4, 5),
            "cross": _attended_shapes(2, 5, 3),
            "feed": _feed_shapes(8),
        },
        "norm": layer_norm_shapes(WIDTH),
    }
    return lambda: Network(apply, weights(shapes), tokens(VOCABULARY, 5, 4))


encoder_decoder = translator()
unnormalised = translator(lambda params, x: x * params["scale"] + params["bias"])


def vit():
    """Patches by a strided convolution, a class token, learnt places."""

    def apply(params, x):
        kernel, numbers = params["patch"]["kernel"], ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, kernel, (4, 4), "VALID", dimension_numbers=numbers)
        x = (x + params["patch"]["bias"]).reshape(x.shape[0], -1, WIDTH)
        first = jnp.broadcast_to(params["class"], (x.shape[0], 1, WIDTH))
        x = jnp.concatenate([first, x], 1) + params["places"]
        hidden = layer_norm(params["norm1"], x)
        x = x + _attended(params["self"], hidden, hidden, 3)
        x = x + _feed(params["feed"], layer_norm(params["norm2"], x))
        return dense(params["head"], layer_norm(params["norm"], x)[:, 0])

    shapes = {
        "patch": {"kernel": (4, 4, 3, WIDTH), "bias": (WIDTH,)},
        "class": (1, 1, WIDTH),
        "places": (5, WIDTH),
        "norm1": layer_norm_shapes(WIDTH),
        "self": _attended_shapes(3, 4, 5),
        "norm2": layer_norm_shapes(WIDTH),
        "feed": _feed_shapes(9),
        "norm": layer_norm_shapes(WIDTH),
        "head": dense_shapes(WIDTH, 3),
    }
    return Network(apply, weights(shapes), rows(8, 8, 3))


def performer():
    """Linear attention: keys times values first, without a softmax."""

    def apply(params, x):
        q, k, v = (_heads(x @ params[name], 2) for name in "qkv")
        q, k = jax.nn.elu(q) + 1, jax.nn.elu(k) + 1
        memory = jnp.einsum("bshd,bshe->bhde", k, v)
        scale = jnp.einsum("bqhd,bhd->bqh", q, k.sum(1))
        mixed = jnp.einsum("bqhd,bhde->bqhe", q, memory) / scale[..., None]
        return (x + _merged(mixed) @ params["out"]).mean(1) @ params["head"]

    shapes = {
        "q": (WIDTH, 8),
        "k": (WIDTH, 8),
        "v": (WIDTH, 10),
        "out": (10, WIDTH),
        "head": (WIDTH, 3),
    }
    return Network(apply, weights(shapes), rows(5, WIDTH))


def parallel():
    """Attention of one key for all queries, beside the wide layer; the second layer runs twice."""

    def layer(params, x):
        hidden = layer_norm(params["norm"], x)
        q, k, v = _heads(hidden @ params["q"], 3), hidden @ params["k"], hidden @ params["v"]
        scores = jax.nn.softmax(jnp.einsum("bqhd,bkd->bhqk", q, k) / 2, -1)
        mixed = jnp.einsum("bhqk,bkd->bqhd", scores, v)
        return x + _merged(mixed) @ params["out"] + _feed(params["feed"], hidden)

    def apply(params, x):
        x = layer(params["shared"], layer(params["shared"], layer(params["own"], x)))
        return dense(params["head"], x.mean(1))

    def layer_shapes(size, value, hidden):
        matrices = {"q": (WIDTH, 3 * size), "k": (WIDTH, size), "v": (WIDTH, value)}
        norm, feed = layer_norm_shapes(WIDTH), _feed_shapes(hidden)
        return {**matrices, "out": (3 * value, WIDTH), "norm": norm, "feed": feed}

    shapes = {
        "own": layer_shapes(4, 5, 9),
        "shared": layer_shapes(2, 6, 7),
        "head": dense_shapes(WIDTH, 3),
    }
    return Network(apply, weights(shapes), rows(5, WIDTH))


def decoder():
    """Two layers that both look at one encoded source, from learnt queries."""

    def apply(params, x):
        source = jax.nn.gelu(dense(params["source"], x))
        y = jnp.broadcast_to(params["queries"], (x.shape[0], 3, WIDTH))
        y = y + _attended(params["first"], layer_norm(params["norm1"], y), source, 2)
        y = y + _attended(params["second"], layer_norm(params["norm2"], y), source, 3)
        return dense(params["head"], y)

    def cross_shapes(heads, size, value):
        shapes = _attended_shapes(heads, size, value)
        return {**shapes, "k": (7, heads * size), "v": (7, heads * value)}

    shapes = {
        "source": dense_shapes(4, 7),
        "queries": (3, WIDTH),
        "norm1": layer_norm_shapes(WIDTH),
        "norm2": layer_norm_shapes(WIDTH),
        "first": cross_shapes(2, 3, 4),
        "second": cross_shapes(3, 2, 5),
        "head": dense_shapes(WIDTH, 2),
    }
    return Network(apply, weights(shapes), rows(5, 4))


def windows():
    """Attention within shifted windows, with a learnt bias for every distance, then merged."""
    distance = jnp.arange(4)[:, None] - jnp.arange(4) + 3

    def layer(params, x):
        hidden = jnp.roll(layer_norm(params["norm"], x), (-1, -1), (1, 2))
        cut = hidden.reshape(-1, 2, 2, 2, 2, WIDTH).swapaxes(2, 3).reshape(-1, 4, WIDTH)
        q, k, v = _thirds(cut @ params["qkv"])
        scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) + params["bias"][distance].transpose(2, 0, 1)
        mixed = _merged(jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1), v))
        out = (mixed @ params["out"]).reshape(-1, 2, 2, 2, 2, WIDTH).swapaxes(2, 3)
        return x + jnp.roll(out.reshape(x.shape), (1, 1), (1, 2))

    def apply(params, x):
        x = layer(params["layer"], x @ params["embed"])
        x = jnp.concatenate([x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], -1)
        return jax.nn.gelu(dense(params["merge"], x)).mean((1, 2)) @ params["head"]

    layers = {
        "norm": layer_norm_shapes(WIDTH),
        "qkv": (WIDTH, 24),
        "bias": (7, 2),
        "out": (8, WIDTH),
    }
    shapes = {
        "embed": (3, WIDTH),
        "layer": layers,
        "merge": dense_shapes(4 * WIDTH, 8),
        "head": (8, 3),
    }
    return Network(apply, weights(shapes), rows(4, 4, 3))


def library():
    """The attention of `jax.nn`, with two queries for each key, in a rematerialised block."""

    @jax.checkpoint
    def block(params, x):
        q, k, v = (
            _heads(x @ params[name], heads) for name, heads in zip("qkv", (6, 3, 3), strict=True)
        )
        x = x + _merged(jax.nn.dot_product_attention(q, k, v, is_causal=True)) @ params["out"]
        return x + _feed(params["feed"], layer_norm(params["norm"], x))

    def apply(params, x):
        return dense(params["head"], block(params["block"], x))

    blocks = {
        "q": (WIDTH, 6 * 4),
        "k": (WIDTH, 3 * 4),
        "v": (WIDTH, 3 * 4),
        "out": (6 * 4, WIDTH),
        "norm": layer_norm_shapes(WIDTH),
        "feed": _feed_shapes(9),
    }
    shapes = {"block": blocks, "head": dense_shapes(WIDTH, 2)}
    return Network(apply, weights(shapes), rows(5, WIDTH))
