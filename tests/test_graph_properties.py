"""Random small networks: whatever they are made of, masked is shrunk and costs are counted."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from agreement import (
    assert_close,
    assert_good,
    assert_ones_change_no_bit,
    examples,
    narrowed_outputs,
    one_survivor,
    random_masks,
)
from hypothesis import given
from hypothesis import strategies as st
from jax import lax, nn

from sosjax import trace
from sosjax._tree import named_leaves

# A network is a list of (operation, which of the values so far, a number for its details); values
# are [B, S, C]. It makes its parameters when it first runs.


@dataclass
class Maker:
    """Parameters by the order of their use: shapes are noted while `given` is empty."""

    given: dict[str, Any]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __call__(self, *shape):
        name = f"p{len(self.shapes):02d}"
        self.shapes[name] = shape
        return self.given.get(name, jnp.zeros(shape))


def dense(make, h, width):
    return h @ make(h.shape[-1], width) + make(width)


def fitted(make, h, width):
    return h if h.shape[-1] == width else dense(make, h, width)


def even(make, h):
    return fitted(make, h, h.shape[-1] + h.shape[-1] % 2)


def normalised(h, axes):
    return (h - h.mean(axes, keepdims=True)) * lax.rsqrt(h.var(axes, keepdims=True) + 0.1)


def convolved(make, h, width, groups=1):
    kernel = make(3, h.shape[-1] // groups, width)
    numbers = {"dimension_numbers": ("NHC", "HIO", "NHC"), "feature_group_count": groups}
    return lax.conv_general_dilated(h, kernel, (1,), "SAME", **numbers)


def attention(make, h, n):
    """Fused queries, keys and values of two heads, in one of three layouts."""
    shape, order = (((3, 2, 3), "khd"), ((2, 3, 3), "hkd"), ((2, 3, 3), "hdk"))[n % 3]
    fused = dense(make, h, 18).reshape(*h.shape[:2], *shape)
    query, key, value = jnp.einsum(f"bs{order}->kbshd", fused)
    weights = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key) / 2, -1)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights, value)
    return dense(make, mixed.reshape(*h.shape[:2], 6), h.shape[-1])


def recurrent(make, h, n):
    turn = make(h.shape[-1], h.shape[-1])

    def step(carry, row):
        carry = jnp.tanh(row + carry @ turn)
        return carry, carry

    rows = h.swapaxes(0, 1)
    return lax.scan(step, rows[0] * 0, rows, reverse=n % 2 == 0)[1].swapaxes(0, 1)


def stacked(make, h, n):
    kernels = make(2, h.shape[-1], 3), make(2, 3, h.shape[-1])
    step = lambda carry, ws: (carry + nn.softplus(carry @ ws[0]) @ ws[1], None)  # noqa: E731
    return lax.scan(step, h, kernels)[0]


def branched(make, h, n):
    kernel = make(h.shape[-1], h.shape[-1])
    return lax.cond(n % 2 == 0, lambda c: jnp.tanh(c @ kernel), lambda c: c * 2, h)


def per_head(make, h, n):
    h = even(make, h)
    parts = h.reshape(*h.shape[:2], 2, -1)
    return jnp.einsum("bshd,hde->bshe", parts, make(2, parts.shape[-1], 3)).reshape(*h.shape[:2], 6)


def excited(make, h, n):
    return h * nn.sigmoid(
        dense(make, nn.relu(dense(make, h.mean(1, keepdims=True), 3)), h.shape[-1])
    )


def swapped_halves(make, h, n):
    return jnp.concatenate(jnp.split(h, [1 + n % max(1, h.shape[-1] - 1)], -1)[::-1], -1)


def over_heads(make, h, n):
    """Go over the places of each head, or over the heads at each place."""
    h = even(make, h)
    return normalised(h.reshape(*h.shape[:2], 2, -1), 2 + n % 2).reshape(h.shape)


def rotated(make, h, n):
    first, second = jnp.split(fitted(make, h, 2 * max(2, h.shape[-1] // 2)), 2, -1)
    angles = jnp.arange(h.shape[1])[:, None] / (1.0 + jnp.arange(first.shape[-1]))
    cos, sin = jnp.cos(angles), jnp.sin(angles)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


def latents(make, h, n):
    """Queries that are parameters, and what they find in the mean."""
    queries = make(3, 5) @ make(5, 4)
    weights = nn.softmax(jnp.einsum("qd,bsd->bqs", queries, dense(make, h, 4)), -1)
    return h + (weights @ h).mean(1, keepdims=True)


def until(turn, h):
    step = lambda pair: (pair[0] + 1, jnp.tanh(pair[1] @ turn))  # noqa: E731
    return lax.while_loop(lambda pair: pair[0] < 2, step, (0, h))[1]


ONE = {
    "dense": lambda make, h, n: dense(make, h, 2 + n % 5),
    "hidden": lambda make, h, n: dense(make, nn.relu(dense(make, h, 2 + n % 5)), h.shape[-1]),
    "residual": lambda make, h, n: h + dense(make, nn.gelu(dense(make, h, 4)), h.shape[-1]),
    "relu": lambda make, h, n: nn.relu(h),
    "softplus": lambda make, h, n: nn.softplus(h),
    "scale": lambda make, h, n: h * make(h.shape[-1]),
    "positions": lambda make, h, n: h + make(*h.shape[1:]),
    "weight first": lambda make, h, n: (make(3, h.shape[-1]) @ h.swapaxes(1, 2)).swapaxes(1, 2),
    "convolution": lambda make, h, n: convolved(make, h, 2 + n % 3),
    "depthwise": lambda make, h, n: convolved(make, h, h.shape[-1] * (1 + n % 2), h.shape[-1]),
    "grouped": lambda make, h, n: convolved(make, even(make, h), 2 * (1 + n % 3), 2),
    "attention": attention,
    "recurrent": recurrent,
    "stacked": stacked,
    "branched": branched,
    "per head": per_head,
    "over heads": over_heads,
    "excited": excited,
    "gated": lambda make, h, n: nn.glu(fitted(make, h, 2 * max(2, h.shape[-1] // 2))),
    "rotated": rotated,
    "latents": latents,
    "low rank": lambda make, h, n: h + h @ (make(h.shape[-1], 2) @ make(2, h.shape[-1])),
    "merge": lambda make, h, n: jnp.einsum("bsc,chd->bshd", h, make(h.shape[-1], 2, 3)).reshape(
        *h.shape[:2], 6
    ),
    "three axes": lambda make, h, n: (
        nn.relu(dense(make, h, 12).reshape(*h.shape[:2], *((2, 3, 2), (3, 2, 2))[n % 2]))
        .mean(2 + n % 3)
        .reshape(*h.shape[:2], -1)
    ),
    "lookup": lambda make, h, n: h + make(3, h.shape[-1])[np.arange(h.shape[1]) % 3],
    "take along": lambda make, h, n: jnp.take_along_axis(h, jnp.argsort(h, 1), 1),
    "dynamic": lambda make, h, n: lax.dynamic_update_slice_in_dim(
        h, lax.dynamic_slice_in_dim(h, n % 3, 2, 1) * 2, 1, 1
    ),
    "until": lambda make, h, n: until(make(h.shape[-1], h.shape[-1]), h),
    "norm of a gate": lambda make, h, n: h * normalised(h, -1)[..., :1],
    "over both": lambda make, h, n: (
        jnp.einsum("bsc,scd->bd", h, make(*h.shape[1:], 3))[:, None] + fitted(make, h, 3)
    ),
    "one head": lambda make, h, n: even(make, h).reshape(*h.shape[:2], 2, -1)[:, :, n % 2],
    "every head": lambda make, h, n: sum(
        jnp.unstack(even(make, h).reshape(*h.shape[:2], 2, -1), axis=2 + n % 2)
    ),
    "swapped halves": swapped_halves,
    "slice": lambda make, h, n: h[..., : max(2, h.shape[-1] - n % 3)],
    "odd slice": lambda make, h, n: jnp.concatenate([h[..., ::2], h[..., 1::2]], -1),
    "pad": lambda make, h, n: jnp.pad(h, ((0, 0), (0, 0), (n % 2, n % 3))),
    "crop": lambda make, h, n: lax.pad(
        h, jnp.zeros((), h.dtype), ((0, 0, 0), (0, 0, 0), (n % 3, -1, 0))
    ),
    "flip": lambda make, h, n: h[..., ::-1],
    "roll": lambda make, h, n: jnp.roll(h, n, -1),
    "permute": lambda make, h, n: h[..., np.random.default_rng(n).permutation(h.shape[-1])],
    "tile": lambda make, h, n: jnp.tile(h, (1, 1, 2)),
    "repeat": lambda make, h, n: jnp.repeat(h, 2, -1),
    "pool": lambda make, h, n: lax.reduce_window(h, -np.inf, lax.max, (1, 2, 1), (1, 1, 1), "SAME"),
    "cumsum": lambda make, h, n: jnp.cumsum(h, 1) / 4,
    "iota": lambda make, h, n: h * jnp.arange(1, 1 + h.shape[-1]),
    "set": lambda make, h, n: h.at[:, n % 3].set(make(h.shape[-1])),
    "batch norm": lambda make, h, n: normalised(h, (0, 1)),
    "layer norm": lambda make, h, n: normalised(h, -1),
    "checkpoint": lambda make, h, n: jax.checkpoint(jnp.tanh)(h),
}
TWO = {
    "add": lambda make, h, g: h + fitted(make, g, h.shape[-1]),
    "multiply": lambda make, h, g: h * jnp.tanh(fitted(make, g, h.shape[-1])),
    "concatenate": lambda make, h, g: jnp.concatenate([h, g], -1),
    "attend": lambda make, h, g: nn.softmax(h @ fitted(make, g, h.shape[-1]).mT, -1) @ g,
    "stack": lambda make, h, g: jnp.stack([h, fitted(make, g, h.shape[-1])], 1).sum(1),
}


def apply_of(plan):
    """Return `apply(params, x)` and the shapes of the parameters."""

    def apply(params, x, shapes=None):
        make = Maker(params, {} if shapes is None else shapes)
        values = [dense(make, x, 4)]
        for name, first, second, n in plan:
            h, g = values[-1 - min(first // 4, len(values) - 1)], values[second % len(values)]
            values.append(TWO[name](make, h, g) if name in TWO else ONE[name](make, h, n))
        return dense(make, jnp.concatenate([values[-1], values[-2]], -1).mean(1), 3)

    shapes = {}
    jax.eval_shape(lambda x: apply({}, x, shapes), jnp.zeros((2, 4, 3)))
    return apply, shapes


SIZES = st.integers(0, 5)
STEP = st.tuples(st.sampled_from([*ONE, *TWO]), SIZES, SIZES, SIZES)
PLANS = st.lists(STEP, min_size=1, max_size=6)


def built(plan):
    """Return the network's function, its parameters and inputs, in double precision."""
    apply, shapes = apply_of(plan)
    rng = np.random.default_rng(0)
    params = {
        name: rng.normal(size=shape) / np.sqrt(shape[0] if shape else 1)
        for name, shape in shapes.items()
    }
    return apply, params, (rng.normal(size=(2, 4, 3)),)


