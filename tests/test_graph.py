"""What is found in a network; masked against really smaller networks; costs; the refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import MLP_SHAPES, mlp_apply, random_params, structs
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export

from sosjax import trace
from sosjax._errors import InputError
from sosjax._tree import named_leaves, with_leaves

NETWORKS = ["mlp", "cnn", "tiny_resnet"]


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.getfixturevalue(request.param)


def cut(network, masks):
    """Return the parameters with the removed units really gone, leaf by leaf."""
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(network.params).items()}
    for group, mask in zip(network.graph.groups, masks, strict=False):
        for name, axis in group.places:
            leaves[name] = np.compress(mask, leaves[name], axis)
    full = named_leaves(network.params)
    blocks = zip(network.graph.graph.blocks, masks[len(network.graph.groups) :], strict=False)
    for block, mask in blocks:
        leaves |= {name: full[name][:0] for name in block.leaves if not mask.all()}
    return with_leaves(network.params, leaves)


def drawn_masks(data, graph):
    """Draw masks with at least one unit in each group; often exactly one, or all."""
    masks = []
    for size in graph.sizes:
        one = st.integers(0, size - 1).map(lambda i, size=size: np.arange(size) == i)
        bits = st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)
        masks.append(data.draw(one | st.just(np.ones(size, bool)) | bits.filter(np.any)))
    return masks + [np.array([data.draw(st.booleans())]) for _ in graph.blocks]


def random_masks(sizes, seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random(size) < 0.6 for size in sizes]
    return [mask | (np.arange(len(mask)) == 0) for mask in masks]


def kept_of(masks):
    return np.array([mask.sum() for mask in masks])


def close(one, other):
    scale = float(np.abs(other).max()) + 1e-6
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * scale)


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
        "stage0_block0/conv1": 4,
        "stage0_block0/conv2": 4,
        "stage1_block0/conv1": 6,
        "stage1_block0/conv2": 6,
    }
    inner, trunk = (set(groups[f"stage1_block0/conv{number}"].places) for number in (1, 2))
    assert ("params/head/kernel", 0) in trunk and ("params/head/kernel", 0) not in inner
    assert {place for place in trunk if "norm" in place[0]} == {
        *((f"params/stage1_block0/{norm}/scale", 0) for norm in ("norm2", "project_norm")),
        *((f"params/stage1_block0/{norm}/bias", 0) for norm in ("norm2", "project_norm")),
        *((f"batch_stats/stage1_block0/{norm}/mean", 0) for norm in ("norm2", "project_norm")),
        *((f"batch_stats/stage1_block0/{norm}/var", 0) for norm in ("norm2", "project_norm")),
    }


def test_residual_branches_of_their_own_parameters_are_blocks(mlp, cnn, tiny_resnet):
    assert [(block.name, block.leaves) for block in mlp.graph.graph.blocks] == [("turn", ("turn",))]
    assert cnn.graph.graph.blocks == ()
    # The second stage's block starts with a projection: without it the trunk would have no width.
    (block,) = tiny_resnet.graph.graph.blocks
    assert block.name == "stage0_block0"
    assert all("/stage0_block0/" in leaf for leaf in block.leaves) and len(block.leaves) == 10


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
        mlp.graph.graph.summary().splitlines()
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
    blocks = [np.array([False]) for _ in network.graph.graph.blocks]
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


# Types of parameters.


def test_bfloat16_parameters_run_by_a_graph_traced_in_float32(mlp):
    graph, masks = mlp.graph.graph, random_masks(mlp.graph.sizes, 2)
    params, inputs = jax.tree.map(
        lambda leaf: leaf.astype(jnp.bfloat16), (mlp.params, jnp.asarray(mlp.inputs))
    )
    masked = graph.masked(params, masks, inputs)
    small = graph.shrink(params, masks)
    assert masked.dtype == small(inputs).dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(small.params))
    wanted = graph.masked(mlp.params, masks, mlp.inputs)
    for found in (masked, small(inputs)):
        gap = jnp.abs(found.astype(jnp.float32) - wanted).max()
        assert float(gap) <= 0.05 * float(jnp.abs(wanted).max())


def counted(params, inputs):
    """A layer that reads whole numbers, a random key and a Python number."""
    hidden = jnp.tanh(inputs @ params["up"] * params["scale"])
    hidden = jnp.where(params["counts"] > 2, hidden, -hidden)
    noise = jax.random.normal(params["key"], hidden.shape[-1:])
    return (hidden + noise) @ params["down"]


def counted_params(dtype=jnp.float32):
    rng = np.random.default_rng(0)
    return {
        "up": jnp.asarray(rng.normal(size=(3, 4)), dtype),
        "down": jnp.asarray(rng.normal(size=(4, 2)), dtype),
        "scale": 0.5,
        "counts": jnp.arange(4),
        "key": jax.random.key(0),
    }


def test_integer_and_random_key_leaves_are_cut_but_not_counted(mlp):
    params = counted_params()
    graph = trace(counted, params, mlp.inputs)
    assert [group.places for group in graph.groups] == [(("counts", 0), ("down", 0), ("up", 1))]
    masks = [np.array([True, False, False, True])]
    small = graph.shrink(params, masks)
    assert small.params["counts"].tolist() == [0, 3] and small.params["scale"] == 0.5
    assert small.params["key"] == params["key"]
    close(small(mlp.inputs), graph.masked(params, masks, mlp.inputs))
    # What is drawn for a unit does not depend on the others.
    full = graph.masked(params, graph.full(), mlp.inputs)
    close(full, counted(params, mlp.inputs))
    costs = graph.cost(kept_of(masks))
    assert costs["parameters"] == 3 * 2 + 2 * 2 + 1
    assert costs["bytes"] == 4 * (3 * 2 + 2 * 2 + 1 + 2)


def test_a_python_number_takes_the_type_of_what_it_meets(mlp):
    params = counted_params(jnp.bfloat16)
    inputs = mlp.inputs.astype(jnp.bfloat16)

    def scaled(params, inputs):
        return jnp.tanh(inputs @ params["up"] * params["scale"]) @ params["down"]

    params = {name: params[name] for name in ("up", "down", "scale")}
    graph, mask = trace(scaled, params, inputs), np.arange(4) < 3
    assert scaled(params, inputs).dtype == jnp.bfloat16
    assert graph.masked(params, [mask], inputs).dtype == jnp.bfloat16
    assert graph.shrink(params, [mask])(inputs).dtype == jnp.bfloat16


# What the user says of groups.


def traced_mlp(**rules):
    example = jax.ShapeDtypeStruct((1, 3), jnp.float32)
    return trace(mlp_apply, structs(MLP_SHAPES), example, **rules)


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ({}, ["first", "up"]),
        ({"protect": "turn"}, ["up"]),
        ({"protect": ["first/*"]}, ["up"]),
        ({"protect": "head/*"}, ["first"]),
        ({"protect": "*/kernel"}, []),
        ({"protect": ("turn", "up/bias")}, []),
        ({"protect": "first/bia?"}, ["up"]),
        ({"only": "first/bias"}, ["first"]),
        ({"only": ["turn", "head/kernel"]}, ["first", "up"]),
        ({"only": "head/*"}, ["up"]),
        ({"only": "head/bias"}, []),
        ({"only": ()}, []),
        ({"only": "up/*", "protect": "turn"}, ["up"]),
    ],
)
def test_protect_and_only_choose_groups(rules, names):
    graph = traced_mlp(**rules)
    assert [group.name for group in graph.groups] == names


@pytest.mark.parametrize(
    ("rules", "reasons"),
    [
        ({"protect": "turn"}, {"`protect` names it"}),
        ({"only": "up/bias"}, {"`only` does not name it"}),
    ],
)
def test_what_the_user_keeps_is_a_reason(rules, reasons, mlp):
    graph = traced_mlp(**rules)
    assert {graph.pinned["turn", axis] for axis in (0, 1)} == reasons
    assert all(reason in graph.summary() for reason in reasons)
    masks = [np.arange(7) < 2]
    close(graph.shrink(mlp.params, masks)(mlp.inputs), graph.masked(mlp.params, masks, mlp.inputs))


def test_granularity_is_kept_in_every_group():
    assert [group.granularity for group in traced_mlp(granularity=4).groups] == [4, 4]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            {"protect": "trun"},
            "`protect` must match the path of a leaf, got 'trun' (did you mean 'turn'?).",
        ),
        (
            {"only": ["first/*", "first/kernal"]},
            "`only` must match the path of a leaf, got 'first/kernal' "
            "(did you mean 'first/kernel'?).",
        ),
        ({"only": "zzz*"}, "`only` must match the path of a leaf, got 'zzz*'."),
        ({"granularity": 0}, "`granularity` must be a whole number at least 1, got 0."),
        ({"granularity": True}, "`granularity` must be a whole number at least 1, got True."),
    ],
)
def test_bad_rules_are_refused(rules, said):
    with pytest.raises(InputError) as caught:
        traced_mlp(**rules)
    assert str(caught.value) == said


# Cutting trees like the parameters.


def test_the_state_of_an_optimiser_is_cut_like_the_parameters(mlp):
    masks = random_masks(mlp.graph.sizes, 5)
    state = optax.chain(optax.clip(1.0), optax.adam(1e-3)).init(mlp.params)
    gradients = jax.tree.map(jnp.ones_like, mlp.params)
    _, state = optax.chain(optax.clip(1.0), optax.adam(1e-3)).update(gradients, state)
    small = mlp.graph.graph.cut(state, masks)
    assert jax.tree.structure(small) == jax.tree.structure(state)
    adam, full = small[1][0], state[1][0]
    assert adam.count == full.count == 1
    for one, other in ((adam.mu, full.mu), (adam.nu, full.nu)):
        wanted = named_leaves(mlp.graph.graph.shrink(other, masks).params)
        for name, leaf in named_leaves(one).items():
            np.testing.assert_array_equal(leaf, wanted[name])
            assert leaf.shape != named_leaves(other)[name].shape or name == "head/bias"


def test_parameters_themselves_are_cut(mlp):
    masks = random_masks(mlp.graph.sizes, 5)
    pairs = zip(
        jax.tree.leaves(mlp.graph.graph.cut(mlp.params, masks)),
        jax.tree.leaves(mlp.graph.graph.shrink(mlp.params, masks).params),
        strict=True,
    )
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_a_tree_unlike_the_parameters_is_refused(mlp):
    with pytest.raises(InputError) as caught:
        mlp.graph.graph.cut({"mu": jnp.ones(3)}, mlp.graph.graph.full())
    assert str(caught.value) == (
        "`tree` must have a part with the structure and shapes of the parameters, got "
        "PyTreeDef({'mu': *})."
    )


# Costs.


@settings(max_examples=10)
@given(data=st.data())
def test_exact_costs_are_those_of_the_shrunk_network(network, data):
    graph = network.graph.graph
    masks = drawn_masks(data, graph)
    small = graph.shrink(network.params, masks)
    leaves = jax.tree.leaves(small.params)
    costs = graph.cost(kept_of(masks))
    assert costs["parameters"] == sum(np.size(leaf) for leaf in leaves)
    assert costs["bytes"] == sum(leaf.nbytes for leaf in leaves)
    # Counted anew in the shrunk network's own trace.
    again = trace(small.apply, small.params, *graph.inputs)
    counted = again.cost(np.array([*again.sizes, *(1 for _ in again.blocks)]))
    assert counted["flops"] == costs["flops"]
    # What is left out shortens the life of other arrays, so that memory is at most as counted.
    assert counted["memory"] <= costs["memory"] <= graph.cost(np.array(graph.sizes))["memory"]


def test_flops_by_hand(mlp, cnn):
    whole, turn = 3 * 5 + 5 * 5 + 5 * 7 + 7 * 4, 5 * 5
    assert mlp.graph.graph.cost([5, 7])["flops"] == 2 * whole
    assert mlp.graph.graph.cost([5, 7, 1])["flops"] == 2 * whole
    assert mlp.graph.graph.cost([5, 7, 0])["flops"] == 2 * (whole - turn)
    assert mlp.graph.graph.cost([2, 3])["flops"] == 2 * (3 * 2 + 2 * 2 + 2 * 3 + 3 * 4)
    one, two = 36 * 9 * 1, 9 * 9
    assert cnn.graph.graph.cost([4, 6])["flops"] == 2 * (one * 4 + two * 4 * 6 + 6 * 3)
    assert cnn.graph.graph.cost([1, 2])["flops"] == 2 * (one * 1 + two * 1 * 2 + 2 * 3)


def test_memory_by_hand(cnn):
    """The inputs stay; a convolution's outputs are alive until they are normalised."""
    for one, two in ((4, 6), (1, 1), (1, 6)):
        first, second = 2 * 36 * one, max(36 * one + 9 * two, 2 * 9 * two)
        wanted = 4 * (36 + max(first, second))
        assert cnn.graph.graph.cost([one, two])["memory"] == wanted


