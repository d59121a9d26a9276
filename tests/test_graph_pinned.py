"""What must stay in a network, and the reason that is given."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import assert_good
from jax import lax, nn
from tiny import Net, built, convolved, first_positive, heads, image, same

from sosjax import trace


def shuffled(h):
    return heads(h).swapaxes(-1, -2).reshape(h.shape)


def smoothed(h):
    return jax.vmap(jax.vmap(lambda row: jnp.convolve(row, jnp.ones(3), "same")))(h)


PINNED = {
    "mean": (same(lambda h: h - h.mean(-1, keepdims=True)), "mixed by `reduce_sum`"),
    "layer norm": (same(nn.standardize), "mixed by `reduce_sum`"),
    "softmax": (same(nn.softmax), "mixed by `reduce_max`"),
    "argmax": (same(lambda h: h * h.argmax(-1, keepdims=True)), "mixed by `argmax`"),
    "cumsum": (same(lambda h: jnp.cumsum(h, -1)), "mixed by `cumsum`"),
    "sort": (same(lambda h: jnp.sort(h, -1)), "mixed by `sort`"),
    "top k": (same(lambda h: lax.top_k(h, 2)[0]), "mixed by `top_k`"),
    "top k along": (
        same(lambda h: lax.approx_max_k(h.mT, 2, reduction_dimension=1)[0].mT),
        "mixed by `approx_top_k`",
    ),
    "channel pooling": (
        same(lambda h: lax.reduce_window(h, -np.inf, lax.max, (1, 1, 2), (1, 1, 1), "SAME")),
        "mixed by `reduce_window_max`",
    ),
    "convolution over channels": (same(smoothed), "spatial axis of `conv_general_dilated`"),
    "channel shuffle": (
        image(lambda h, p, x: h + convolved(shuffled(h), p["b"], 2), (), 6, b=(3, 3, 3, 6)),
        "alone",
    ),
    "one column": (same(lambda h: h[..., 2:3]), "no contraction sums over it"),
    "a column by position": (
        Net(lambda h, p, x: h + lax.dynamic_slice_in_dim(h, first_positive(x)[0], 1, 2)),
        "indexed by `dynamic_slice`",
    ),
    "set columns": (same(lambda h: h.at[..., :3].set(0.0)), "indexed by `scatter`"),
    "outer product": (
        same(lambda h: (h[..., :, None] * h[..., None, :]).reshape(3, 5, 36)),
        "irregular pattern",
    ),
    "bytes": (
        same(lambda h: lax.bitcast_convert_type(h, jnp.uint8).sum(-1).astype(h.dtype)),
        "regrouped by `bitcast_convert_type`",
    ),
    "all units tied": (same(lambda h: h + jnp.roll(h, 1, -1)), "alone"),
}


@pytest.mark.parametrize("name", PINNED)
def test_units_that_an_operation_mixes_stay(name):
    net, reason = PINNED[name]
    apply, params, inputs = built(net)
    graph = trace(apply, params, *inputs)
    assert not [group for group in graph.groups if ("up", 1) in group.places]
    assert reason in graph.pinned["up", 1]
    assert_good(graph, params, inputs)


def test_one_column_that_is_used_by_all_stays_and_the_others_go():
    apply, params, inputs = built(same(lambda h: h * h[..., 2:3]))
    graph = trace(apply, params, *inputs)
    assert graph.sizes == (5,)
    assert_good(graph, params, inputs)


LOOKED_UP = {
    "one-hot": lambda params, ids: nn.one_hot(ids, 7) @ params["table"] @ params["down"],
    "gather": lambda params, ids: params["table"][ids] @ params["down"],
}


@pytest.mark.parametrize("name", LOOKED_UP)
def test_a_vocabulary_stays(name):
    params = {"table": jnp.ones((7, 6)), "down": jnp.ones((6, 2))}
    graph = trace(LOOKED_UP[name], params, jnp.arange(3))
    assert [group.places for group in graph.groups] == [(("down", 0), ("table", 1))]
    reason = {"one-hot": "no parameter produces it", "gather": "it is indexed by `gather`"}
    assert reason[name] in graph.pinned["table", 0]


def test_a_parameter_that_nothing_uses_stays():
    apply, params, inputs = built(same(nn.relu))
    graph = trace(apply, params | {"unused": jnp.ones((6, 6))}, *inputs)
    assert graph.sizes == (6,)
    assert graph.pinned["unused", 0] == "no contraction sums over it"


def test_what_is_computed_in_vain_pins_nothing():
    def between(h):
        jnp.sort(h[..., np.arange(6)[::-1]], -1)
        return h

    apply, params, inputs = built(same(between))
    graph = trace(apply, params, *inputs)
    assert graph.sizes == (6,)
    assert_good(graph, params, inputs)


def test_a_unit_alone_stays():
    apply, params, inputs = built(same(lambda h: h, up=(4, 1)))
    graph = trace(apply, params, *inputs)
    assert graph.groups == ()
    assert all("size one" not in reason for reason in graph.pinned.values())
