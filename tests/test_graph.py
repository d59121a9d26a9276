"""Masked networks against really smaller ones, their costs, their statistics and the refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax._errors import InputError
from sosjax._tree import named_leaves, with_leaves
from sosjax.graph._graph import build_graph
from sosjax.graph._group import Group, Head, Statistics
from sosjax.graph._shrink import shrink_params, shrunk_apply

NETWORKS = ["mlp", "cnn", "tiny_resnet"]


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.getfixturevalue(request.param)


def cut(network, masks):
    """Return the parameters with the removed units really gone, leaf by leaf."""
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(network.params).items()}
    for group, mask in zip(network.graph.groups, masks, strict=True):
        for name, axis in group.slices:
            leaves[name] = np.compress(mask, leaves[name], axis)
    return with_leaves(network.params, leaves)


def drawn_masks(data, sizes):
    """Draw masks with at least one unit each; often exactly one, or all."""
    masks = []
    for size in sizes:
        one = st.integers(0, size - 1).map(lambda i, size=size: np.arange(size) == i)
        bits = st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)
        masks.append(data.draw(one | st.just(np.ones(size, bool)) | bits.filter(np.any)))
    return masks


def random_masks(sizes, seed):
    rng = np.random.default_rng(seed)
    masks = [rng.random(size) < 0.6 for size in sizes]
    return [mask | (np.arange(len(mask)) == 0) for mask in masks]


def close(one, other):
    scale = float(np.abs(other).max()) + 1e-6
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * scale)


def test_masks_of_ones_are_the_dense_network(network):
    dense = network.apply(network.params, network.inputs)
    for dtype in (bool, jnp.float32):
        ones = [jnp.ones(size, dtype) for size in network.graph.sizes]
        close(network.graph.logits(network.params, network.inputs, ones), dense)
    close(network.graph.logits(network.params, network.inputs), dense)


@settings(max_examples=15)
@given(data=st.data())
def test_a_masked_mlp_is_the_shrunk_one(mlp, data):
    masks = drawn_masks(data, mlp.graph.sizes)
    masked = mlp.graph.logits(mlp.params, mlp.inputs, masks)
    close(mlp.graph.logits(cut(mlp, masks), mlp.inputs), masked)


@settings(max_examples=6)
@given(data=st.data())
def test_a_masked_cnn_is_the_shrunk_one(cnn, data):
    masks = drawn_masks(data, cnn.graph.sizes)
    masked = cnn.graph.logits(cnn.params, cnn.inputs, masks)
    close(cnn.graph.logits(cut(cnn, masks), cnn.inputs), masked)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_masked_resnet_is_the_shrunk_one(tiny_resnet, seed):
    masks = random_masks(tiny_resnet.graph.sizes, seed)
    masked = jax.jit(tiny_resnet.graph.logits)(tiny_resnet.params, tiny_resnet.inputs, masks)
    close(tiny_resnet.graph.logits(cut(tiny_resnet, masks), tiny_resnet.inputs), masked)


def test_one_survivor_in_each_group_of_a_resnet(tiny_resnet):
    masks = [np.arange(size) == size - 1 for size in tiny_resnet.graph.sizes]
    masked = jax.jit(tiny_resnet.graph.logits)(tiny_resnet.params, tiny_resnet.inputs, masks)
    close(tiny_resnet.graph.logits(cut(tiny_resnet, masks), tiny_resnet.inputs), masked)


def test_shrinking_cuts_the_same_leaves(network):
    masks = random_masks(network.graph.sizes, 3)
    wanted = named_leaves(cut(network, masks))
    for name, leaf in named_leaves(shrink_params(network.graph, network.params, masks)).items():
        np.testing.assert_array_equal(leaf, wanted[name])


def test_a_shrunk_function_is_the_graphs(mlp):
    masks = random_masks(mlp.graph.sizes, 3)
    apply = shrunk_apply(mlp.apply, mlp.graph.shapes)
    close(apply(cut(mlp, masks), mlp.inputs), mlp.graph.logits(mlp.params, mlp.inputs, masks))


def test_shrinking_refuses_masks(mlp):
    with pytest.raises(InputError) as caught:
        shrink_params(mlp.graph, mlp.params, [np.zeros(5, bool), np.ones(7, bool)])
    assert str(caught.value) == ("`masks` hidden must keep 1 to 5 units, got shape (5,) keeping 0.")


def test_a_removed_unit_may_be_infinite(mlp):
    params = jax.tree.map(jnp.copy, mlp.params)
    params["first"]["bias"] = params["first"]["bias"].at[2].set(jnp.inf)
    masks = [np.arange(5) != 2, np.ones(7, bool)]
    assert jnp.isfinite(mlp.graph.logits(params, mlp.inputs, masks)).all()


def test_a_masked_network_can_be_differentiated_by_its_masks(mlp):
    def total(masks):
        return mlp.graph.logits(mlp.params, mlp.inputs, masks).sum()

    ones = [jnp.ones(size) for size in mlp.graph.sizes]
    gradient = jax.grad(total)(ones)
    step = [ones[0], ones[1].at[3].add(1e-2)]
    assert (total(step) - total(ones)) / 1e-2 == pytest.approx(float(gradient[1][3]), rel=0.05)


def test_masked_features_are_zero_at_removed_units_and_lead_to_the_logits(cnn):
    masks = random_masks(cnn.graph.sizes, 0)
    features, statistics = cnn.graph.features(cnn.params, cnn.inputs, masks, False)
    assert (features[:, ~masks[1]] == 0).all()
    logits = features @ cnn.params["head"]["kernel"] + cnn.params["head"]["bias"]
    close(logits, cnn.graph.logits(cnn.params, cnn.inputs, masks))
    np.testing.assert_array_equal(statistics["norm1/mean"], cnn.params["norm1"]["mean"])


def test_estimated_statistics_are_the_moments_of_the_masked_network(cnn):
    masks = random_masks(cnn.graph.sizes, 0)
    features, found = cnn.graph.features(cnn.params, cnn.inputs, masks, True)
    hidden = cnn.inputs
    for index, stride in ((1, 1), (2, 2)):
        hidden = np.asarray(
            jax.lax.conv_general_dilated(
                hidden,
                cnn.params[f"conv{index}"],
                (stride, stride),
                "SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
        )
        mean, variance = hidden.mean((0, 1, 2)), hidden.var((0, 1, 2))
        close(found[f"norm{index}/mean"], mean)
        close(found[f"norm{index}/var"], variance)
        norm = {name: np.asarray(leaf) for name, leaf in cnn.params[f"norm{index}"].items()}
        hidden = (hidden - mean) / np.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"]
        hidden = np.maximum(hidden, 0) * masks[index - 1]
    close(features, hidden.mean((1, 2)))


def test_estimated_statistics_are_those_of_flax_in_training(tiny_resnet, tiny_jat):
    from sosjax.models._resnet import ResNet

    ones = [jnp.ones(size, bool) for size in tiny_resnet.graph.sizes]
    found = jax.jit(
        lambda: tiny_resnet.graph.features(tiny_resnet.params, tiny_resnet.inputs, ones, True)[1]
    )()
    net = ResNet((4, 6), (1, 1), classes=3)

    @jax.jit
    def updated():
        _, changed = net.apply(
            tiny_jat.params, tiny_resnet.inputs, train=True, mutable="batch_stats"
        )
        return changed

    changed, before = named_leaves(updated()), named_leaves(tiny_jat.params)
    assert set(found) == set(changed)
    for name, moment in found.items():
        # flax moves its running moments by a hundredth.
        close(before[name] + 0.01 * (moment - before[name]), changed[name])


@settings(max_examples=10)
@given(data=st.data(), classes=st.integers(2, 9))
def test_exact_costs_are_those_of_the_sliced_arrays(network, data, classes):
    masks = drawn_masks(data, network.graph.sizes)
    leaves = named_leaves(cut(network, masks))
    head = network.graph.head
    leaves[head.kernel] = np.zeros((leaves[head.kernel].shape[0], classes), np.float32)
    leaves[head.bias] = np.zeros(classes, np.float32)
    buffers = {leaf for pair in network.graph.statistics for leaf in (pair.mean, pair.variance)}
    cost = network.graph.cost(np.array([mask.sum() for mask in masks]), classes)
    assert cost["parameters"] == sum(
        leaf.size for name, leaf in leaves.items() if name not in buffers
    )
    assert cost["bytes"] == sum(leaf.nbytes for leaf in leaves.values())


def test_flops_by_hand(mlp, cnn):
    assert mlp.graph.cost(np.array([5, 7]), 4)["flops"] == 2 * (3 * 5 + 5 * 5 + 5 * 7 + 7 * 4)
    assert mlp.graph.cost(np.array([2, 3]), 2)["flops"] == 2 * (3 * 2 + 2 * 2 + 2 * 3 + 3 * 2)
    one, two = 36 * 9 * 1, 9 * 9
    assert cnn.graph.cost(np.array([4, 6]), 3)["flops"] == 2 * (one * 4 + two * 4 * 6 + 6 * 3)
    assert cnn.graph.cost(np.array([1, 2]), 3)["flops"] == 2 * (one * 1 + two * 1 * 2 + 2 * 3)


def test_resnet_flops_by_hand(tiny_resnet):
    graph = tiny_resnet.graph
    names = [group.name for group in graph.groups]
    assert names == ["trunk0", "trunk1", "stage0_block0", "stage1_block0"]
    a, b, c, d = kept = (3, 5, 2, 4)
    # The stem halves 8x8 to 4x4, and the second stage halves that.
    stem, first = 16 * 9 * 1 * a, 16 * 9 * (a * c + c * a)
    second = 4 * 9 * (a * d + d * b) + 4 * a * b
    assert graph.cost(np.array(kept), 2)["flops"] == 2 * (stem + first + second + b * 2)


def test_costs_come_in_any_leading_shape_and_approximate_ones_agree(cnn):
    kept = np.array([[[1, 2], [4, 6]], [[2, 3], [3, 1]]])
    exact = cnn.graph.cost(kept, 3)
    approximate = cnn.graph.costs.approximate(np.concatenate([kept, np.full((2, 2, 1), 3)], -1))
    for name, cost in exact.items():
        assert cost.dtype == np.int64
        assert cost.shape == (2, 2)
        np.testing.assert_array_equal(approximate[name], cost)
        assert cost[0, 1] == cnn.graph.cost(np.array([4, 6]), 3)[name]


# Refusals.

STRUCTS = {
    "a": jax.ShapeDtypeStruct((4, 4), jnp.float32),
    "bias": jax.ShapeDtypeStruct((4,), jnp.float32),
    "head": {
        "kernel": jax.ShapeDtypeStruct((4, 2), jnp.float32),
        "bias": jax.ShapeDtypeStruct((2,), jnp.float32),
    },
}
HEAD = Head("head/kernel", "head/bias")
HIDDEN = Group("hidden", 4, (("a", 1), ("bias", 0), ("head/kernel", 0)))


def small(between=jax.nn.relu):
    def apply(params, inputs):
        hidden = between(inputs @ params["a"] + params["bias"])
        return hidden @ params["head"]["kernel"] + params["head"]["bias"]

    return apply


def build(*groups, apply=None, statistics=(), head=HEAD):
    example = jax.ShapeDtypeStruct((4,), jnp.float32)
    return build_graph(apply or small(), STRUCTS, example, groups, statistics, head)


def refusal(*groups, **options):
    with pytest.raises(InputError) as caught:
        build(*groups, **options)
    return str(caught.value)


def hidden(*slices, size=4, name="hidden"):
    return Group(name, size, slices)


def test_the_good_group_is_taken():
    assert build(HIDDEN).sizes == (4,)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ((), "`groups` must hold at least one group, got none."),
        ((HIDDEN, HIDDEN), "`groups` must have different names, got twice: hidden."),
        (
            (hidden(("a", 1), ("head/kernl", 0)),),
            "`groups hidden` must name a leaf of `params`, got 'head/kernl' "
            "(did you mean 'head/kernel'?).",
        ),
        (
            (hidden(("a", 1), ("head/kernel", 2)),),
            "`groups` hidden must lie on axes of 4, got axis 2 of head/kernel [4, 2].",
        ),
        (
            (hidden(("a", -1), ("head/kernel", 0)),),
            "`groups` hidden must lie on axes of 4, got axis -1 of a [4, 4].",
        ),
        (
            (hidden(("a", 1), ("head/kernel", 0), size=5),),
            "`groups` hidden must lie on axes of 5, got axis 1 of a [4, 4].",
        ),
        (
            (HIDDEN, hidden(("a", 0), ("bias", 0), name="other")),
            "`groups` must not share an axis, got axis 0 of bias in hidden and other.",
        ),
        (
            (hidden(("a", 1), ("bias", 0)),),
            "`groups` hidden must be produced by one of its leaves and consumed by a contraction "
            "with another, got 0 consuming of 2.",
        ),
        (
            (hidden(("head/kernel", 0)),),
            "`groups` hidden must be produced by one of its leaves and consumed by a contraction "
            "with another, got 1 consuming of 1.",
        ),
        (
            (hidden(("head/bias", 0), ("a", 0), size=2),),
            "`groups` must not share an axis, got axis 0 of head/bias in head and hidden.",
        ),
    ],
)
def test_a_bad_group_is_refused(groups, said):
    assert refusal(*groups) == said


@pytest.mark.parametrize(
    "slices",
    [
        (("a", 0), ("bias", 0), ("head/kernel", 0)),  # the wrong axis of a square kernel
        (("a", 1), ("head/kernel", 0)),  # the bias is forgotten
        (("a", 0), ("a", 1), ("bias", 0), ("head/kernel", 0)),  # the inputs are no units
    ],
)
def test_groups_that_leave_no_network_are_refused(slices):
    assert refusal(hidden(*slices)).startswith(
        "`groups` hidden must leave a network that runs with one unit each, got: "
    )


def test_an_axis_named_twice_in_a_group_is_refused():
    with pytest.raises(InputError) as caught:
        build(hidden(("a", 1), ("a", 1), ("bias", 0), ("head/kernel", 0)))
    assert str(caught.value) == (
        "`groups` hidden.slices must not name an axis twice, got axis 1 of a."
    )


MIXING = {
    "layer norm": lambda x: (x - x.mean(-1, keepdims=True)) / (1 + x.std(-1, keepdims=True)),
    "softmax": jax.nn.softmax,
    "maximum": lambda x: x / (1 + jnp.abs(x).max(-1, keepdims=True)),
    "window": lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2), (1, 1), "SAME"),
    "gram": lambda x: (x @ x.T) @ x,
    "sort": lambda x: jnp.sort(x, -1),
    "cumsum": lambda x: jnp.cumsum(x, -1),
    "flip": lambda x: x[:, ::-1],
}


@pytest.mark.parametrize("name", MIXING)
def test_a_network_that_mixes_the_units_of_a_group_is_refused(name):
    """A removed unit would still be felt: masked and shrunk would differ."""
    assert refusal(HIDDEN, apply=small(MIXING[name])).startswith("`groups` ")


ACTIVATIONS = {
    "gelu": jax.nn.gelu,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "hard swish": jax.nn.hard_swish,
    "leaky relu": jax.nn.leaky_relu,
    "tanh": jnp.tanh,
    "square": jnp.square,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_that_treat_units_alike_are_taken(name):
    assert build(HIDDEN, apply=small(ACTIVATIONS[name])).sizes == (4,)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (
            Head("head/kernal", "head/bias"),
            "`head` must name a leaf of `params`, got 'head/kernal' (did you mean 'head/kernel'?).",
        ),
        (
            Head("bias", "head/bias"),
            "`head` must have a kernel [features, classes] and a bias [classes], got [4] and [2].",
        ),
        (
            Head("head/kernel", "bias"),
            "`head` must have a kernel [features, classes] and a bias [classes], "
            "got [4, 2] and [4].",
        ),
    ],
)
def test_a_bad_head_is_refused(head, said):
    assert refusal(HIDDEN, head=head) == said


def test_a_head_that_is_used_twice_is_refused():
    def apply(params, inputs):
        logits = small()(params, inputs)
        return logits + inputs @ params["head"]["kernel"]

    assert refusal(HIDDEN, apply=apply) == (
        "`head.kernel` 'head/kernel' must be multiplied once with features [B, F], got 2 uses."
    )


def test_statistics_that_nothing_subtracts_are_refused():
    assert refusal(HIDDEN, statistics=(Statistics("bias", "bias"),)) == (
        "`statistics` 'bias' must be subtracted from an activation, got no such use."
    )
    assert refusal(HIDDEN, statistics=(Statistics("bias", "var"),)).startswith(
        "`statistics bias` must name a leaf of `params`, got 'var'"
    )


@pytest.mark.parametrize(
    "change", [jax.nn.log_softmax, lambda logits: -logits, lambda logits: logits / 2]
)
def test_a_network_that_changes_its_logits_is_refused(change):
    plain = small()
    said = refusal(HIDDEN, apply=lambda params, inputs: change(plain(params, inputs)))
    assert said.startswith(
        "`apply` must return logits: features times `head.kernel` plus `head.bias` and nothing "
        "after that, such as a softmax or a scale; got "
    )


def test_a_network_of_other_outputs_is_refused():
    def wide(params, inputs):
        return jnp.concatenate([small()(params, inputs)] * 2, -1)

    assert refusal(HIDDEN, apply=wide) == (
        "`apply` must return logits of shape [B, 2], got [2, 4] for B = 2."
    )

    def two(params, inputs):
        return small()(params, inputs), inputs

    assert refusal(HIDDEN, apply=two) == "`apply` must return one array of logits, got 2 arrays."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("", 4, (("a", 0),)),
            "`groups.name` must be a printable name of 1 to 200 characters, got ''.",
        ),
        (("g", 0, (("a", 0),)), "`groups g.size` must be a whole number at least 1, got 0."),
        (("g", 4, ()), "`groups` g.slices must not be empty."),
    ],
)
def test_a_group_refuses(arguments, said):
    with pytest.raises(InputError) as caught:
        Group(*arguments)
    assert str(caught.value) == said
