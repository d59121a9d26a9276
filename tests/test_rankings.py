"""Scores of units against explicit numbers, and what is made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import _subject_of, normalised, random_params, structs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax import Kernel, Ratios, Split
from sosjax.fitness._batch import task_batch
from sosjax.graph._watch import watched_features
from sosjax.space._importance import (
    MEASURED,
    drawn,
    kept_above,
    mixture,
    ranking,
    unit_costs,
)
from sosjax.space._importance import normalised as of_mean_one

LABELS = ((0, 1, 3), (2, 1))


@pytest.fixture(scope="module")
def batch():
    """Examples of four classes; the second task has fewer, so that it is padded."""
    rng = np.random.default_rng(0)
    split = Split(rng.normal(size=(20, 3)).astype(np.float32), np.arange(20, dtype=np.int32) % 4)
    return task_batch([split] * 2, "search", LABELS)


@pytest.fixture(scope="module")
def scores(mlp, batch):
    """All three scores of the MLP, from one pass."""
    kernel = Kernel(mlp.graph, Ratios(mlp.graph.sizes))
    return jax.jit(kernel.scores)(mlp.params, batch)


def forward(params, x, masks):
    """Return every value of the MLP that is consumed, and the logits; masks where it is."""
    hidden = np.maximum(x @ params["first"]["kernel"] + params["first"]["bias"], 0)
    wide = hidden + np.tanh((hidden * masks[0]) @ params["turn"])
    inner = np.maximum((wide * masks[0]) @ params["up"]["kernel"] + params["up"]["bias"], 0)
    logits = (inner * masks[1]) @ params["head"]["kernel"] + params["head"]["bias"]
    return hidden, wide, inner, logits


def examples_of(batch, task):
    """Return the examples of a task one by one, padding left out."""
    real = np.asarray(batch.real[task]) > 0
    return np.float64(batch.inputs[task])[real], np.asarray(batch.targets[task])[real]


def slopes(params, x, target, labels):
    """Return d loss / d mask of one example by central differences in double precision."""

    def loss(masks):
        logits = forward(params, x, masks)[-1][list(labels)]
        return np.log(np.exp(logits).sum()) - logits @ target[: len(labels)]

    found = []
    for group, size in enumerate((5, 7)):
        for unit in range(size):
            ends = []
            for step in (1e-5, -1e-5):
                masks = [np.ones(5), np.ones(7)]
                masks[group][unit] += step
                ends.append(loss(masks))
            found.append((ends[0] - ends[1]) / 2e-5)
    return np.array(found)


@pytest.mark.parametrize("task", [0, 1])
def test_taylor_and_fisher_are_the_means_of_finite_differences(mlp, batch, scores, task):
    params = jax.tree.map(np.float64, mlp.params)
    rows = zip(*examples_of(batch, task), strict=True)
    each = np.array([slopes(params, x, target, LABELS[task]) for x, target in rows])
    assert len(each) == (15, 10)[task]
    for name, wanted in (("taylor", np.abs(each).mean(0)), ("fisher", (each**2).mean(0))):
        found = np.concatenate([group[task] for group in scores[name]])
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("task", [0, 1])
def test_activation_is_the_size_of_the_data_times_that_of_the_weights(mlp, batch, scores, task):
    params = jax.tree.map(np.float64, mlp.params)
    inputs, _ = examples_of(batch, task)
    hidden, wide, inner, _ = forward(params, inputs, [1, 1])
    head = params["head"]["kernel"][:, list(LABELS[task])]

    def put_in(data, kernel):
        return (data**2).mean(0) * (kernel**2).sum(1)

    first = put_in(hidden, params["turn"]) + put_in(wide, params["up"]["kernel"])
    np.testing.assert_allclose(scores["activation"][0][task], first**0.5, rtol=1e-4)
    second = put_in(inner, head) ** 0.5
    np.testing.assert_allclose(scores["activation"][1][task], second, rtol=1e-4)


def watched(graph, params, inputs):
    """Return what the units of each group put in, summed over the examples."""
    kernel = params["head"]["kernel"]
    masks = [jnp.ones(size) for size in graph.sizes]

    def total(watch):
        return jnp.sin(watched_features(graph, params, inputs, masks, watch, kernel)).sum()

    noted = jax.jit(jax.grad(total))(jnp.zeros(1 + sum(graph.sizes)))
    return np.split(noted[1:], np.cumsum(graph.sizes)[:-1])


def test_a_convolution_counts_every_product_of_data_and_weight(cnn):
    params = cnn.params
    data = np.asarray(
        normalised(
            jax.lax.conv_general_dilated(
                cnn.inputs,
                params["conv1"],
                (1, 1),
                "SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            ),
            params["norm1"],
        ),
        np.float64,
    )
    kernel = np.float64(params["conv2"])
    wanted = np.zeros(4)
    # Six places, steps of two, three taps: one place of padding, after the last.
    padded = np.pad(data, ((0, 0), (0, 1), (0, 1), (0, 0)))
    for row in range(3):
        for column in range(3):
            for down in range(3):
                for right in range(3):
                    seen = padded[:, 2 * row + down, 2 * column + right]
                    wanted += (seen**2).sum(0) * (kernel[down, right] ** 2).sum(1)
    first, second = watched(cnn.graph, params, cnn.inputs)
    np.testing.assert_allclose(first, wanted, rtol=1e-4)
    graph = cnn.graph
    ones = [np.ones(size, bool) for size in graph.sizes]
    features = np.float64(graph.features(params, cnn.inputs, ones, False)[0])
    head = np.float64(params["head"]["kernel"])
    np.testing.assert_allclose(second, (features**2).sum(0) * (head**2).sum(1), rtol=1e-4)


def subject_of(apply, shapes, shape):
    """Return a network of a function, and its parameters."""
    params = random_params(structs(shapes))
    return _subject_of(apply, params, shape, ()), params


def test_loops_put_in_at_every_step():
    def apply(params, inputs):
        def step(hidden, row):
            hidden = jnp.tanh(row @ params["in"] + hidden @ params["again"])
            return hidden, None

        start = jnp.zeros((len(inputs), 5))
        hidden, _ = jax.lax.scan(step, start, jnp.moveaxis(inputs, 1, 0))
        return hidden @ params["head"]["kernel"] + params["head"]["bias"]

    shapes = {"in": (3, 5), "again": (5, 5), "head": {"kernel": (5, 2), "bias": (2,)}}
    graph, params = subject_of(apply, shapes, (4, 3))
    inputs = np.random.default_rng(1).normal(size=(6, 4, 3)).astype(np.float32)
    hidden, wanted = np.zeros((6, 5)), np.zeros(5)
    for step in range(4):
        wanted += (hidden**2).sum(0) * (params["again"] ** 2).sum(1)
        hidden = np.tanh(inputs[:, step] @ params["in"] + hidden @ params["again"])
    wanted += (hidden**2).sum(0) * (params["head"]["kernel"] ** 2).sum(1)
    (found,) = watched(graph, params, inputs)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_a_product_of_two_data_is_counted_once():
    def apply(params, inputs):
        ask, key, value = (inputs @ params[name] for name in ("ask", "key", "value"))
        shares = jax.nn.softmax(jnp.einsum("bsi,bti->bst", ask, key), -1)
        mean = (shares @ value).mean(1)
        return mean @ params["head"]["kernel"] + params["head"]["bias"]

    shapes = {"ask": (3, 4), "key": (3, 4), "value": (3, 6)}
    graph, params = subject_of(apply, shapes | {"head": {"kernel": (6, 2), "bias": (2,)}}, (5, 3))
    inputs = np.random.default_rng(1).normal(size=(2, 5, 3)).astype(np.float32)
    ask, key = inputs @ params["ask"], inputs @ params["key"]
    found = dict(zip(graph.sizes, watched(graph, params, inputs), strict=True))
    np.testing.assert_allclose(found[4], ((ask**2).sum(1) * (key**2).sum(1)).sum(0), rtol=1e-4)
    assert (found[6] > 0).all()


@pytest.mark.parametrize("name", MEASURED)
def test_one_pass_gives_what_each_gives_alone(mlp, batch, scores, name):
    kernel = Kernel(mlp.graph, Ratios(mlp.graph.sizes))
    alone = jax.jit(lambda params, rows: kernel.scores(params, rows, (name,)))(mlp.params, batch)
    assert list(alone) == [name]
    for one, other in zip(alone[name], scores[name], strict=True):
        assert one.shape == other.shape and one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_scores_come_from_one_program_that_sees_each_example_once(mlp, batch):
    """The watch adds one transposed product to each of those of the gradient, and no pass."""
    kernel = Kernel(mlp.graph, Ratios(mlp.graph.sizes))

    def products(names):
        program = jax.make_jaxpr(lambda rows: kernel.scores(mlp.params, rows, names))(batch)
        return str(program).count("dot_general")

    # The four products of the network, and their derivatives by data.
    assert products(("taylor",)) == products(("taylor", "fisher"))
    assert products(MEASURED) <= 2 * products(("taylor",)) + 4


@given(st.permutations(range(7)))
def test_permuting_units_permutes_their_scores(mlp, batch, scores, order):
    order = np.array(order)
    moved = jax.tree.map(lambda leaf: leaf, mlp.params)
    moved["up"] = {name: leaf[..., order] for name, leaf in mlp.params["up"].items()}
    moved["head"] = mlp.params["head"] | {"kernel": mlp.params["head"]["kernel"][order]}
    kernel = Kernel(mlp.graph, Ratios(mlp.graph.sizes))
    found = jax.jit(kernel.scores)(moved, batch)
    for name in MEASURED:
        first, second = scores[name]
        np.testing.assert_allclose(found[name][0], first, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(found[name][1], second[:, order], rtol=1e-3, atol=1e-6)


POSITIVE = st.floats(2.0**-20, 2.0**20, width=32)


@given(hnp.arrays(np.float32, (3, 6), elements=POSITIVE))
def test_places_are_a_permutation_that_falls_with_the_score(scores):
    (places,) = ranking([jnp.asarray(scores)])
    assert places.dtype == jnp.int32
    for row, place in zip(scores, np.asarray(places), strict=True):
        assert sorted(place) == list(range(6))
        assert (np.diff(row[np.argsort(place)]) <= 0).all()


SIZES = (1, 4, 9)
MIXED = Ratios(SIZES, blocks=1, rankings=3)
decode, plainly = jax.jit(MIXED.decode), jax.jit(Ratios(SIZES, blocks=1).decode)


def told(seed):
    """Return three rankings' scores of each group, all apart from each other."""
    rng = np.random.default_rng(seed)
    rows = [np.stack([rng.permutation(size) + 1.0 for _ in range(3)]) for size in SIZES]
    return of_mean_one([jnp.asarray(row, jnp.float32) for row in rows])


