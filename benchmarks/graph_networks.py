"""Large well-known networks as plain functions of parameters, by their shapes alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Network = tuple[Callable[..., Any], Any, tuple[Any, ...]]
"""`apply`, parameters and inputs, both as `jax.ShapeDtypeStruct`."""


def _leaf(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.float32)


def conv(params: Any, inputs: Any, stride: int = 1) -> Any:
    return jax.lax.conv_general_dilated(
        inputs, params, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def norm(params: Any, hidden: Any) -> Any:
    scale = params["scale"] * jax.lax.rsqrt(params["variance"] + 1e-5)
    return (hidden - params["mean"]) * scale + params["bias"]


def _norm_shapes(width: int) -> dict[str, Any]:
    return {name: _leaf(width) for name in ("scale", "bias", "mean", "variance")}


def _convs(*shapes: tuple[int, ...]) -> dict[str, Any]:
    made = {f"conv{number}": _leaf(*shape) for number, shape in enumerate(shapes, 1)}
    norms = {f"norm{number}": _norm_shapes(shape[-1]) for number, shape in enumerate(shapes, 1)}
    return made | norms


def resnet(depths: tuple[int, ...], bottleneck: bool, size: int = 224, width: int = 64) -> Network:
    """ImageNet ResNets: 18 is `((2, 2, 2, 2), False)`, 50 is `((3, 4, 6, 3), True)`."""
    params: dict[str, Any] = {"stem": _convs((7, 7, 3, width))}
    strides, before = {}, width
    for stage, depth in enumerate(depths):
        inner, outer = width * 2**stage, width * 2**stage * (4 if bottleneck else 1)
        for block in range(depth):
            name = f"stage{stage}_block{block}"
            strides[name] = 2 if stage > 0 and block == 0 else 1
            if bottleneck:
                shapes = ((1, 1, before, inner), (3, 3, inner, inner), (1, 1, inner, outer))
            else:
                shapes = ((3, 3, before, inner), (3, 3, inner, inner))
            params[name] = _convs(*shapes)
            if before != outer:
                params[name]["project"] = _convs((1, 1, before, outer))
            before = outer
    params["head"] = {"kernel": _leaf(before, 1000), "bias": _leaf(1000)}

    def apply(params: Any, inputs: Any) -> Any:
        stem = params["stem"]
        hidden = jax.nn.relu(norm(stem["norm1"], conv(stem["conv1"], inputs, 2)))
        window = (1, 3, 3, 1), (1, 2, 2, 1), "SAME"
        hidden = jax.lax.reduce_window(hidden, -jnp.inf, jax.lax.max, *window)
        for name, stride in strides.items():
            hidden = _resnet(params[name], hidden, stride, 2 if bottleneck else 1)
        hidden = hidden.mean((1, 2))
        return hidden @ params["head"]["kernel"] + params["head"]["bias"]

    return apply, params, (_leaf(1, size, size, 3),)


def _resnet(params: Any, inputs: Any, stride: int, strided: int) -> Any:
    count = sum(name.startswith("conv") for name in params)
    hidden = inputs
    for number in range(1, count + 1):
        step = stride if number == strided else 1
        hidden = norm(params[f"norm{number}"], conv(params[f"conv{number}"], hidden, step))
        hidden = jax.nn.relu(hidden) if number < count else hidden
    if "project" in params:
        project = params["project"]
        inputs = norm(project["norm1"], conv(project["conv1"], inputs, stride))
    return jax.nn.relu(hidden + inputs)


def layer_norm(params: Any, hidden: Any) -> Any:
    mean, variance = hidden.mean(-1, keepdims=True), hidden.var(-1, keepdims=True)
    return (hidden - mean) * jax.lax.rsqrt(variance + 1e-5) * params["scale"] + params["bias"]


def dense(params: Any, inputs: Any) -> Any:
    return inputs @ params["kernel"] + params["bias"]


def _dense_shapes(inputs: int, outputs: int) -> dict[str, Any]:
    return {"kernel": _leaf(inputs, outputs), "bias": _leaf(outputs)}


def _attention(params: Any, hidden: Any, memory: Any, heads: int, causal: bool) -> Any:
    def split(name: str, source: Any) -> Any:
        rows = dense(params[name], source)
        return rows.reshape(*rows.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    query, key, value = split("query", hidden), split("key", memory), split("value", memory)
    scores = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
    if causal:
        length = scores.shape[-1]
        scores = jnp.where(jnp.tril(jnp.ones((length, length), bool)), scores, -1e9)
    rows = (jax.nn.softmax(scores) @ value).transpose(0, 2, 1, 3)
    return dense(params["out"], rows.reshape(*rows.shape[:2], -1))


def _attention_shapes(width: int) -> dict[str, Any]:
    return {name: _dense_shapes(width, width) for name in ("query", "key", "value", "out")}


def _layer_shapes(width: int, inner: int, cross: bool = False) -> dict[str, Any]:
    pair = {"scale": _leaf(width), "bias": _leaf(width)}
    layer = {"attention": _attention_shapes(width), "norm": pair}
    layer |= {"up": _dense_shapes(width, inner), "down": _dense_shapes(inner, width)}
    layer |= {"last_norm": pair}
    return layer | ({"cross": _attention_shapes(width), "cross_norm": pair} if cross else {})


def bert(layers: int, width: int, heads: int, inner: int, length: int, vocab: int) -> Network:
    """BERT with a pooler and a head of two classes; base is `(12, 768, 12, 3072, 128, 30522)`."""
    pair = {"scale": _leaf(width), "bias": _leaf(width)}
    params = {
        "words": _leaf(vocab, width),
        "positions": _leaf(length, width),
        "norm": pair,
        "layers": [_layer_shapes(width, inner) for _ in range(layers)],
        "pooler": _dense_shapes(width, width),
        "head": _dense_shapes(width, 2),
    }

    def apply(params: Any, tokens: Any) -> Any:
        hidden = layer_norm(params["norm"], params["words"][tokens] + params["positions"])
        for layer in params["layers"]:
            attended = _attention(layer["attention"], hidden, hidden, heads, False)
            hidden = layer_norm(layer["norm"], hidden + attended)
            inner = dense(layer["down"], jax.nn.gelu(dense(layer["up"], hidden)))
            hidden = layer_norm(layer["last_norm"], hidden + inner)
        return dense(params["head"], jnp.tanh(dense(params["pooler"], hidden[:, 0])))

    return apply, params, (jax.ShapeDtypeStruct((1, length), np.int32),)


def vit(
    layers: int, width: int, heads: int, inner: int, size: int = 224, patch: int = 16
) -> Network:
    """A vision transformer with a class token; tiny is `(12, 192, 3, 768)`."""
    pair = {"scale": _leaf(width), "bias": _leaf(width)}
    params = {
        "patches": {"kernel": _leaf(patch, patch, 3, width), "bias": _leaf(width)},
        "token": _leaf(1, 1, width),
        "positions": _leaf((size // patch) ** 2 + 1, width),
        "layers": [_layer_shapes(width, inner) for _ in range(layers)],
        "norm": pair,
        "head": _dense_shapes(width, 1000),
    }

    def apply(params: Any, inputs: Any) -> Any:
        rows = conv(params["patches"]["kernel"], inputs, patch) + params["patches"]["bias"]
        rows = rows.reshape(len(rows), -1, width)
        token = jnp.broadcast_to(params["token"], (len(rows), 1, width))
        hidden = jnp.concatenate([token, rows], 1) + params["positions"]
        for layer in params["layers"]:
            normed = layer_norm(layer["norm"], hidden)
            hidden = hidden + _attention(layer["attention"], normed, normed, heads, False)
            hidden = _feed(layer, hidden)
        return dense(params["head"], layer_norm(params["norm"], hidden)[:, 0])

    return apply, params, (_leaf(1, size, size, 3),)


def _feed(layer: Any, hidden: Any) -> Any:
    inside = jax.nn.gelu(dense(layer["up"], layer_norm(layer["last_norm"], hidden)))
    return hidden + dense(layer["down"], inside)


def translator(layers: int, width: int, heads: int, inner: int, length: int, vocab: int) -> Network:
    """An encoder-decoder with tied embeddings; M2M100-418M is `(12, 1024, 16, 4096, L, 128112)`."""
    pair = {"scale": _leaf(width), "bias": _leaf(width)}
    params = {
        "words": _leaf(vocab, width),
        "encoder": [_layer_shapes(width, inner) for _ in range(layers)],
        "decoder": [_layer_shapes(width, inner, cross=True) for _ in range(layers)],
        "encoder_norm": pair,
        "decoder_norm": pair,
    }

    def apply(params: Any, source: Any, target: Any) -> Any:
        places = np.arange(length)[:, None] / 10000 ** (np.arange(width) / width)
        positions = jnp.sin(jnp.asarray(places, jnp.float32))
        memory = params["words"][source] * np.sqrt(width) + positions
        for layer in params["encoder"]:
            normed = layer_norm(layer["norm"], memory)
            memory = memory + _attention(layer["attention"], normed, normed, heads, False)
            memory = _feed(layer, memory)
        memory = layer_norm(params["encoder_norm"], memory)
        hidden = params["words"][target] * np.sqrt(width) + positions
        for layer in params["decoder"]:
            normed = layer_norm(layer["norm"], hidden)
            hidden = hidden + _attention(layer["attention"], normed, normed, heads, True)
            normed = layer_norm(layer["cross_norm"], hidden)
            hidden = hidden + _attention(layer["cross"], normed, memory, heads, False)
            hidden = _feed(layer, hidden)
        return layer_norm(params["decoder_norm"], hidden) @ params["words"].T

    tokens = jax.ShapeDtypeStruct((1, length), np.int32)
    return apply, params, (tokens, tokens)