def test_costs_come_in_any_leading_shape_and_approximate_ones_agree(cnn):
    kept = np.array([[[1, 2], [4, 6]], [[2, 3], [3, 1]]])
    exact = cnn.graph.graph.cost(kept)
    approximate = jax.jit(cnn.graph.graph.costs.approximate)(kept)
    assert set(exact) == {"parameters", "bytes", "flops", "memory"}
    for name, cost in exact.items():
        assert cost.dtype == np.int64 and approximate[name].dtype == jnp.float32
        assert cost.shape == (2, 2)
        np.testing.assert_array_equal(approximate[name], cost)
        assert cost[0, 1] == cnn.graph.graph.cost([4, 6])[name]


@pytest.mark.parametrize(
    ("kept", "got"),
    [
        ([3], "int64 of shape [1]"),
        ([3, 2, 1, 1], "int64 of shape [4]"),
        ([3.5, 2], "float64 of shape [2]"),
        (3, "int64 of shape []"),
    ],
)
def test_bad_counts_are_refused(mlp, kept, got):
    with pytest.raises(InputError) as caught:
        mlp.graph.graph.cost(kept)
    assert str(caught.value) == (
        "`kept` must hold one whole number for each of 2 groups, then, if wanted, one for each of "
        f"1 blocks, got {got}."
    )