@given(hnp.arrays(np.float32, 7, elements=st.floats(0, 1, width=32)), st.integers(0, 99))
def test_a_mixture_keeps_as_many_as_one_ranking_and_at_least_one(genes, seed):
    scores = told(seed)
    masks = decode(genes, scores)
    alone = plainly(genes[:4], ranking([score[0] for score in scores]))
    for mask, other in zip(masks, alone, strict=True):
        assert mask.dtype == bool and mask.sum() == other.sum()
    assert all(mask.any() for mask in masks[:-1])


@given(
    hnp.arrays(np.float32, 4, elements=st.floats(0, 1, width=32)),
    st.floats(2.0**-10, 1, width=32),
    st.integers(0, 2),
    st.integers(0, 99),
)
def test_a_mixture_of_one_is_that_ranking(genes, weight, chosen, seed):
    scores = told(seed)
    weights = np.where(np.arange(3) == chosen, np.float32(weight), np.float32(0))
    masks = decode(np.concatenate([genes, weights]), scores)
    alone = plainly(genes, ranking([score[chosen] for score in scores]))
    for mask, other in zip(masks, alone, strict=True):
        np.testing.assert_array_equal(mask, other)


def test_weights_of_zero_count_all_rankings_alike():
    scores, genes = told(0), jnp.full(4, 0.5)
    even = plainly(genes, ranking(mixture(scores)))
    for weights in (0.0, 1.0, 0.25):
        masks = decode(jnp.concatenate([genes, jnp.full(3, weights)]), scores)
        for mask, other in zip(masks, even, strict=True):
            np.testing.assert_array_equal(mask, other)


