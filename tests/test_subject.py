"""Networks with a head and statistics: features, moments, costs for any classes, the refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import (
    HEAD,
    MLP_SHAPES,
    close,
    convolved,
    mlp_apply,
    normalised,
    random_masks,
    random_params,
    structs,
)
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax import Head, Jat, Statistics, trace
from sosjax._errors import InputError
from sosjax._tree import named_leaves, with_leaves
from sosjax.graph._subject import subject
from sosjax.models._families import options_of
from sosjax.models._resnet import RESNET


def with_head(network, classes):
    """Return the parameters with a random head of so many classes."""
    rng = np.random.default_rng(classes)
    leaves, head = named_leaves(network.params), network.graph.head
    features = leaves[head.kernel].shape[0]
    leaves[head.kernel] = jnp.asarray(rng.normal(size=(features, classes)), jnp.float32)
    leaves[head.bias] = jnp.asarray(rng.normal(size=classes), jnp.float32)
    return with_leaves(network.params, leaves)


def ones(network):
    return [jnp.ones(size, bool) for size in network.graph.sizes]


# Logits and features.


def test_logits_under_masks_of_ones_are_the_networks(network):
    dense = network.apply(network.params, network.inputs)
    close(network.graph.logits(network.params, network.inputs, ones(network)), dense)


@pytest.mark.parametrize("classes", [1, 2, 3, 4, 9])
def test_a_head_of_any_classes_is_masked_and_shrunk_alike(network, classes):
    params, masks = with_head(network, classes), random_masks(network.graph.sizes, classes)
    masked = jax.jit(network.graph.logits)(params, network.inputs, masks)
    small = network.graph.shrink(params, masks)
    assert masked.shape == (len(network.inputs), classes)
    close(jax.jit(small.apply)(small.params, network.inputs), masked)
    features, _ = network.graph.features(params, network.inputs, masks, False)
    leaves, head = named_leaves(params), network.graph.head
    close(features @ leaves[head.kernel] + leaves[head.bias], masked)


def test_a_skipped_block_is_masked_and_shrunk_alike(tiny_resnet):
    params = with_head(tiny_resnet, 2)
    masks = [*random_masks(tiny_resnet.graph.sizes, 0), np.array([False])]
    masked = jax.jit(tiny_resnet.graph.logits)(params, tiny_resnet.inputs, masks)
    small = tiny_resnet.graph.shrink(params, masks)
    close(jax.jit(small.apply)(small.params, tiny_resnet.inputs), masked)
    whole = tiny_resnet.graph.logits(params, tiny_resnet.inputs, masks[:-1])
    assert not np.allclose(whole, masked)


def test_masked_features_are_zero_at_removed_units_and_lead_to_the_logits(cnn):
    masks = random_masks(cnn.graph.sizes, 0)
    features, statistics = cnn.graph.features(cnn.params, cnn.inputs, masks, False)
    assert (features[:, ~masks[1]] == 0).all()
    logits = features @ cnn.params["head"]["kernel"] + cnn.params["head"]["bias"]
    close(logits, cnn.graph.logits(cnn.params, cnn.inputs, masks))
    assert list(statistics) == ["norm1/mean", "norm1/var", "norm2/mean", "norm2/var"]
    np.testing.assert_array_equal(statistics["norm1/mean"], cnn.params["norm1"]["mean"])


# Statistics.


def test_estimated_statistics_are_the_moments_of_the_masked_network(cnn):
    masks = random_masks(cnn.graph.sizes, 0)
    features, found = cnn.graph.features(cnn.params, cnn.inputs, masks, True)
    hidden = cnn.inputs
    for index, stride in ((1, 1), (2, 2)):
        hidden = np.asarray(convolved(hidden, cnn.params[f"conv{index}"], stride))
        mean, variance = hidden.mean((0, 1, 2)), hidden.var((0, 1, 2))
        close(found[f"norm{index}/mean"], mean)
        close(found[f"norm{index}/var"], variance)
        norm = {name: np.asarray(leaf) for name, leaf in cnn.params[f"norm{index}"].items()}
        hidden = (hidden - mean) / np.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"]
        hidden = np.maximum(hidden, 0) * masks[index - 1]
    close(features, hidden.mean((1, 2)))


def test_estimated_statistics_of_kept_units_are_those_of_the_shrunk_network(cnn):
    masks = random_masks(cnn.graph.sizes, 0)
    _, found = cnn.graph.features(cnn.params, cnn.inputs, masks, True)
    small = cnn.graph.shrink(cnn.params, masks)
    again = subject(trace(small.apply, small.params, cnn.inputs[:1]), cnn.graph.statistics, HEAD)
    full = [np.ones(size, bool) for size in again.sizes]
    _, wanted = again.features(small.params, cnn.inputs, full, True)
    for name, moments in wanted.items():
        close(found[name][masks[0 if "norm1" in name else 1]], moments)


def test_estimated_statistics_are_those_of_flax_in_training(tiny_resnet, tiny_jat):
    found = jax.jit(
        lambda: tiny_resnet.graph.features(
            tiny_resnet.params, tiny_resnet.inputs, ones(tiny_resnet), True
        )[1]
    )()
    module = RESNET.build(options_of(tiny_jat.architecture), nnx.Rngs(0))
    leaves = named_leaves(tiny_jat.params)
    for path, variable in nnx.to_flat_state(nnx.state(module)):
        variable.set_value(leaves["/".join(map(str, path))])
    module.train()
    definition, state = nnx.split(module)

    @jax.jit
    def updated():
        trained = nnx.merge(definition, state, copy=True)
        trained(tiny_resnet.inputs)
        return nnx.to_pure_dict(nnx.state(trained, nnx.BatchStat))

    changed, before = named_leaves(updated()), named_leaves(tiny_jat.params)
    assert set(found) == set(changed)
    for name, moment in found.items():
        # flax moves its running moments by a hundredth.
        close(before[name] + 0.01 * (moment - before[name]), changed[name])


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1, 1)])
def test_statistics_of_a_single_channel_are_its_moments(shape):
    def apply(params, inputs):
        norm = {name: leaf.reshape(shape) for name, leaf in params["norm"].items()}
        hidden = normalised(convolved(inputs, params["conv"], 1), norm)
        hidden = jnp.tanh(hidden.reshape(inputs.shape[0], -1) @ params["dense"])
        return hidden @ params["head"]["kernel"] + params["head"]["bias"]

    shapes = {
        "conv": (3, 3, 1, 1),
        "norm": dict.fromkeys(("mean", "var", "scale", "bias"), (1,)),
        "dense": (16, 5),
        "head": {"kernel": (5, 2), "bias": (2,)},
    }
    graph = trace(apply, structs(shapes), jnp.ones((1, 4, 4, 1)))
    params = random_params(graph.shapes)
    inputs = jax.random.normal(jax.random.key(0), (3, 4, 4, 1))
    found = subject(graph, (Statistics("norm/mean", "norm/var"),), HEAD)
    _, moments = found.features(params, inputs, graph.full(), True)
    hidden = convolved(inputs, params["conv"], 1)
    close(moments["norm/mean"], hidden.mean()[None])
    close(moments["norm/var"], hidden.var()[None])


# Costs.


@settings(max_examples=10)
@given(data=st.data(), classes=st.integers(1, 9))
def test_exact_costs_are_those_of_the_shrunk_network(network, data, classes):
    seed = data.draw(st.integers(0, 99))
    masks = random_masks(network.graph.sizes, seed)
    small = network.graph.shrink(with_head(network, classes), masks)
    leaves = named_leaves(small.params)
    cost = network.graph.cost(np.array([mask.sum() for mask in masks]), classes)
    assert set(cost) == {"parameters", "bytes", "flops"}
    trained = [leaf for name, leaf in leaves.items() if name not in network.graph.buffers]
    assert cost["parameters"] == sum(leaf.size for leaf in trained)
    assert cost["bytes"] == sum(leaf.nbytes for leaf in leaves.values())
    example = jnp.ones((1, *network.graph.inputs.shape))
    again = trace(small.apply, small.params, example)
    assert cost["flops"] == again.cost(np.array(again.sizes))["flops"]


def test_buffers_are_the_leaves_of_statistics(mlp, cnn):
    assert mlp.graph.buffers == ()
    assert cnn.graph.buffers == ("norm1/mean", "norm1/var", "norm2/mean", "norm2/var")


def test_flops_by_hand(mlp, cnn):
    assert mlp.graph.cost(np.array([5, 7]), 4)["flops"] == 2 * (3 * 5 + 5 * 5 + 5 * 7 + 7 * 4)
    assert mlp.graph.cost(np.array([2, 3]), 2)["flops"] == 2 * (3 * 2 + 2 * 2 + 2 * 3 + 3 * 2)
    one, two = 36 * 9 * 1, 9 * 9
    assert cnn.graph.cost(np.array([4, 6]), 3)["flops"] == 2 * (one * 4 + two * 4 * 6 + 6 * 3)
    assert cnn.graph.cost(np.array([1, 2]), 3)["flops"] == 2 * (one * 1 + two * 1 * 2 + 2 * 3)


def test_resnet_flops_by_hand(tiny_resnet):
    graph = tiny_resnet.graph
    names = [group.name for group in graph.groups]
    assert names == [f"stages/{stage}/0/conv{number}" for stage in (0, 1) for number in (1, 2)]
    c, a, d, b = kept = (2, 3, 4, 5)  # of the second convolution of a stage: its trunk
    # The stem halves 8x8 to 4x4, and the second stage halves that.
    stem, first = 16 * 9 * 1 * a, 16 * 9 * (a * c + c * a)
    second = 4 * 9 * (a * d + d * b) + 4 * a * b
    assert graph.cost(np.array(kept), 2)["flops"] == 2 * (stem + first + second + b * 2)


def test_costs_come_in_any_leading_shape_and_approximate_ones_agree(tiny_resnet):
    graph = tiny_resnet.graph
    kept = np.array([[[1, 2, 3, 4], [4, 4, 6, 6]], [[2, 3, 1, 2], [3, 1, 1, 1]]])
    exact = graph.cost(kept, 3)
    counts = graph.counts(jnp.asarray(kept), jnp.asarray(3), jnp)
    approximate = jax.jit(graph.costs.approximate)(counts)
    for name, cost in exact.items():
        assert cost.dtype == np.int64 and approximate[name].dtype == jnp.float32
        assert cost.shape == (2, 2)
        np.testing.assert_array_equal(approximate[name], cost)
        assert cost[0, 1] == graph.cost(np.array([4, 4, 6, 6]), 3)[name]


def test_a_skipped_block_costs_nothing(mlp):
    whole, without = (mlp.graph.cost(np.array([5, 7, there]), 4) for there in (1, 0))
    assert whole == mlp.graph.cost(np.array([5, 7]), 4)
    assert whole["parameters"] - without["parameters"] == 5 * 5
    assert whole["flops"] - without["flops"] == 2 * 5 * 5


@pytest.mark.parametrize("count", [1, 4])
def test_another_number_of_counts_is_refused(mlp, count):
    with pytest.raises(InputError) as caught:
        mlp.graph.cost(np.ones(count, np.int64), 4)
    assert str(caught.value) == (
        "`kept` must hold one whole number for each of 2 groups, then, if wanted, one for each of "
        f"1 blocks, got int64 of shape [{count}]."
    )


# Refusals.

SHAPES = {
    "a": (4, 4),
    "bias": (4,),
    "norm": {"mean": (4,), "var": (4,), "short": (3,)},
    "head": {"kernel": (4, 2), "bias": (2,)},
}


def small(between=jax.nn.relu):
    def apply(params, inputs):
        hidden = inputs @ params["a"] + params["bias"]
        hidden = (hidden - params["norm"]["mean"]) * jax.lax.rsqrt(params["norm"]["var"])
        return between(hidden) @ params["head"]["kernel"] + params["head"]["bias"]

    return apply


def refusal(apply=None, statistics=(), head=HEAD):
    graph = trace(apply or small(), structs(SHAPES), jnp.ones((1, 4)))
    with pytest.raises(InputError) as caught:
        subject(graph, statistics, head)
    return str(caught.value)


def test_the_good_network_is_taken():
    graph = trace(small(), structs(SHAPES), jnp.ones((1, 4)))
    taken = subject(graph, [Statistics("norm/mean", "norm/var")], HEAD)
    assert (taken.sizes, taken.classes, taken.inputs.shape) == ((4,), 2, (4,))


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
    assert refusal(head=head) == said


def test_a_head_that_is_used_twice_is_refused():
    def apply(params, inputs):
        return small()(params, inputs) + inputs @ params["head"]["kernel"]

    assert refusal(apply) == (
        "`head.kernel` 'head/kernel' must be multiplied once with features [B, F], got 2 uses."
    )


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("bias", "bias"), "`statistics` 'bias' must be subtracted from an activation, got no su"),
        (
            ("norm/mean", "norm/vra"),
            "`statistics norm/mean` must name a leaf of `params`, got 'norm/vra' "
            "(did you mean 'norm/var'?).",
        ),
        (
            ("norm/mean", "norm/short"),
            "`statistics` norm/mean must be a mean and a variance of shape [4], got [[4], [3]].",
        ),
    ],
)
def test_bad_statistics_are_refused(pair, said):
    assert refusal(statistics=(Statistics(*pair),)).startswith(said)


@pytest.mark.parametrize(
    ("change", "last"),
    [
        (jax.nn.log_softmax, "sub"),
        (lambda logits: -logits, "neg"),
        (lambda logits: logits / 2, "div"),
        (lambda logits: logits + 1, "add"),
    ],
)
def test_a_network_that_changes_its_logits_is_refused(change, last):
    plain = small()
    assert refusal(lambda params, inputs: change(plain(params, inputs))) == (
        "`apply` must return logits: features times `head.kernel` plus `head.bias` and nothing "
        f"after that, such as a softmax or a scale; got {last!r} last."
    )


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda logits: jnp.concatenate([logits] * 2, -1), "[2, 4]"),
        (lambda logits: (logits, logits), "[2, 2], [2, 2]"),
        (lambda logits: logits.mean(0, keepdims=True), "[1, 2]"),
        (lambda logits: logits[0], "[2]"),
        (lambda logits: (), "none"),
    ],
)
def test_a_network_of_other_outputs_is_refused(change, got):
    plain = small()
    said = refusal(lambda params, inputs: change(plain(params, inputs)))
    assert said == f"`apply` must return logits of shape [B, 2], got {got} for B = 2."


def jat(apply=None, params=None, **options):
    params = random_params(structs(SHAPES)) if params is None else params
    return Jat(apply or small(), params, input_shape=(4,), head=HEAD, **options)


def test_a_jack_takes_what_is_said_of_groups():
    params = random_params(structs(MLP_SHAPES))
    said = {"protect": "turn", "only": ["up/*"], "granularity": 2}
    taken = Jat(mlp_apply, params, input_shape=(3,), head=HEAD, **said)
    assert [(group.name, group.granularity) for group in taken.graph.groups] == [("up", 2)]
    with pytest.raises(InputError, match=r"`protect` must match the path of a leaf, got 'nrom/\*'"):
        jat(protect="nrom/*")


def test_a_jack_with_nothing_to_remove_is_refused_and_shown_why():
    with pytest.raises(InputError) as caught:
        jat(small(jax.nn.softmax))
    said = str(caught.value)
    assert said.startswith("`apply` must be a network with something to remove, as it ")
    assert "reduce_max" in said and "it is an axis of the inputs" in said


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        (1.5, "`params` must have arrays as leaves, got float at bias."),
        (
            np.ones(4, np.float16),
            "`params` must be float32, so that bytes and outputs are exact, got float16 at bias.",
        ),
        (
            np.array([1, np.nan, 1, 1], np.float32),
            "`params bias` must be finite, got 1 NaN or infinite values, the first at index (1,).",
        ),
        (
            jax.random.split(jax.random.key(0), 4),
            "`params` must be float32, so that bytes and outputs are exact, got key<fry> at bias.",
        ),
    ],
)
def test_a_jack_refuses_parameters(leaf, said):
    params = random_params(structs(SHAPES))
    with pytest.raises(InputError) as caught:
        jat(params={**params, "bias": leaf})
    assert str(caught.value) == said
