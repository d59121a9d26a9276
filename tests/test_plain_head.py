"""Heads and moments as other libraries write them: found, and as good as our own."""

from dataclasses import replace
from itertools import pairwise

import equinox as eqx
import flax.linen as linen
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import close, kept_of, random_masks
from flax import nnx
from problem import ENVIRONMENTS, SETTINGS, SHAPE, TASKS, drawn, make_data
from zoo import eqx as zoo

from sosjax import (
    Head,
    InputError,
    Jat,
    Recovery,
    export,
    load_network,
    load_stablehlo,
    recover,
    search,
    shrink,
)
from sosjax._tree import named_leaves, with_leaves
from sosjax.graph._normalisation import found_statistics
from sosjax.graph._trace import trace_program

SIZES = (64, 9, 7, 6)


def plain_apply(params, inputs):
    """Three layers, BatchNorm after the first."""
    hidden = inputs.reshape(len(inputs), -1) @ params["first"]["kernel"] + params["first"]["bias"]
    norm = params["norm"]
    hidden = (hidden - norm["mean"]) / jnp.sqrt(norm["var"] + 1e-5) * norm["scale"] + norm["bias"]
    hidden = jax.nn.relu(hidden) @ params["second"]["kernel"] + params["second"]["bias"]
    hidden = jax.nn.relu(hidden)
    return hidden @ params["head"]["kernel"] + params["head"]["bias"]


def plain(**options):
    layers = {"first": SIZES[:2], "second": SIZES[1:3], "head": SIZES[2:]}
    shapes = {
        name: {"kernel": jax.ShapeDtypeStruct(pair, jnp.float32)} for name, pair in layers.items()
    }
    for name, pair in layers.items():
        shapes[name]["bias"] = jax.ShapeDtypeStruct(pair[1:], jnp.float32)
    vector = jax.ShapeDtypeStruct(SIZES[1:2], jnp.float32)
    shapes["norm"] = dict.fromkeys(("mean", "var", "scale", "bias"), vector)
    params = drawn(shapes, 3)
    head = Head("head/kernel", "head/bias")
    return Jat(plain_apply, params, input_shape=SHAPE, head=head, name="plain", **options)


class Layers(eqx.Module):
    """The same in equinox, for one example."""

    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    second: eqx.nn.Linear
    head: eqx.nn.Linear

    def __init__(self, key, mode="ema"):
        self.first, self.second, self.head = (
            eqx.nn.Linear(*pair, key=key) for pair in pairwise(SIZES)
        )
        self.norm = eqx.nn.BatchNorm(SIZES[1], "batch", mode=mode)

    def __call__(self, image, state):
        hidden, state = self.norm(self.first(image.ravel()), state)
        return self.head(jax.nn.relu(self.second(jax.nn.relu(hidden))))


PLACES = {
    "0/first/weight": "first/kernel",
    "0/first/bias": "first/bias",
    "0/norm/weight": "norm/scale",
    "0/norm/bias": "norm/bias",
    "0/second/weight": "second/kernel",
    "0/second/bias": "second/bias",
    "0/head/weight": "head/kernel",
    "0/head/bias": "head/bias",
    "1/1/0": "norm/mean",
    "1/1/1": "norm/var",
}


def turned(mode="ema"):
    """Return the equinox network with the plain one's weights."""
    model, state = eqx.nn.make_with_state(Layers)(jax.random.key(0), mode)
    params, static = eqx.partition((eqx.nn.inference_mode(model), state), eqx.is_array)
    known = named_leaves(plain().params)
    leaves = {
        name: known[PLACES[name]].T if name in PLACES else leaf
        for name, leaf in named_leaves(params).items()
    }

    def apply(params, images):
        model, state = eqx.combine(params, static)
        return jax.vmap(model, in_axes=(0, None), axis_name="batch")(images, state)

    return apply, with_leaves(params, leaves)


def equinox_jat(head="last", mode="ema"):
    apply, params = turned(mode)
    return Jat(apply, params, input_shape=SHAPE, head=head, name="equinox")


@pytest.mark.parametrize("name", ["mlp", "convolutional", "transformer"])
def test_the_last_layer_of_equinox_is_found(name):
    network = getattr(zoo, name)()
    (inputs,) = network.inputs(4)
    wanted = network.apply(jax.tree.map(jnp.asarray, network.params), inputs)
    about = {"vocabulary": 11} if inputs.dtype == jnp.int32 else {}
    jat = Jat(
        network.apply,
        network.params,
        input_shape=inputs.shape[1:],
        input_dtype=inputs.dtype,
        head="last",
        **about,
    )
    leaves = named_leaves(jat.params)
    kernel, bias = leaves[jat.graph.head.kernel], leaves[jat.graph.head.bias]
    assert kernel.shape[1:] == bias.shape == wanted.shape[1:]
    full = [np.ones(size, bool) for size in jat.graph.sizes]
    features, moments = jat.graph.features(jat.params, inputs, full, False)
    assert features.shape == (4, len(kernel)) and moments == {}
    close(features @ kernel + bias, wanted)
    masks = random_masks(jat.graph.sizes, 0)
    small = jat.graph.shrink(jat.params, masks)
    close(jat.graph.logits(jat.params, inputs, masks), small.apply(small.params, inputs))


