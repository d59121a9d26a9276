"""What is found in a network, and masked networks against really smaller ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import (
    MLP_SHAPES,
    close,
    drawn_masks,
    mlp_apply,
    random_masks,
    random_params,
    structs,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export

from sosjax import trace
from sosjax._tree import named_leaves, with_leaves


def cut(network, masks):
    """Return the parameters with the removed units really gone, leaf by leaf."""
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(network.params).items()}
    for group, mask in zip(network.graph.groups, masks, strict=False):
        for name, axis in group.places:
            leaves[name] = np.compress(mask, leaves[name], axis)
    full = named_leaves(network.params)
    blocks = zip(network.graph.blocks, masks[len(network.graph.groups) :], strict=False)
    for block, mask in blocks:
        leaves |= {name: full[name][:0] for name in block.leaves if not mask.all()}
    return with_leaves(network.params, leaves)


def shrunk_is_masked(network, masks):
    """Check the shrunk network against the masked one, eagerly."""
    graph = network.graph.graph
    masked = graph.masked(network.params, masks, network.inputs)
    close(graph.shrink(network.params, masks)(network.inputs), masked)


# Groups and blocks.


def test_groups_lie_where_their_units_are(mlp):
    first, up = mlp.graph.groups
    assert (first.name, first.size, first.granularity) == ("first", 5, 1)
    assert set(first.places) == {
        ("first/kernel", 1),
        ("first/bias", 0),
        ("turn", 0),
        ("turn", 1),
        ("up/kernel", 0),
    }
    assert (up.name, up.size) == ("up", 7)
    assert set(up.places) == {("up/kernel", 1), ("up/bias", 0), ("head/kernel", 0)}


def test_groups_of_a_resnet_are_its_trunks_and_inner_channels(tiny_resnet):
    groups = {group.name: group for group in tiny_resnet.graph.groups}
    sizes = {name: group.size for name, group in groups.items()}
    assert sizes == {
        "stages/0/0/conv1": 4,
        "stages/0/0/conv2": 4,
        "stages/1/0/conv1": 6,
        "stages/1/0/conv2": 6,
    }
    inner, trunk = (set(groups[f"stages/1/0/conv{number}"].places) for number in (1, 2))
    assert ("head/kernel", 0) in trunk and ("head/kernel", 0) not in inner
    assert {place for place in trunk if "norm" in place[0]} == {
        *((f"stages/1/0/{norm}/scale", 0) for norm in ("norm2", "project_norm")),
        *((f"stages/1/0/{norm}/bias", 0) for norm in ("norm2", "project_norm")),
        *((f"stages/1/0/{norm}/mean", 0) for norm in ("norm2", "project_norm")),
        *((f"stages/1/0/{norm}/var", 0) for norm in ("norm2", "project_norm")),
    }


def test_residual_branches_of_their_own_parameters_are_blocks(mlp, cnn, tiny_resnet):
    assert [(block.name, block.leaves) for block in mlp.graph.blocks] == [("turn", ("turn",))]
    assert cnn.graph.blocks == ()
    # The second stage's block starts with a projection: without it the trunk would have no width.
    (block,) = tiny_resnet.graph.blocks
    assert block.name == "stages/0/0"
    assert all(leaf.startswith("stages/0/0/") for leaf in block.leaves) and len(block.leaves) == 10


def test_what_cannot_be_cut_says_why(mlp, cnn):
    assert mlp.graph.graph.pinned == {
        ("first/kernel", 0): "it is an axis of the inputs",
        ("head/kernel", 1): "it is an axis of the outputs",
        ("head/bias", 0): "it is an axis of the outputs",
    }
    reason = cnn.graph.graph.pinned["conv2", 0]
    assert reason.startswith("it is a spatial axis of `conv_general_dilated` at conftest.py:")


def test_a_network_is_traced_without_weights():
    example = jax.ShapeDtypeStruct((1, 3), jnp.float32)
    assert trace(mlp_apply, structs(MLP_SHAPES), example).sizes == (5, 7)


def test_a_summary_names_groups_blocks_and_reasons(mlp):
    head, _, columns, first, up, _, blocks, turn, _, pinned, inputs, outputs = (
        mlp.graph.summary().splitlines()
    )
    assert head.startswith("119 parameters, 206 FLOPs, 72 bytes of activations; 12 units in 2 grou")
    assert columns.split() == ["group", "units", "params/unit", "FLOPs/unit", "cuts"]
    # A unit of the first group owns a column, a bias, a row and a column of `turn`, and a row.
    assert first.split()[:4] == ["first", "5", str(3 + 1 + 9 + 7), str(2 * (3 + 9 + 7))]
    assert up.split()[:4] == ["up", "7", str(5 + 1 + 4), str(2 * (5 + 4))]
    cuts = {cell.strip(",") for cell in up.split()[4:]}
    assert cuts == {"head/kernel[0]", "up/bias[0]", "up/kernel[1]"}
    assert blocks.split() == ["block", "(can", "be", "skipped)", "params", "FLOPs", "joined", "at"]
    assert turn.split()[:3] == ["turn", "25", "50"] and "conftest.py:" in turn
    assert pinned.split() == ["not", "cut,", "because", "axes", "where"]
    assert inputs.startswith("it is an axis of the inputs") and "first/kernel[0]" in inputs
    assert outputs.startswith("it is an axis of the outputs") and "head/kernel[1]" in outputs


# Masks.


def test_masks_of_ones_are_the_dense_network(network):
    dense = network.apply(network.params, network.inputs)
    graph = network.graph.graph
    for dtype in (bool, jnp.float32):
        ones = [jnp.ones(size, dtype) for size in graph.sizes]
        close(graph.masked(network.params, ones, network.inputs), dense)
    close(graph.masked(network.params, graph.full(), network.inputs), dense)
    np.testing.assert_array_equal(graph.shrink(network.params, graph.full())(network.inputs), dense)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@settings(max_examples=12)
@given(data=st.data())
def test_a_masked_network_is_the_shrunk_one(name, request, data):
    network = request.getfixturevalue(name)
    shrunk_is_masked(network, drawn_masks(data, network.graph.graph))


@pytest.mark.parametrize(
    "given", [lambda mask: mask.tolist(), lambda mask: mask * 1, jnp.asarray, jnp.float32]
)
def test_masks_may_be_given_in_other_forms(mlp, given):
    graph, masks = mlp.graph.graph, random_masks(mlp.graph.sizes, 4)
    params = jax.tree.map(jnp.copy, mlp.params)
    other = [given(mask) for mask in masks]
    wanted = graph.masked(params, masks, mlp.inputs)
    close(graph.masked(params, other, mlp.inputs), wanted)
    close(graph.shrink(params, other)(mlp.inputs), wanted)
    close(jax.jit(graph.masked)(params, [jnp.asarray(mask) for mask in other], mlp.inputs), wanted)
    bias = np.where(masks[1], params["up"]["bias"], np.inf)
    params["up"]["bias"] = jnp.asarray(bias, jnp.float32)
    if given is not jnp.float32:
        close(graph.masked(params, other, mlp.inputs), wanted)


@pytest.mark.parametrize("skipped", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_masked_resnet_is_the_shrunk_one(tiny_resnet, seed, skipped):
    graph = tiny_resnet.graph.graph
    masks = [*random_masks(graph.sizes, seed), np.array([not skipped])]
    masked = jax.jit(graph.masked)(tiny_resnet.params, masks, tiny_resnet.inputs)
    small = graph.shrink(tiny_resnet.params, masks)
    close(jax.jit(small.apply)(small.params, tiny_resnet.inputs), masked)


def test_one_survivor_in_each_group_of_a_resnet(tiny_resnet):
    graph = tiny_resnet.graph.graph
    masks = [np.arange(size) == size - 1 for size in graph.sizes]
    masked = jax.jit(graph.masked)(tiny_resnet.params, masks, tiny_resnet.inputs)
    small = graph.shrink(tiny_resnet.params, masks)
    close(jax.jit(small.apply)(small.params, tiny_resnet.inputs), masked)


def test_shrinking_cuts_the_same_leaves(network):
    blocks = [np.array([False]) for _ in network.graph.blocks]
    masks = [*random_masks(network.graph.sizes, 3), *blocks]
    wanted = named_leaves(cut(network, masks))
    small = network.graph.graph.shrink(network.params, masks).params
    assert jax.tree.structure(small) == jax.tree.structure(network.params)
    for name, leaf in named_leaves(small).items():
        np.testing.assert_array_equal(leaf, wanted[name])


def test_a_small_mlp_is_the_same_function_of_smaller_arrays(mlp):
    """Where nothing in a function is of a fixed size, it runs on the cut arrays itself."""
    masks = random_masks(mlp.graph.sizes, 3)
    small = mlp.graph.graph.shrink(mlp.params, masks)
    close(small(mlp.inputs), mlp_apply(small.params, mlp.inputs))


def test_a_skipped_block_is_its_trunk_alone(mlp):
    graph = mlp.graph.graph
    masks = [*graph.full()[:2], np.array([False])]
    without = {**mlp.params, "turn": jnp.zeros((5, 5))}
    small = graph.shrink(mlp.params, masks)
    assert small.params["turn"].shape == (0, 5)
    close(small(mlp.inputs), mlp_apply(without, mlp.inputs))
    close(graph.masked(mlp.params, masks, mlp.inputs), mlp_apply(without, mlp.inputs))


@pytest.mark.parametrize("removed", [np.inf, np.nan])
def test_a_removed_unit_may_be_infinite(mlp, removed):
    params = jax.tree.map(jnp.copy, mlp.params)
    params["first"]["bias"] = params["first"]["bias"].at[2].set(removed)
    masks = [np.arange(5) != 2, np.ones(7, bool)]
    assert jnp.isfinite(mlp.graph.graph.masked(params, masks, mlp.inputs)).all()


def test_a_skipped_block_may_be_infinite(mlp):
    params = {**mlp.params, "turn": jnp.full((5, 5), jnp.nan)}
    masks = [*mlp.graph.graph.full()[:2], np.array([False])]
    assert jnp.isfinite(mlp.graph.graph.masked(params, masks, mlp.inputs)).all()


@pytest.mark.parametrize(("mask", "place"), [(0, 2), (1, 3), (2, 0)])
def test_a_masked_network_can_be_differentiated_by_its_masks(mlp, mask, place):
    def total(masks):
        return mlp.graph.graph.masked(mlp.params, masks, mlp.inputs).sum()

    ones = [jnp.ones(size) for size in (5, 7, 1)]
    gradient = jax.grad(total)(ones)[mask][place]
    up, down = (
        [*ones[:mask], ones[mask].at[place].add(step), *ones[mask + 1 :]] for step in (1e-2, -1e-2)
    )
    assert (total(up) - total(down)) / 2e-2 == pytest.approx(float(gradient), rel=0.05, abs=1e-2)


def test_masks_can_be_vmapped(mlp):
    graph = mlp.graph.graph
    several = [random_masks(graph.sizes, seed) for seed in range(4)]
    stacked = [np.stack(column) for column in zip(*several, strict=True)]
    together = jax.vmap(lambda masks: graph.masked(mlp.params, masks, mlp.inputs))(stacked)
    for masks, one in zip(several, together, strict=True):
        close(one, graph.masked(mlp.params, masks, mlp.inputs))


def test_gradients_by_parameters_are_those_of_the_shrunk_network(mlp):
    graph, masks = mlp.graph.graph, random_masks(mlp.graph.sizes, 1)
    small = graph.shrink(mlp.params, masks)
    full = jax.grad(lambda params: graph.masked(params, masks, mlp.inputs).sum())(mlp.params)
    found = jax.grad(lambda params: small.apply(params, mlp.inputs).sum())(small.params)
    for name, leaf in named_leaves(graph.cut(full, masks)).items():
        close(named_leaves(found)[name], leaf)


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_another_batch_size_has_the_same_groups(mlp, batch):
    inputs = jax.random.normal(jax.random.key(3), (batch, 3))
    masks = random_masks(mlp.graph.sizes, 2)
    small = mlp.graph.graph.shrink(mlp.params, masks)
    masked = mlp.graph.graph.masked(mlp.params, masks, inputs)
    assert masked.shape == (batch, 4)
    close(small(inputs), masked)


def test_the_network_exports_for_a_batch_of_any_size(mlp):
    (batch,) = export.symbolic_shape("batch")
    example = jax.ShapeDtypeStruct((batch, 3), jnp.float32)
    graph, masks = mlp.graph.graph, random_masks(mlp.graph.sizes, 2)
    small = graph.shrink(mlp.params, masks)
    for function in (small, lambda inputs: graph.masked(mlp.params, masks, inputs)):
        program = export.deserialize(export.export(jax.jit(function))(example).serialize())
        for inputs in (mlp.inputs, mlp.inputs[:1]):
            close(program.call(inputs), graph.masked(mlp.params, masks, inputs))


def test_a_shrunk_network_can_be_traced_and_shrunk_again(mlp):
    graph = mlp.graph.graph
    small = graph.shrink(mlp.params, [np.arange(5) < 4, np.arange(7) > 1])
    again = trace(small.apply, small.params, mlp.inputs)
    assert [(group.name, group.size) for group in again.groups] == [("first", 4), ("up", 5)]
    smaller = again.shrink(small.params, [np.arange(4) < 2, np.arange(5) > 2])
    wanted = graph.shrink(mlp.params, [np.arange(5) < 2, np.arange(7) > 4])
    close(smaller(mlp.inputs), wanted(mlp.inputs))


# What mixes units keeps them, and says so.

WIDE = {"a": (4, 4), "bias": (4,), "b": (4, 2)}


def between(function):
    def apply(params, inputs):
        return function(inputs @ params["a"] + params["bias"]) @ params["b"]

    return apply


def traced_between(function):
    example = jax.ShapeDtypeStruct((1, 4), jnp.float32)
    return trace(between(function), structs(WIDE), example)


MIXING = {
    "layer norm": lambda x: (x - x.mean(-1, keepdims=True)) / (1 + x.std(-1, keepdims=True)),
    "softmax": jax.nn.softmax,
    "maximum": lambda x: x / (1 + jnp.abs(x).max(-1, keepdims=True)),
    "window": lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2), (1, 1), "SAME"),
    "sort": lambda x: jnp.sort(x, -1),
    "cumsum": lambda x: jnp.cumsum(x, -1),
}


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_units_leaves_no_group(name):
    """A removed unit would still be felt: masked and shrunk would differ."""
    graph = traced_between(MIXING[name])
    assert graph.groups == ()
    assert "test_graph.py" in graph.pinned["a", 1] or "reduce" in graph.pinned["a", 1]
    params = random_params(graph.shapes)
    inputs = jax.random.normal(jax.random.key(0), (3, 4))
    for found in (graph.masked(params, [], inputs), graph.shrink(params, [])(inputs)):
        close(found, between(MIXING[name])(params, inputs))


PASSING = {
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "hard swish": jax.nn.hard_swish,
    "leaky relu": jax.nn.leaky_relu,
    "tanh": jnp.tanh,
    "square": jnp.square,
    "flip": lambda x: x[:, ::-1],
    "gram": lambda x: (x @ x.T) @ x,
}


@pytest.mark.parametrize("name", PASSING)
def test_what_treats_units_alike_leaves_a_group(name):
    graph = traced_between(PASSING[name])
    assert graph.sizes == (4,)
    params = random_params(graph.shapes)
    inputs = jax.random.normal(jax.random.key(0), (3, 4))
    masks = [np.array([True, False, True, True])]
    masked = graph.masked(params, masks, inputs)
    close(graph.shrink(params, masks)(inputs), masked)
    # By hand: the unit's column and bias are zero, and its row is never read.
    row = 1 if name != "flip" else 2
    gone = {
        "a": params["a"].at[:, 1].set(0),
        "bias": params["bias"].at[1].set(0),
        "b": params["b"].at[row].set(0),
    }
    close(masked, between(PASSING[name])(gone, inputs))