# Refusals.

FIVE, SEVEN = np.ones(5, bool), np.ones(7, bool)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (
            [FIVE],
            "`masks` must hold one array for each of 2 groups, then, if wanted, one for each of 1 "
            "blocks, got 1.",
        ),
        (
            [FIVE, SEVEN, SEVEN[:1], FIVE],
            "`masks` must hold one array for each of 2 groups, then, if wanted, one for each of 1 "
            "blocks, got 4.",
        ),
        ([FIVE, SEVEN[:6]], "`masks` up must have shape [7], got [6]."),
        ([FIVE[None], SEVEN], "`masks` first must have shape [5], got [1, 5]."),
        ([FIVE & False, SEVEN], "`masks` first must keep 1 to 5 units, got none."),
        ([FIVE, SEVEN, FIVE], "`masks` turn must have shape [1], got [5]."),
    ],
)
def test_bad_masks_are_refused(mlp, masks, said):
    graph = mlp.graph.graph
    for call in (
        lambda: graph.masked(mlp.params, masks, mlp.inputs),
        lambda: graph.shrink(mlp.params, masks),
        lambda: graph.cut(mlp.params, masks),
        lambda: graph.certify(mlp.params, masks, mlp.inputs),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == said


def test_cutting_by_traced_masks_is_refused(mlp):
    with pytest.raises(InputError) as caught:
        jax.jit(lambda masks: mlp.graph.graph.shrink(mlp.params, masks).params)([FIVE, SEVEN])
    assert str(caught.value) == "`masks` first must be known to cut by, got a traced array."


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            (jnp.ones((2, 4)),),
            "`apply` must be traceable as `apply(params, *inputs)` with inputs of shape (2, 4), "
            "got TypeError: dot_general requires contracting dimensions to have the same shape",
        ),
        (
            (jnp.ones((2, 3)), jnp.ones(2)),
            "`apply` must be traceable as `apply(params, *inputs)` with inputs of shape (2, 3), "
            "(2,), got TypeError: mlp_apply() takes 2 positional arguments but 3 were given",
        ),
        (
            (),
            "`apply` must be traceable as `apply(params, *inputs)` with inputs of shape none, got "
            "TypeError: mlp_apply() missing 1 required positional argument: 'inputs'",
        ),
        (("text",), "`inputs` must have arrays as leaves, got str."),
    ],
)
def test_inputs_that_do_not_fit_are_refused(mlp, inputs, said):
    graph = mlp.graph.graph
    masks = graph.full()
    small = graph.shrink(mlp.params, masks)
    for call in (
        lambda: graph.masked(mlp.params, masks, *inputs),
        lambda: small(*inputs),
        lambda: trace(mlp_apply, mlp.params, *inputs),
    ):
        with pytest.raises(InputError) as caught:
            call()
        said_here = str(caught.value).replace("TypeError at conftest.py:55:", "TypeError:")
        assert said_here.startswith(said) and "\n" not in said_here