def test_a_turned_head_is_named_as_well_as_found():
    named = equinox_jat(Head("0/head/weight", "0/head/bias"))
    assert named.graph.head == equinox_jat().graph.head
    assert named_leaves(named.params)["0/head/weight"].shape == SIZES[2:]
    pair = named.graph.statistics[0]
    assert (pair.mean, pair.variance) == ("1/1/0", "1/1/1")


def test_a_square_head_is_told_by_what_it_sums_over():
    params = {"up": np.ones((3, 4), np.float32), "bias": np.zeros(4, np.float32)}
    params["head"] = np.arange(16, dtype=np.float32).reshape(4, 4)

    def apply(params, inputs):
        return jax.nn.relu(inputs @ params["up"]) @ params["head"].T + params["bias"]

    jat = Jat(apply, params, input_shape=(3,), head="last")
    np.testing.assert_array_equal(jat.params["head"], params["head"].T)
    inputs = np.ones((2, 3), np.float32)
    close(jat.graph.graph.apply(jat.params, inputs), apply(params, inputs))


@pytest.mark.parametrize(
    ("change", "last"),
    [(jax.nn.softmax, "div"), (lambda logits: logits * 2, "mul"), (jnp.transpose, "add")],
)
def test_a_network_without_a_last_layer_is_refused(change, last):
    jat = plain()
    with pytest.raises(InputError) as refusal:
        Jat(
            lambda params, inputs: change(plain_apply(params, inputs)),
            jat.params,
            input_shape=SHAPE,
            head="last",
        )
    wanted = (
        "`head` 'last' must be there to be found: the network must end in features times a leaf "
        f"plus a leaf, got '{last}' last."
    )
    if change is jnp.transpose:  # found, but examples must come first
        wanted = "`apply` must return logits of shape [B, 6], got [6, 2] for B = 2."
    assert str(refusal.value) == wanted


def test_another_word_than_last_is_refused():
    params = plain().params
    with pytest.raises(InputError) as refusal:
        Jat(plain_apply, params, input_shape=SHAPE, head="first")
    assert str(refusal.value) == "`head` must be a Head, 'last' or None, got 'first'."


@pytest.mark.parametrize("fitness", ["raw", "recalibrated", "compensated"])
def test_a_search_finds_the_same_as_in_the_plain_network(fitness):
    settings = replace(SETTINGS, fitness=fitness)
    one, other = (
        search(jat, make_data(), TASKS, ENVIRONMENTS, settings) for jat in (plain(), equinox_jat())
    )
    # A mask of one group of each network is that of the other: groups come in order of the trace.
    for ours, theirs in zip(one.tasks, other.tasks, strict=True):
        assert [kept_of(member.masks).tolist() for member in ours.members] == [
            kept_of(member.masks).tolist() for member in theirs.members
        ]
        for own, their in zip(ours.members, theirs.members, strict=True):
            assert own.scores.parameters == their.scores.parameters
            assert own.scores.flops == their.scores.flops
            assert own.scores.test_error == pytest.approx(their.scores.test_error, abs=0.04)


@pytest.mark.parametrize("mode", ["ema", "batch"])
def test_a_network_of_equinox_is_recovered_exported_and_loaded_again(mode, tmp_path):
    """With all of equinox's state among its arrays: a truth value, or a count."""
    jat = equinox_jat(mode=mode)
    sets = search(jat, make_data(), TASKS, ENVIRONMENTS, SETTINGS)
    recovery = Recovery(epochs=2, rounds=0, batch=16)
    member = recover(jat, sets, make_data(), TASKS, recovery).tasks[0].members[0]
    kinds = {name: leaf.dtype for name, leaf in named_leaves(jat.params).items()}
    assert {name: leaf.dtype for name, leaf in member.weights.items()}.items() <= kinds.items()
    certificate = export(jat, member, tmp_path / "out")
    assert certificate.holds
    # The count makes float32 of what is divided by it, which later layers do not take as bfloat16.
    assert ("bfloat16" in certificate.skipped) == ("bfloat16" not in certificate.shrunk)
    inputs = make_data().test.inputs[:5]
    wanted = shrink(jat, member)(inputs)
    loaded = load_network(tmp_path / "out", jat)
    assert jax.tree.structure(loaded.params) == jax.tree.structure(jat.params)
    close(loaded(inputs), wanted)
    close(load_stablehlo(tmp_path / "out")(inputs), wanted)


# Moments.


