"""Convolutional networks, as plain functions of dictionaries."""

import jax
import jax.numpy as jnp

from ._network import Network, rows, weights
from .layers import (
    conv,
    conv_norm,
    conv_norm_shapes,
    dense,
    dense_shapes,
    layer_norm,
    layer_norm_shapes,
)

relu = jax.nn.relu
IMAGES = rows(8, 8, 3)


def resnet_basic():
    """Basic blocks of two widths, the second with a projection on the skip."""

    def block(params, x, stride=1):
        hidden = relu(conv_norm(params["one"], x, stride))
        hidden = conv_norm(params["two"], hidden)
        skip = conv_norm(params["skip"], x, stride) if "skip" in params else x
        return relu(skip + hidden)

    def apply(params, x):
        x = relu(conv_norm(params["stem"], x))
        x = block(params["deep"], block(params["same"], x))
        x = block(params["wide"], x, 2)
        return dense(params["head"], x.mean((1, 2)))

    def block_shapes(size_in, inner, size_out):
        return {
            "one": conv_norm_shapes(3, size_in, inner),
            "two": conv_norm_shapes(3, inner, size_out),
        }

    shapes = {
        "stem": conv_norm_shapes(3, 3, 6),
        "same": block_shapes(6, 4, 6),
        "deep": block_shapes(6, 5, 6),
        "wide": {**block_shapes(6, 7, 8), "skip": conv_norm_shapes(1, 6, 8)},
        "head": dense_shapes(8, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def resnet_bottleneck():
    """Narrow 3x3 convolutions between 1x1 ones, behind a pooled stem."""

    def block(params, x):
        hidden = relu(conv_norm(params["one"], x))
        hidden = relu(conv_norm(params["two"], hidden))
        return relu(conv_norm(params["three"], hidden) + x)

    def apply(params, x):
        x = relu(conv_norm(params["stem"], x))
        window = (1, 3, 3, 1)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, (1, 2, 2, 1), "SAME")
        x = block(params["second"], block(params["first"], x))
        return dense(params["head"], x.mean((1, 2)))

    def block_shapes(one, two):
        return {
            "one": conv_norm_shapes(1, 8, one),
            "two": conv_norm_shapes(3, one, two),
            "three": conv_norm_shapes(1, two, 8),
        }

    shapes = {
        "stem": conv_norm_shapes(3, 3, 8),
        "first": block_shapes(3, 4),
        "second": block_shapes(5, 6),
        "head": dense_shapes(8, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def mbconv():
    """Inverted bottlenecks: expand, depthwise, squeeze and excite, project."""

    def block(params, x):
        hidden = jax.nn.silu(conv_norm(params["expand"], x))
        hidden = jax.nn.silu(conv_norm(params["depth"], hidden, groups=hidden.shape[-1]))
        squeezed = jax.nn.silu(dense(params["squeeze"], hidden.mean((1, 2), keepdims=True)))
        hidden = hidden * jax.nn.sigmoid(dense(params["excite"], squeezed))
        return conv_norm(params["project"], hidden)

    def apply(params, x):
        x = jax.nn.silu(conv_norm(params["stem"], x, 2))
        x = x + block(params["same"], x)
        x = block(params["wide"], x)
        return dense(params["head"], x.mean((1, 2)))

    def block_shapes(size_in, wide, squeezed, size_out):
        return {
            "expand": conv_norm_shapes(1, size_in, wide),
            "depth": conv_norm_shapes(3, wide, wide, wide),
            "squeeze": dense_shapes(wide, squeezed),
            "excite": dense_shapes(squeezed, wide),
            "project": conv_norm_shapes(1, wide, size_out),
        }

    shapes = {
        "stem": conv_norm_shapes(3, 3, 6),
        "same": block_shapes(6, 10, 3, 6),
        "wide": block_shapes(6, 12, 4, 7),
        "head": dense_shapes(7, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def resnext():
    """A convolution in three groups of four channels in and five out."""

    def apply(params, x):
        x = relu(conv_norm(params["stem"], x, 2))
        hidden = relu(conv_norm(params["one"], x))
        hidden = relu(conv_norm(params["two"], hidden, groups=3))
        x = relu(x + conv_norm(params["three"], hidden))
        return dense(params["head"], x.mean((1, 2)))

    shapes = {
        "stem": conv_norm_shapes(3, 3, 7),
        "one": conv_norm_shapes(1, 7, 12),
        "two": conv_norm_shapes(3, 12, 15, 3),
        "three": conv_norm_shapes(1, 15, 7),
        "head": dense_shapes(7, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def shuffled():
    """A channel shuffle between grouped convolutions, which ties all groups together."""

    def apply(params, x):
        x = relu(conv(params["stem"], x, 2))
        x = conv(params["one"], x, groups=2)
        x = x.reshape(*x.shape[:3], 2, 3).swapaxes(3, 4).reshape(x.shape)
        x = relu(conv(params["two"], x, groups=2))
        return dense(params["head"], x.mean((1, 2)))

    shapes = {
        "stem": (3, 3, 3, 4),
        "one": (3, 3, 2, 6),
        "two": (3, 3, 3, 8),
        "head": dense_shapes(8, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def densenet():
    """Every layer reads the concatenation of all before it."""

    def layer(params, x):
        hidden = relu(conv_norm(params["one"], x))
        return jnp.concatenate([x, relu(conv_norm(params["two"], hidden))], -1)

    def apply(params, x):
        x = relu(conv_norm(params["stem"], x))
        x = layer(params["second"], layer(params["first"], x))
        x = relu(conv_norm(params["transition"], x))
        window = (1, 2, 2, 1)
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID") / 4
        x = layer(params["third"], x)
        return dense(params["head"], x.mean((1, 2)))

    def layer_shapes(size, inner, growth):
        return {
            "one": conv_norm_shapes(1, size, inner),
            "two": conv_norm_shapes(3, inner, growth),
        }

    shapes = {
        "stem": conv_norm_shapes(3, 3, 5),
        "first": layer_shapes(5, 6, 3),
        "second": layer_shapes(8, 7, 4),
        "transition": conv_norm_shapes(1, 12, 8),
        "third": layer_shapes(8, 9, 2),
        "head": dense_shapes(10, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def _upsampled(kernel, x):
    """Convolve between places twice as dense."""
    return jax.lax.conv_transpose(x, kernel, (2, 2), "SAME")


def unet():
    """Down twice and up twice: by a transposed convolution and by pixel shuffle, with skips."""

    def apply(params, x):
        one = relu(conv(params["one"], x))
        two = relu(conv(params["two"], one, 2))
        three = relu(conv(params["three"], two, 2))
        up = relu(_upsampled(params["up"], three))
        four = relu(conv(params["four"], jnp.concatenate([up, two], -1)))
        fine = conv(params["fine"], four)
        batch, height, width, size = fine.shape
        fine = fine.reshape(batch, height, width, 2, 2, size // 4).transpose(0, 1, 3, 2, 4, 5)
        fine = fine.reshape(batch, 2 * height, 2 * width, size // 4)
        return conv(params["out"], jnp.concatenate([fine, one], -1))

    shapes = {
        "one": (3, 3, 3, 4),
        "two": (3, 3, 4, 6),
        "three": (3, 3, 6, 7),
        "up": (2, 2, 7, 5),
        "four": (3, 3, 11, 8),
        "fine": (3, 3, 8, 12),
        "out": (1, 1, 7, 2),
    }
    return Network(apply, weights(shapes), IMAGES)


def resized_unet():
    """A skip added to an upsampled map, which joins both widths."""

    def apply(params, x):
        one = relu(conv(params["one"], x))
        two = relu(conv(params["two"], one, 2))
        up = jax.image.resize(two, (*one.shape[:3], two.shape[-1]), "bilinear")
        near = jax.image.resize(two, (*one.shape[:3], two.shape[-1]), "nearest")
        three = one + relu(conv(params["three"], up)) + conv(params["four"], near)
        return conv(params["out"], three)

    shapes = {
        "one": (3, 3, 3, 4),
        "two": (3, 3, 4, 6),
        "three": (3, 3, 6, 4),
        "four": (1, 1, 6, 4),
        "out": (1, 1, 4, 2),
    }
    return Network(apply, weights(shapes), IMAGES)


def convnext():
    """Depthwise 7x7, layer normalisation, a wide layer and a scale for each channel, twice."""

    def block(params, x):
        hidden = conv(params["depth"], x, groups=6)
        hidden = layer_norm(params["norm"], hidden)
        hidden = jax.nn.gelu(dense(params["up"], hidden))
        return x + params["scale"] * dense(params["down"], hidden)

    def apply(params, x):
        x = layer_norm(params["norm"], conv(params["stem"], x, 2))
        x = block(params["second"], block(params["first"], x))
        return dense(params["head"], x.mean((1, 2)))

    def block_shapes(wide):
        return {
            "depth": (7, 7, 1, 6),
            "norm": layer_norm_shapes(6),
            "up": dense_shapes(6, wide),
            "down": dense_shapes(wide, 6),
            "scale": (6,),
        }

    shapes = {
        "stem": (2, 2, 3, 6),
        "norm": layer_norm_shapes(6),
        "first": block_shapes(9),
        "second": block_shapes(10),
        "head": dense_shapes(6, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def inception():
    """Branches side by side, joined by concatenation, flattened into a dense layer."""

    def apply(params, x):
        window = (1, 3, 3, 1)
        pooled = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, (1, 1, 1, 1), "SAME")
        narrow = relu(conv(params["narrow"], x))
        wide = relu(conv(params["wide2"], relu(conv(params["wide1"], x))))
        passed = conv(params["pooled"], pooled)
        x = jnp.concatenate([narrow, wide, passed], -1)
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 4, 4, 1), (1, 4, 4, 1), "VALID")
        x = relu(dense(params["flat"], x.reshape(x.shape[0], -1)))
        return dense(params["head"], x)

    shapes = {
        "narrow": (1, 1, 3, 2),
        "wide1": (1, 1, 3, 4),
        "wide2": (5, 5, 4, 3),
        "pooled": (1, 1, 3, 5),
        "flat": dense_shapes(2 * 2 * 10, 6),
        "head": dense_shapes(6, 3),
    }
    return Network(apply, weights(shapes), IMAGES)


def wavenet():
    """Dilated causal convolutions in time with gates, skips and a residual trunk."""

    def causal(kernel, x, dilation):
        x = jnp.pad(x, ((0, 0), (dilation, 0), (0, 0)))
        numbers = ("NWC", "WIO", "NWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (1,), "VALID", rhs_dilation=(dilation,), dimension_numbers=numbers
        )

    def block(params, x, dilation):
        gate = jax.nn.sigmoid(causal(params["gate"], x, dilation))
        hidden = jnp.tanh(causal(params["value"], x, dilation)) * gate
        return x + hidden @ params["same"], hidden @ params["skip"]

    def apply(params, x):
        x = x @ params["embed"]
        x, first = block(params["first"], x, 1)
        x, second = block(params["second"], x, 2)
        return jax.nn.relu(first + second) @ params["head"]

    def block_shapes(inner):
        kernels = {"gate": (2, 5, inner), "value": (2, 5, inner)}
        return {**kernels, "same": (inner, 5), "skip": (inner, 4)}

    shapes = {
        "embed": (1, 5),
        "first": block_shapes(6),
        "second": block_shapes(7),
        "head": (4, 2),
    }
    return Network(apply, weights(shapes), rows(6, 1))