def test_a_single_ranking_has_no_weights():
    plain = Ratios(SIZES, blocks=1)
    assert (plain.dimensions, plain.weights, MIXED.dimensions, MIXED.weights) == (4, 0, 7, 3)
    key = jax.random.key(3)
    np.testing.assert_array_equal(MIXED.sample(key, 5)[:, :4], plain.sample(key, 5))
    drawn_weights = MIXED.sample(key, 400, 0.5, 0.5)[:, 4:]
    assert float(drawn_weights.min()) < 0.02 and float(drawn_weights.max()) > 0.98
    shares = np.array([0.3, 1.0])
    np.testing.assert_array_equal(MIXED.uniform(shares)[:, :4], plain.uniform(shares))
    assert (MIXED.uniform(shares)[:, 4:] == 1).all()


def test_random_scores_follow_the_seed_and_differ_by_task():
    one, same, other = (drawn(seed, 2, SIZES)[2] for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert one.shape == (2, 9) and (one != other).all() and (one[0] != one[1]).all()
    assert ((one > 0) & (one <= 1)).all()


def test_a_unit_costs_what_the_network_is_smaller_by_without_it(cnn):
    # conv1 9, norm1 2 and conv2 9 x 6; conv2 9 x 4, norm2 2 and a row of the head.
    assert unit_costs(cnn.graph, "parameters", 3).tolist() == [9 + 2 + 54, 36 + 2 + 3]
    # Places 36 and 9; two FLOPs for each product.
    flops = [2 * (36 * 9 + 9 * 54), 2 * (9 * 36 + 3)]
    assert unit_costs(cnn.graph, "flops", 3).tolist() == flops


@given(
    st.lists(hnp.arrays(np.float64, st.integers(1, 6), elements=POSITIVE), min_size=1, max_size=4)
)
def test_a_threshold_for_all_groups(scores):
    every = np.sort(np.concatenate(scores))[::-1]
    shares = np.arange(1, len(every) + 1) / len(every)
    counts = kept_above(scores, shares)
    assert counts.shape == (len(every), len(scores))
    for number, row in enumerate(counts, start=1):
        assert row.min() >= 1
        for score, count in zip(scores, row, strict=True):
            above, reached = (score > every[number - 1]).sum(), (score >= every[number - 1]).sum()
            assert max(above, 1) <= count <= max(reached, 1)
    assert counts[-1].tolist() == [len(score) for score in scores]
