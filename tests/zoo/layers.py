"""The layers that plain functions are made of."""

import jax
import jax.numpy as jnp


def dense(params, x):
    """Return `x @ kernel + bias`."""
    return x @ params["kernel"] + params["bias"]


def dense_shapes(size_in, size_out):
    return {"kernel": (size_in, size_out), "bias": (size_out,)}


def conv(kernel, x, stride=1, groups=1):
    """Convolve [B, H, W, C] with SAME padding."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def batch_norm(params, x):
    """Normalise by the moments among the parameters."""
    scaled = (x - params["mean"]) * jax.lax.rsqrt(params["var"] + 1e-5)
    return scaled * params["scale"] + params["bias"]


def norm_shapes(size):
    return dict.fromkeys(("mean", "var", "scale", "bias"), (size,))


def conv_norm(params, x, stride=1, groups=1):
    return batch_norm(params["norm"], conv(params["kernel"], x, stride, groups))


def conv_norm_shapes(window, size_in, size_out, groups=1):
    return {
        "kernel": (window, window, size_in // groups, size_out),
        "norm": norm_shapes(size_out),
    }


def layer_norm(params, x):
    """Normalise over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return scaled * params["scale"] + params["bias"]


def layer_norm_shapes(size):
    return {"scale": (size,), "bias": (size,)}


def attend(q, k, v, mask=None):
    """Attend with [B, S, heads, size]."""
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = jnp.where(mask, scores, -1e9)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1), v)
