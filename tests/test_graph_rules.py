"""One small network for each primitive: its groups, masked against shrunk, and its costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import assert_good, assert_ones_change_no_bit
from jax import lax, nn
from jax.ad_checkpoint import checkpoint_name
from tiny import Net, built, convolved, first_positive, heads, image, same

from sosjax import trace


def pooled(h, start, function):
    return lax.reduce_window(h, start, function, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")


def attention(h, p, x):
    query, key, value = (heads(part) for part in jnp.split(h, 3, -1))
    weights = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key), -1)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(3, 5, 6)


def library_attention(h, p, x):
    query, key, value = (heads(part) for part in jnp.split(h, 3, -1))
    return nn.dot_product_attention(query, key, value).reshape(3, 5, 6)


def grouped_query_attention(h, p, x):
    query, key, value = jnp.split(h, (12, 18), -1)
    return nn.dot_product_attention(heads(query, 4), heads(key), heads(value)).reshape(3, 5, 12)


def experts(h, p, x):
    return lax.ragged_dot(h.reshape(15, 6), p["experts"], jnp.array([4, 5, 6]))


def squeezed_and_excited(h, p, x):
    return h * nn.sigmoid(nn.relu(h.mean((1, 2), keepdims=True) @ p["a"]) @ p["b"])


def shuffled_to_pixels(h, p, x):
    return h.reshape(2, 6, 6, 2, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 12, 12, 3)


def patches(h, p, x):
    return h.reshape(2, 3, 2, 3, 2, 4).transpose(0, 1, 3, 2, 4, 5).reshape(2, 3, 3, 16)


ELEMENTWISE = {
    "clamp": lambda h: jnp.clip(h, -1, 1) + lax.clamp(-2.0, h, 2.0),
    "complex": lambda h: jnp.abs(h * 1j + h),
    "erf": lax.erf,
    "gelu": nn.gelu,
    "hard_swish": nn.hard_swish,
    "integer_pow": lambda h: h**3,
    "leaky_relu": nn.leaky_relu,
    "rounded": lambda h: jnp.round(h) + jnp.nan_to_num(h),
    "select_n": lambda h: jnp.where((h > 0) & (h < 1), h, -0.5),
    "stop_gradient": lambda h: lax.stop_gradient(h) + lax.optimization_barrier(h),
    "name": lambda h: checkpoint_name(h, "hidden"),
    "bits": lambda h: lax.bitcast_convert_type(lax.bitcast_convert_type(h, jnp.int32), h.dtype),
}
LAYOUTS = {
    "transpose": lambda h: h.swapaxes(1, 2)[:, :, ::2].swapaxes(1, 2),
    "expand and squeeze": lambda h: jnp.expand_dims(h, 2).squeeze(2),
    "broadcast": lambda h: jnp.broadcast_to(h[:, None], (3, 2, 5, 6)),
    "rev": lambda h: h[..., ::-1] * 2,
    "rev of the sequence": lambda h: h[:, ::-1] - h,
    "concatenate with itself": lambda h: jnp.concatenate([h, -h], -1),
    "stack": lambda h: jnp.stack([h, h * h], 1).sum(1),
    "stack last": lambda h: jnp.stack([h, h * h], -1).reshape(3, 5, 12),
    "unstack": lambda h: sum(jnp.unstack(h, axis=1)),
    "tile": lambda h: jnp.tile(h, (1, 1, 2)),
    "repeat": lambda h: jnp.repeat(h, 2, axis=-1),
    "flatten": lambda h: h.reshape(3, 30),
    "pad the sequence": lambda h: jnp.pad(h, ((0, 0), (1, 2), (0, 0))),
    "permute by known indices": lambda h: h[..., np.array([3, 1, 0, 2, 5, 4])],
}
REDUCTIONS = {
    "sum": lambda h: h.sum(1),
    "mean": lambda h: h.mean((0, 1)),
    "prod": lambda h: h.prod(1),
    "max and min": lambda h: h.max(1) - h.min(1),
    "any and all": lambda h: (h > 0).any(1) + (h > -1).all(1).astype(jnp.float32),
    "argmax": lambda h: (h.argmax(1) - h.argmin(1)).astype(jnp.float32),
    "own reduction": lambda h: lax.reduce(h, np.float32(0), lambda a, b: a + b, (1,)),
    "sum of a scalar": lambda h: h * jnp.sum(jnp.float32(2)),
    "softmax": lambda h: nn.softmax(h, 1),
    "logsumexp": lambda h: nn.logsumexp(h, 1),
    "cumsum": lambda h: jnp.cumsum(h, 1) + lax.cumlogsumexp(h, 1, reverse=True),
    "cumprod": lambda h: jnp.cumprod(h, 1) + lax.cummax(h, 1) + lax.cummin(h, 1),
    "sort": lambda h: jnp.sort(h, 1) + jnp.argsort(h, 1).astype(jnp.float32),
    "top k": lambda h: lax.top_k(h.swapaxes(1, 2), 2)[0].swapaxes(1, 2),
    "top k along": lambda h: lax.approx_max_k(h, 2, reduction_dimension=1)[0],
    "quantile": lambda h: jnp.quantile(h, 0.3, axis=1),
    "batch norm in training": lambda h: (h - h.mean((0, 1))) * lax.rsqrt(h.var((0, 1)) + 1e-5),
    "associative scan": lambda h: lax.associative_scan(jnp.add, h, axis=1),
    "fft": lambda h: jnp.fft.irfft(jnp.fft.rfft(h, axis=1) * 2, axis=1),
}
INDEXING = {
    "one position": lambda h: h[:, 0] - h[:, -1],
    "positions": lambda h: h[:, np.array([0, 3])],
    "take": lambda h: jnp.take(h, jnp.array([0, 2]), axis=1),
    "take along": lambda h: jnp.take_along_axis(h, jnp.argsort(h, 1), axis=1),
    "set": lambda h: h.at[:, 0].set(0.0),
    "multiply at": lambda h: h.at[:, jnp.array([0, 2])].mul(2.0),
    "segments": lambda h: jax.ops.segment_sum(h.reshape(15, 6), jnp.arange(15) // 4, 4),
    "iota": lambda h: h * jnp.arange(6),
    "one-hot": lambda h: h * nn.one_hot(jnp.arange(5) % 3, 6),
    "constant": lambda h: h * np.linspace(0, 1, 6, dtype=np.float32),
    "constant matrix": lambda h: h @ jnp.eye(6) + h,
}
OPERANDS = {
    "bfloat16": same(lambda h: (h.astype(jnp.bfloat16) * 2).astype(h.dtype), tolerance=2e-2),
    "bias": Net(lambda h, p, x: h + p["b"], leaves={"b": (6,)}),
    "scalar parameter": Net(lambda h, p, x: h * p["b"], leaves={"b": ()}),
    "axes of size one": Net(lambda h, p, x: lax.mul(h, p["b"]), leaves={"b": (1, 1, 6)}),
    "one gate for all": Net(lambda h, p, x: lax.mul(h, h @ p["b"]), leaves={"b": (6, 1)}),
    "gate": Net(lambda h, p, x: h * (x @ p["b"]), leaves={"b": (4, 6)}),
    "repeated by a parameter": Net(
        lambda h, p, x: jnp.einsum("bscn,cn->bsc", h[..., None] * p["b"], p["c"]),
        (4, 6),
        {"b": (6, 4), "c": (6, 4)},
    ),
    "residual": Net(lambda h, p, x: h + jnp.tanh(h @ p["b"]), leaves={"b": (6, 6)}),
}
MOVED = {
    "merge": Net(lambda h, p, x: h.reshape(3, 5, 6), (2, 3), up=(4, 2, 3)),
    "split": Net(
        lambda h, p, x: jnp.einsum("bshd,hde->bse", heads(h), p["b"]), (2, 3, 5), {"b": (2, 3, 5)}
    ),
    "split in three": Net(
        lambda h, p, x: jnp.einsum("bshdf,hdfe->bse", h.reshape(3, 5, 2, 2, 3), p["b"]),
        (2, 2, 3, 5),
        {"b": (2, 2, 3, 5)},
        up=(4, 12),
    ),
    "split after a merge": Net(
        lambda h, p, x: jnp.einsum("bskd,kde->bse", h.reshape(3, 5, 4, 3), p["b"]),
        (2, 3, 5),
        {"b": (4, 3, 5)},
        up=(4, 2, 6),
    ),
    "rev tied": same(lambda h: h[..., ::-1] + h, sizes=(3,)),
    "roll": same(lambda h: jnp.roll(h, 2, -1), sizes=(2, 4)),
    "concatenate": Net(lambda h, p, x: jnp.concatenate([h, x @ p["b"]], -1), (4, 6), {"b": (4, 4)}),
    "concatenate inputs": Net(lambda h, p, x: jnp.concatenate([h, x], -1)),
    "concatenate tokens": Net(
        lambda h, p, x: jnp.concatenate([h, jnp.broadcast_to(p["b"], (3, 1, 6))], 1),
        leaves={"b": (1, 6)},
    ),
    "split halves": same(nn.glu, sizes=(3,)),
    "split and swap": same(lambda h: jnp.concatenate(jnp.split(h, 2, -1)[::-1], -1), sizes=(3, 3)),
    "split unevenly": same(
        lambda h: jnp.concatenate([jnp.tanh(part) for part in jnp.split(h, (1, 4), -1)], -1),
        sizes=(2, 3),
    ),
    "slice": same(lambda h: h[..., :4], sizes=(4,)),
    "slice with strides": same(
        lambda h: jnp.concatenate([h[..., ::2], h[..., 1::2]], -1), sizes=(3, 3), memory=False
    ),
    "slice of both": same(lambda h: h[..., ::2] * h[..., 1::2], sizes=(3,)),
    "slices that overlap": same(
        lambda h: jnp.concatenate([h[..., :4], h[..., 2:]], -1), sizes=(2, 2, 2)
    ),
    "pad channels": Net(
        lambda h, p, x: jnp.pad(h, ((0, 0), (0, 0), (2, 3))) + x @ p["b"], (5, 6), {"b": (4, 11)}
    ),
    "pad input channels": Net(lambda h, p, x: h + jnp.pad(x, ((0, 0), (0, 0), (1, 1))), (2,)),
    "crop": same(lambda h: lax.pad(h, 0.0, ((0, 0, 0), (0, 0, 0), (-1, 2, 0))), sizes=(5,)),
}
CONTRACTED = {
    "batch axes": Net(
        lambda h, p, x: jnp.einsum("bshd,hde->bshe", h, p["b"]).reshape(3, 5, 10),
        (2, 3, 5),
        {"b": (2, 3, 5)},
        up=(4, 2, 3),
    ),
    "several contracted axes": Net(
        lambda h, p, x: jnp.einsum("bshd,hde->bse", h, p["b"]),
        (2, 3, 5),
        {"b": (2, 3, 5)},
        up=(4, 2, 3),
    ),
    "weight first": Net(
        lambda h, p, x: (p["b"] @ h.swapaxes(1, 2)).swapaxes(1, 2), (5, 6), {"b": (5, 6)}
    ),
    "two weights": Net(
        lambda h, p, x: h + x @ (p["a"] @ p["b"]), (3, 6), {"a": (4, 3), "b": (3, 6)}
    ),
    "two data": same(lambda h: (h @ h.swapaxes(1, 2)) @ h),
    "parameters instead of data": Net(
        lambda h, p, x: h + nn.tanh(p["a"] @ p["b"]) @ p["c"],
        (3, 4, 6),
        {"a": (5, 4), "b": (4, 3), "c": (3, 6)},
    ),
    "tied weights": Net(lambda h, p, x: jnp.tanh(h @ p["up"].T) @ p["up"]),
    "attention": Net(attention, (2, 3, 3), up=(4, 18)),
    "library attention": Net(library_attention, (2, 3, 3), up=(4, 18)),
    "grouped-query attention": Net(grouped_query_attention, (2, 2, 3, 3), up=(4, 24)),
    "ragged dot": Net(experts, (5, 6), {"experts": (3, 6, 5)}),
}
IMAGES = {
    "conv": image(lambda h, p, x: convolved(h, p["b"]), (4, 5), b=(3, 3, 4, 5)),
    "conv of channels first": image(
        lambda h, p, x: convolved(
            h.transpose(0, 3, 1, 2), p["b"], layout=("NCHW", "OIHW", "NCHW")
        ).transpose(0, 2, 3, 1),
        (4, 5),
        b=(5, 4, 3, 3),
    ),
    "dilated conv": image(
        lambda h, p, x: convolved(h, p["b"], rhs_dilation=(2, 2)), (4, 5), b=(3, 3, 4, 5)
    ),
    "transposed conv": image(
        lambda h, p, x: lax.conv_transpose(h, p["b"], (2, 2), "SAME"), (4, 5), b=(3, 3, 4, 5)
    ),
    "transposed kernel": image(
        lambda h, p, x: lax.conv_transpose(h, p["b"], (2, 2), "SAME", transpose_kernel=True),
        (4, 5),
        b=(3, 3, 5, 4),
    ),
    "depthwise conv": image(lambda h, p, x: convolved(h, p["b"], 4), b=(3, 3, 1, 4)),
    "depthwise conv with multiplier": image(
        lambda h, p, x: convolved(h, p["b"], 4), (3, 4), b=(3, 3, 1, 12)
    ),
    # A unit is a whole group, or a place in all groups, in or out.
    "grouped conv": image(lambda h, p, x: convolved(h, p["b"], 2), (2, 3, 5), 6, b=(3, 3, 3, 10)),
    "two grouped convs": image(
        lambda h, p, x: convolved(nn.relu(convolved(h, p["b"], 2)), p["c"], 2),
        (2, 2, 3, 5),
        6,
        b=(3, 3, 3, 10),
        c=(3, 3, 5, 4),
    ),
    "max pooling": image(lambda h, p, x: pooled(h, -np.inf, lax.max)),
    "mean pooling": image(lambda h, p, x: pooled(h, 0.0, lax.add)),
    "global pooling": image(lambda h, p, x: h.mean((1, 2))),
    "squeeze and excite": image(squeezed_and_excited, (2, 4), a=(4, 2), b=(2, 4)),
    "resize": image(lambda h, p, x: jax.image.resize(h, (2, 12, 12, 4), "bilinear")),
    "pixel shuffle": image(shuffled_to_pixels, (3,), 12),
    "patches": image(patches),
}
LOOKUPS = {
    "embedding": Net(lambda h, p, x: p["b"][(x[..., 0] > 0).astype(int)] + h, leaves={"b": (7, 6)}),
    "set to a parameter": Net(lambda h, p, x: h.at[:, 0].set(p["b"]), leaves={"b": (6,)}),
    "add a parameter": Net(lambda h, p, x: h.at[:, 1].add(p["b"]), leaves={"b": (6,)}),
    "max with a parameter": Net(lambda h, p, x: h.at[:, 1].max(p["b"]), leaves={"b": (6,)}),
    "a position each": Net(lambda h, p, x: h[jnp.arange(3), first_positive(x)]),
    "set a position each": Net(
        lambda h, p, x: jax.vmap(lambda row, i: row.at[i].add(p["b"]))(h, first_positive(x)),
        leaves={"b": (6,)},
    ),
    "dynamic slice": Net(lambda h, p, x: lax.dynamic_slice_in_dim(h, first_positive(x)[0], 3, 1)),
    "dynamic slice each": Net(
        lambda h, p, x: jax.vmap(lambda row, i: lax.dynamic_slice_in_dim(row, i, 3))(
            h, first_positive(x)
        )
    ),
    "dynamic update": Net(
        lambda h, p, x: lax.dynamic_update_slice_in_dim(h, h[:, :2] * 2, first_positive(x)[0], 1)
    ),
    "dynamic update each": Net(
        lambda h, p, x: jax.vmap(
            lambda row, i: lax.dynamic_update_slice_in_dim(row, row[:1] * 2, i, 0)
        )(h, first_positive(x))
    ),
}
NETS = {
    **{
        name: same(function)
        for name, function in (ELEMENTWISE | LAYOUTS | REDUCTIONS | INDEXING).items()
    },
    **OPERANDS,
    **MOVED,
    **CONTRACTED,
    **IMAGES,
    **LOOKUPS,
}


@pytest.mark.parametrize("name", NETS)
def test_units_are_found_and_masked_is_shrunk(name):
    net = NETS[name]
    apply, params, inputs = built(net)
    graph = trace(apply, params, *inputs)
    assert tuple(sorted(graph.sizes)) == net.sizes
    assert "no rule is known" not in graph.summary()
    assert_good(graph, params, inputs, net.tolerance, net.memory)


@pytest.mark.parametrize("name", ["select_n", "split", "grouped conv"])
def test_masks_of_ones_change_no_bit(name):
    apply, params, inputs = built(NETS[name])
    assert_ones_change_no_bit(trace(apply, params, *inputs), params, inputs)
