"""Loops, branches, own derivatives, random numbers, and primitives without a rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import assert_close, assert_good, random_masks
from jax import lax, nn
from jax.extend import core
from jax.interpreters import mlir
from tiny import Net, built, first_positive, same

from sosjax import trace
from sosjax.graph._rules import RULES, Rule


def recurrent(**options):
    def between(h, p, x):
        def step(carry, row):
            carry = jnp.tanh(row + carry @ p["b"])
            return carry, carry

        last, rows = lax.scan(step, jnp.zeros((3, 6)), h.swapaxes(0, 1), **options)
        return rows.swapaxes(0, 1) + last[:, None]

    return Net(between, leaves={"b": (6, 6)})


def stacked(wrap=lambda layer: layer):
    """Layers whose weights are the rows that a loop goes through."""

    @wrap
    def layer(carry, weights):
        return carry + jnp.tanh(carry @ weights[0]) @ weights[1], None

    def between(h, p, x):
        return lax.scan(layer, h, (p["b"], p["c"]))[0]

    return Net(between, (4, 6), {"b": (2, 6, 4), "c": (2, 4, 6)})


def turned(c, p):
    return jnp.tanh(c @ p["b"])


def until(h, p, x):
    end = 3 + first_positive(x)[0]
    return lax.while_loop(
        lambda pair: pair[0] < end, lambda pair: (pair[0] + 1, turned(pair[1], p)), (0, h)
    )[1]


def branches(h, p, x):
    return lax.cond(
        x[0, 0, 0] > 0, lambda c: turned(c, p) @ p["c"], lambda c: turned(c, p) @ p["c"] * 2, h
    )


def switched(h, p, x):
    functions = [lambda c: turned(c, p), lambda c: c * 2, jnp.zeros_like]
    return lax.switch(first_positive(x)[0], functions, h)


def branch_in_a_loop(h, p, x):
    def step(carry, row):
        weights, bound = row
        return lax.cond(
            x[0, 0, 0] > bound, lambda c: jnp.tanh(c @ weights), lambda c: c, carry
        ), None

    return lax.scan(step, h, (p["b"], jnp.arange(2.0)))[0]


def loop_in_a_loop(h, p, x):
    def step(carry, weights):
        return lax.fori_loop(0, 2, lambda i, c: jnp.tanh(c @ weights), carry), None

    return lax.scan(step, h, p["b"])[0]


def gradient_inside(h, p, x):
    return jax.grad(lambda g: jnp.sum(turned(g, p)))(h)


LOOPS = {
    "scan": recurrent(),
    "scan in reverse": recurrent(reverse=True),
    "unrolled scan": recurrent(unroll=2),
    "scan over parameters": stacked(),
    "scan with checkpoint": stacked(jax.checkpoint),
    "while_loop": Net(until, leaves={"b": (6, 6)}),
    "fori_loop": Net(
        lambda h, p, x: lax.fori_loop(0, 3, lambda i, c: turned(c, p), h), leaves={"b": (6, 6)}
    ),
    "cond": Net(branches, (3, 6, 6), {"b": (6, 3), "c": (3, 6)}),
    "switch": Net(switched, leaves={"b": (6, 6)}),
    "cond in scan": Net(branch_in_a_loop, leaves={"b": (2, 6, 6)}),
    "loop in scan": Net(loop_in_a_loop, leaves={"b": (2, 6, 6)}),
    "map": Net(lambda h, p, x: lax.map(lambda row: turned(row, p), h), (3, 6), {"b": (6, 3)}),
}
CALLS = {
    "vmap": Net(lambda h, p, x: jax.vmap(lambda row: turned(row, p))(h), (3, 6), {"b": (6, 3)}),
    "nested jit": Net(
        lambda h, p, x: jax.jit(lambda c: jax.jit(jnp.tanh)(turned(c, p)))(h), (3, 6), {"b": (6, 3)}
    ),
    "checkpoint": Net(
        lambda h, p, x: jax.checkpoint(lambda c: turned(c, p))(h), (3, 6), {"b": (6, 3)}
    ),
    "gradient": Net(gradient_inside, (3, 6), {"b": (6, 3)}),
    "tangent": Net(
        lambda h, p, x: jax.jvp(lambda c: turned(c, p), (h,), (h * h,))[1], (3, 6), {"b": (6, 3)}
    ),
}


@pytest.mark.parametrize("name", LOOPS | CALLS)
def test_units_go_through_bodies(name):
    net = (LOOPS | CALLS)[name]
    apply, params, inputs = built(net)
    graph = trace(apply, params, *inputs)
    assert tuple(sorted(graph.sizes)) == net.sizes
    assert "no rule is known" not in graph.summary()
    assert_good(graph, params, inputs)


def test_a_loop_that_ends_by_its_units_leaves_no_group():
    def between(h, p, x):
        return lax.while_loop(lambda c: c.max() > 1, lambda c: c @ p["b"] / 9, h)

    apply, params, inputs = built(Net(between, leaves={"b": (6, 6)}))
    graph = trace(apply, params, *inputs)
    assert graph.groups == ()
    assert "mixed by `reduce_max`" in graph.pinned["up", 1]


# Functions with a derivative of their own.


@jax.custom_jvp
def bent(x):
    return jnp.round(x)


@bent.defjvp
def _bent_tangent(primals, tangents):
    return bent(*primals), 3 * tangents[0]


@jax.custom_vjp
def scaled(x, scale):
    """A quantiser: a scale for all units, learned by a sum over them."""
    return jnp.round(x) * scale


scaled.defvjp(
    lambda x, scale: (scaled(x, scale), (x, scale)),
    lambda saved, g: (g * saved[1] * 2, jnp.sum(g * saved[0])),
)


@jax.custom_vjp
def heavy(x, kernel):
    return jnp.tanh(x @ kernel)


heavy.defvjp(
    lambda x, kernel: (heavy(x, kernel), (x, kernel)),
    lambda saved, g: (g @ saved[1].T, jnp.einsum("bsi,bso->io", saved[0], g)),
)

KEPT = {
    "relu": same(nn.relu),
    "relu6": same(nn.relu6),
    "softplus": same(nn.softplus),
    "logaddexp": same(lambda h: jnp.logaddexp(h, -2 * h)),
    "silu": same(nn.silu),
    "custom_jvp": same(bent),
    "custom_jvp in vmap and jit": same(jax.jit(jax.vmap(bent))),
    "custom_jvp in checkpoint": same(jax.checkpoint(bent)),
    "custom_jvp in scan": Net(
        lambda h, p, x: lax.scan(lambda c, b: (bent(c @ b), None), h, p["b"])[0],
        leaves={"b": (2, 6, 6)},
    ),
    "custom_vjp": Net(lambda h, p, x: scaled(h, p["b"]), leaves={"b": ()}),
}


def gradient(apply, params, inputs):
    return jax.jit(jax.grad(lambda params: jnp.sum(apply(params, *inputs) ** 2)))(params)


@pytest.mark.parametrize("name", KEPT)
def test_own_derivatives_of_pointwise_functions_are_kept(name):
    apply, params, inputs = built(KEPT[name])
    graph = trace(apply, params, *inputs)
    assert graph.sizes == (6,)
    assert "custom derivative" not in graph.summary()
    assert_good(graph, params, inputs)
    wanted = gradient(apply, params, inputs)
    assert_close(gradient(graph.shrink(params, graph.full()).apply, params, inputs), wanted)
    masks = random_masks(graph, 1)
    small = graph.shrink(params, masks)
    masked = gradient(lambda params, x: graph.masked(params, masks, x), params, inputs)
    assert_close(gradient(small.apply, small.params, inputs), graph.cut(masked, masks))


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["plain", "in jit"])
def test_the_own_derivative_of_a_contraction_is_not_kept_and_the_summary_says_so(wrap):
    net = Net(lambda h, p, x: wrap(heavy)(h, p["b"]), (3, 6), {"b": (6, 3)})
    apply, params, inputs = built(net)
    graph = trace(apply, params, *inputs)
    assert tuple(sorted(graph.sizes)) == net.sizes
    assert "the custom derivative at test_graph_control.py:" in graph.summary()
    assert_good(graph, params, inputs)


# Random numbers: drawn for the whole network, so that units keep theirs.


def dropped(h, key):
    return jnp.where(jax.random.bernoulli(key, 0.5, h.shape), h * 2, 0)


KEYS = {
    "key": lambda h, key: dropped(h, key),
    "split and folded": lambda h, key: dropped(h, jax.random.fold_in(jax.random.split(key)[1], 3)),
    "noise": lambda h, key: h + jax.random.normal(key, h.shape),
    "a constant key": lambda h, key: dropped(h, jax.random.key(1)),
    "shuffled examples": lambda h, key: jax.random.permutation(key, h),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("make", [jax.random.key, jax.random.PRNGKey], ids=["typed", "raw"])
def test_networks_in_training_mode_draw_the_same_for_what_is_left(name, make):
    def apply(params, x, key):
        return KEYS[name](nn.relu(x @ params["up"]), key) @ params["down"]

    _, params, (x,) = built(same(nn.relu))
    inputs = (x, make(3))
    graph = trace(apply, params, *inputs)
    assert graph.sizes == (6,)
    assert "no rule is known" not in graph.summary()
    # More is drawn than the costs count, and what is drawn is then cut.
    assert_good(graph, params, inputs, memory=False)


def test_a_key_among_the_parameters_is_neither_cut_nor_counted():
    def apply(params, x):
        return dropped(x @ params["up"], params["key"]) @ params["down"]

    _, params, inputs = built(same(nn.relu))
    graph = trace(apply, params | {"key": jax.random.key(2)}, *inputs)
    assert graph.sizes == (6,)
    assert_good(graph, params | {"key": jax.random.key(2)}, inputs, memory=False)


# Inputs of other sizes than the example's.

PERMUTED = same(lambda h: nn.relu(h[..., np.array([3, 1, 0, 2, 5, 4])]))
ANY_BATCH = {
    "permuted": PERMUTED,
    "strided": same(lambda h: jnp.concatenate([h[..., ::2], h[..., 1::2]], -1), sizes=(3, 3)),
    "padded": same(lambda h: jnp.pad(h, ((1, 2), (0, 0), (0, 0)))),
    "tokens in the batch": Net(
        lambda h, p, x: jnp.concatenate([h, p["b"]]), leaves={"b": (2, 5, 6)}
    ),
    "counted": Net(lambda h, p, x: h * jnp.arange(6) + jnp.arange(x.shape[0])[:, None, None]),
}


@pytest.mark.parametrize("name", ANY_BATCH)
def test_a_shrunk_network_is_exported_for_a_batch_of_any_size(name):
    apply, params, (x,) = built(ANY_BATCH[name])
    graph = trace(apply, params, x)
    assert tuple(sorted(graph.sizes)) == ANY_BATCH[name].sizes
    masks = random_masks(graph, 0)
    small = graph.shrink(params, masks)
    rows = jax.ShapeDtypeStruct(jax.export.symbolic_shape("b,5,4"), x.dtype)
    exported = jax.export.export(jax.jit(small.apply))(small.params, rows)
    more = np.concatenate([x, 2 * x])
    assert_close(exported.call(small.params, more), graph.masked(params, masks, more))


def test_a_network_is_traced_anew_while_another_is_traced():
    apply, params, (x,) = built(PERMUTED)
    graph = trace(apply, params, x)
    more = np.concatenate([x, 2 * x])
    masked = jax.jit(lambda params, x: graph.masked(params, graph.full(), x))
    assert_close(masked(params, more), apply(params, more))
    within = jax.jit(lambda x: trace(apply, params, x).masked(params, graph.full(), x))
    assert_close(within(more), apply(params, more))


# Primitives without a rule.

SWAPPED = core.Primitive("swapped_halves")
SWAPPED.def_abstract_eval(lambda aval: aval)
SWAPPED.def_impl(lambda array: jnp.roll(array, array.shape[-1] // 2, -1))
mlir.register_lowering(
    SWAPPED,
    mlir.lower_fun(lambda array: jnp.roll(array, array.shape[-1] // 2, -1), multiple_results=False),
)

UNKNOWN = {
    "swapped_halves": SWAPPED.bind,
    "cholesky": lambda h: h @ jnp.linalg.cholesky(h.mT @ h + 9 * jnp.eye(6)),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_primitive_without_a_rule_is_named_and_pins_only_what_it_touches(name):
    def between(h, p, x):
        return UNKNOWN[name](h) @ p["b"]

    apply, params, inputs = built(Net(between, leaves={"b": (6, 5)}))
    graph = trace(apply, params, *inputs)
    assert graph.sizes == (5,)
    assert f"no rule is known for `{name}`" in graph.pinned["up", 1]
    assert f"no rule is known for `{name}` at test_graph_control.py:" in graph.summary()
    assert_good(graph, params, inputs)


def test_a_rule_for_an_own_primitive_makes_its_group_appear(monkeypatch):
    def relate(relations, equation, reads):
        *others, last = reads[0]
        first, second = np.split(last, 2)
        relations.units.unite(first, second)
        return [(*others, last)]

    monkeypatch.setitem(RULES, "swapped_halves", Rule(relate))
    apply, params, inputs = built(same(SWAPPED.bind))
    graph = trace(apply, params, *inputs)
    # What is swapped must be of one size, so units of both halves go together.
    assert graph.sizes == (3,)
    assert "no rule is known" not in graph.summary()
    assert_good(graph, params, inputs)