@examples(15)
@given(plan=PLANS, seed=st.integers(0, 99))
def test_masked_is_shrunk_and_costs_are_counted(plan, seed):
    with jax.enable_x64(True):
        apply, params, inputs = built(plan)
        graph = trace(apply, params, *inputs)
        choices = (random_masks(graph, seed), one_survivor(graph, seed))
        assert_good(graph, params, inputs, 1e-9, choices=choices)
        for masks in choices:
            blocks = [np.ones(1, bool) for _ in graph.blocks]
            small = graph.shrink(params, [*masks[: len(graph.groups)], *blocks])
            assert all(0 not in leaf.shape for leaf in named_leaves(small.params).values())


@examples(15)
@given(plan=PLANS, seed=st.integers(0, 99))
def test_what_is_removed_need_not_be_computed(plan, seed):
    with jax.enable_x64(True):
        apply, params, inputs = built(plan)
        graph = trace(apply, params, *inputs)
        narrow = jax.jit(lambda *given: narrowed_outputs(graph, *given))
        for masks in (graph.full(), random_masks(graph, seed), one_survivor(graph, seed)):
            assert_close(narrow(params, masks, *inputs), graph.masked(params, masks, *inputs), 1e-9)


@examples(8)
@given(plan=PLANS)
def test_masks_of_ones_change_no_bit(plan):
    with jax.enable_x64(True):
        apply, params, inputs = built(plan)
        assert_ones_change_no_bit(trace(apply, params, *inputs), params, inputs)