class Flax(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(1, 3, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(3, use_running_average=True, rngs=rngs)

    def __call__(self, inputs):
        return self.norm(self.conv(inputs))


def of_nnx():
    definition, state = nnx.split(Flax())
    return lambda params, x: nnx.merge(definition, params)(x), nnx.to_pure_dict(state)


def of_linen():
    network = linen.Sequential([linen.Dense(5), linen.BatchNorm(use_running_average=True)])
    params = network.init(jax.random.key(0), jnp.ones((1, 8, 8, 1)))
    return network.apply, params


def of_haiku():
    def forward(inputs, training):
        return hk.BatchNorm(True, True, 0.9)(hk.Linear(5)(inputs), is_training=training)

    network = hk.without_apply_rng(hk.transform_with_state(forward))
    params = network.init(jax.random.key(0), jnp.ones((1, 8, 8, 1)), True)
    return lambda params, x: network.apply(*params, x, False)[0], params


def scaled_first(params, x):
    return params["g"] * (x - params["m"]) * jax.lax.rsqrt(jnp.maximum(params["v"], 1e-3))


def of_layer_norm():
    network = linen.LayerNorm()
    return network.apply, network.init(jax.random.key(0), jnp.ones((1, 8, 8, 1)))


def of_three(apply):
    return apply, {name: np.ones(1, np.float32) for name in "gmv"}


@pytest.mark.parametrize(
    ("network", "pairs"),
    [
        (of_nnx(), [("norm/mean", "norm/var")]),
        (of_linen(), [("batch_stats/layers_1/mean", "batch_stats/layers_1/var")]),
        (of_haiku(), []),  # its moments are [1, 1, 1, channels]
        (of_three(scaled_first), [("m", "v")]),
        (of_three(lambda params, x: (x - params["m"]) / jnp.sqrt(params["v"] + 1)), [("m", "v")]),
        (of_three(lambda params, x: (x - params["m"]) * params["v"]), []),
        (of_three(lambda params, x: x / jnp.sqrt(params["v"] + 1)), []),
        (of_layer_norm(), []),
    ],
)
def test_moments_are_found(network, pairs):
    apply, params = network
    program = trace_program(apply, params, [jnp.ones((2, 8, 8, 1))])
    found = [(pair.mean, pair.variance) for pair in found_statistics(program)]
    assert found == pairs


@pytest.mark.parametrize("mode", ["ema", "batch"])
@pytest.mark.parametrize("weights", [None, np.array([1, 0, 2, 1, 0], np.float32)])
def test_moments_that_equinox_scales_are_estimated_as_it_reads_them(mode, weights):
    """After training, where the count is no zero."""
    model, state = eqx.nn.make_with_state(Layers)(jax.random.key(0), mode)
    images = make_data().search.inputs[:5]

    def run(model, images, state):
        hidden = jax.vmap(lambda image: model.first(image.ravel()))(images)
        axes = {"in_axes": (0, None), "out_axes": (0, None)}
        return jax.vmap(model.norm, **axes, axis_name="batch")(hidden, state)

    for _ in range(3):
        _, state = run(model, images, state)
    model = eqx.nn.inference_mode(model)
    params, static = eqx.partition((model, state), eqx.is_array)

    def apply(params, images):
        model, state = eqx.combine(params, static)
        hidden, _ = run(model, images, state)
        return jax.vmap(model.head)(jax.nn.relu(jax.vmap(model.second)(jax.nn.relu(hidden))))

    jat = Jat(apply, params, input_shape=SHAPE, head="last")
    full = [np.ones(size, bool) for size in jat.graph.sizes]
    features, moments = jat.graph.features(jat.params, images, full, True, weights)
    hidden = images.reshape(5, -1) @ model.first.weight.T + model.first.bias
    mean = np.average(hidden, 0, weights)
    variance = np.average((hidden - mean) ** 2, 0, weights)
    normal = (hidden - mean) / np.sqrt(variance + model.norm.eps)
    normal = np.maximum(normal * model.norm.weight + model.norm.bias, 0)
    close(features, np.maximum(normal @ model.second.weight.T + model.second.bias, 0))
    leaves = with_leaves(jat.params, named_leaves(jat.params) | moments)
    close(jat.graph.features(leaves, images, full, False)[0], features)


@pytest.mark.parametrize("axis", [0, 1])
def test_weighted_moments_lie_along_the_examples(axis):
    """Under a `vmap` examples may lie along any axis."""

    def apply(params, inputs):
        hidden = inputs @ params["first"]
        hidden = hidden if axis == 0 else hidden.T
        norm = {name: params[name] if axis == 0 else params[name][:, None] for name in "mv"}
        hidden = (hidden - norm["m"]) / jnp.sqrt(norm["v"] + 1e-5)
        hidden = hidden if axis == 0 else hidden.T
        return jax.nn.relu(hidden) @ params["head"] + params["bias"]

    shapes = {"first": (3, 5), "m": (5,), "v": (5,), "head": (5, 2), "bias": (2,)}
    params = drawn({n: jax.ShapeDtypeStruct(s, jnp.float32) for n, s in shapes.items()})
    params["v"] = abs(params["v"])
    jat = Jat(apply, params, input_shape=(3,), head="last")
    assert jat.graph.batched == (axis,)
    inputs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    weights = np.array([1, 0, 2, 1, 0], np.float32)
    _, moments = jat.graph.features(params, inputs, [np.ones(5, bool)], True, weights)
    hidden = inputs @ params["first"]
    mean = np.average(hidden, 0, weights)
    close(moments["m"], mean)
    close(moments["v"], np.average((hidden - mean) ** 2, 0, weights))