def test_inputs_for_which_other_units_can_be_removed_are_refused():
    def apply(params, inputs):
        hidden = inputs @ params["up"]
        return (jax.nn.softmax(hidden) if inputs.shape[0] > 2 else hidden) @ params["down"]

    params = {"up": jnp.ones((3, 4)), "down": jnp.ones((4, 2))}
    graph = trace(apply, params, jnp.ones((1, 3)))
    with pytest.raises(InputError) as caught:
        graph.masked(params, graph.full(), jnp.ones((5, 3)))
    assert str(caught.value) == (
        "`inputs` must leave what can be removed as it is, got other groups for (5, 3) than for "
        "the example inputs."
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"turn": jnp.ones((4, 4))}, "`params` must have a leaf turn of shape [5, 5], got [4, 4]."),
        ({"turn": {}}, "`params` must have a leaf turn of shape [5, 5], got none."),
        (
            {"more": jnp.ones(3)},
            "`params` must have the leaves of the traced network, got more too.",
        ),
    ],
)
def test_other_parameters_are_refused(mlp, change, said):
    graph, params = mlp.graph.graph, {**mlp.params, **change}
    for call in (
        lambda: graph.masked(params, graph.full(), mlp.inputs),
        lambda: graph.shrink(params, graph.full()),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == said


def test_deleted_arrays_are_refused(mlp):
    params = jax.tree.map(jnp.copy, mlp.params)
    params["turn"].delete()
    graph = mlp.graph.graph
    for call in (
        lambda: trace(mlp_apply, params, mlp.inputs),
        lambda: graph.masked(params, graph.full(), mlp.inputs),
        lambda: graph.shrink(params, graph.full()),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == (
            "`params` must still hold its arrays, got a deleted or donated one at turn."
        )


@pytest.mark.parametrize(("leaf", "kind"), [(len, "builtin_function_or_method"), ("a", "str")])
def test_a_leaf_that_is_no_array_is_refused(mlp, leaf, kind):
    with pytest.raises(InputError) as caught:
        trace(mlp_apply, {**mlp.params, "more": leaf}, mlp.inputs)
    assert str(caught.value) == (
        f"`params` must have arrays as leaves, got {kind} at more; take functions and settings out "
        "first (`nnx.split`, `equinox.partition`)."
    )


def test_a_network_that_cannot_be_traced_is_refused(mlp):
    def apply(params, inputs):
        return inputs if float(inputs.sum()) > 0 else params["turn"]

    with pytest.raises(InputError) as caught:
        trace(apply, mlp.params, mlp.inputs)
    said = str(caught.value)
    assert said.startswith("`apply` must be traceable as `apply(params, *inputs)` with inputs of ")
    assert "ConcretizationTypeError at test_graph.py:" in said and "\n" not in said


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