@examples(20)
@given(plan=PLANS)
def test_groups_are_the_same_in_a_second_trace_and_for_another_batch(plan):
    with jax.enable_x64(True):
        apply, params, (x,) = built(plan)
        first, again, other = (trace(apply, params, row) for row in (x, x, np.tile(x, (3, 1, 1))))
        assert first.groups == again.groups == other.groups
        assert first.blocks == again.blocks == other.blocks
        assert first.pinned == again.pinned
        footprints = {graph.traced(params, (x,)).layout.footprint for graph in (first, other)}
        assert len(footprints) == 1


@examples(10)
@given(plan=PLANS, seed=st.integers(0, 99))
def test_a_shrunk_network_is_shrunk_again_as_at_once(plan, seed):
    with jax.enable_x64(True):
        apply, params, inputs = built(plan)
        graph = trace(apply, params, *inputs)
        masks = random_masks(graph, seed)[: len(graph.groups)]
        for mask in masks:
            # With one unit left an axis is no axis of units any more, and others may be found.
            mask[:2] = True
        small = graph.shrink(params, masks)
        again = trace(small.apply, small.params, *inputs)
        left = [(group.places, mask.sum()) for group, mask in zip(graph.groups, masks, strict=True)]
        assert [(group.places, group.size) for group in again.groups] == left
        smaller = random_masks(again, seed + 1)[: len(again.groups)]
        both = [mask.copy() for mask in masks]
        for mask, fewer in zip(both, smaller, strict=True):
            mask[mask] = fewer
        once, twice = graph.shrink(params, both), again.shrink(small.params, smaller)
        assert_close(twice.params, once.params, 0)
        assert_close(twice(*inputs), once(*inputs), 1e-9)
