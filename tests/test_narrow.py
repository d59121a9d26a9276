"""Stretches: which are found, how much of them is computed, and that nothing else changes."""

import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import flops, narrowed_outputs
from conftest import close, random_masks

from sosjax import trace
from sosjax.graph import _narrow

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.throughput._executed import executed


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def branches(function, *given):
    """Return the branches of every choice that a function makes, in order."""
    jaxpr = jax.make_jaxpr(function)(*given).jaxpr
    return [one.params["branches"] for one in jaxpr.eqns if one.primitive.name == "cond"]


def chosen(function, *given):
    """Return the number of the branch that is taken in every choice."""
    found = []
    real = jax.lax.switch

    def switch(index, ways, *operands):
        found.append(int(index))
        return real(index, ways, *operands)

    with pytest.MonkeyPatch.context() as patch, jax.disable_jit():
        patch.setattr(jax.lax, "switch", switch)
        function(*given)
    return found


def hidden(params, x):
    """A hidden layer, and a residual branch with another."""
    x = jnp.tanh(x @ params["up"]) @ params["down"]
    return x + jax.nn.relu(x @ params["wide"]) @ params["narrow"]


PARAMS = {"up": draw(4, 12), "down": draw(12, 5), "wide": draw(5, 40), "narrow": draw(40, 5)}
X = draw(3, 4)


@pytest.fixture(scope="module")
def graph():
    return trace(hidden, PARAMS, X)


def first(graph, *counts, block=True):
    masks = [np.arange(size) < count for size, count in zip(graph.sizes, counts, strict=True)]
    return [*masks, np.array([block])]


def test_every_width_computes_as_much_as_it_holds(graph):
    assert graph.sizes == (12, 40) and len(graph.blocks) == 1
    run = lambda masks: narrowed_outputs(graph, PARAMS, masks, X)  # noqa: E731
    found = {tuple(map(flops, one)) for one in branches(run, first(graph, 1, 1))}
    each = 2 * 3 * (4 + 5)  # two for each product, three examples
    plain = tuple(each * width for width in (12, 6, 3, 2, 1))
    each = 2 * 3 * (5 + 5)
    in_a_block = (*(each * width for width in (40, 20, 10, 5, 3, 2, 1)), 0)
    assert found == {plain, in_a_block}


@pytest.mark.parametrize(
    ("kept", "taken"), [(40, 0), (21, 0), (20, 1), (11, 1), (10, 2), (5, 3), (4, 3), (3, 4), (1, 6)]
)
def test_the_narrowest_that_holds_what_is_kept_is_taken(graph, kept, taken):
    run = lambda masks: narrowed_outputs(graph, PARAMS, masks, X)  # noqa: E731
    assert sorted(chosen(run, first(graph, 12, kept))) == sorted([0, taken])


def test_nothing_of_a_block_is_computed_that_is_left_out(graph):
    run = lambda masks: narrowed_outputs(graph, PARAMS, masks, X)  # noqa: E731
    masks = first(graph, 12, 40, block=False)
    assert sorted(chosen(run, masks)) == [0, 7]
    close(run(masks), graph.masked(PARAMS, masks, X))


def test_any_units_are_as_good_as_the_first(graph):
    run = jax.jit(lambda masks: narrowed_outputs(graph, PARAMS, masks, X))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        masks = [rng.permutation(size) < rng.integers(1, size + 1) for size in graph.sizes]
        close(run([*masks, np.array([True])]), graph.masked(PARAMS, [*masks, [True]], X))


def test_small_stretches_are_left_as_they_are(graph, monkeypatch):
    network = graph.traced(PARAMS, (X,))
    program, masking = graph.masked_program(network)
    values = program.given(PARAMS, (X,)) | graph.given_masks(graph.full())
    targets = program.region.outputs
    larger = 2.0 * (5 + 5) * 20  # what half of its width saves
    for wanted, least in ((2, 0.0), (1, larger), (0, larger + 1)):
        monkeypatch.setattr(_narrow, "WORTH", least)
        found = _narrow.narrowed(program, network, masking, set(values), targets)
        assert sum(one.name == "stretch" for one in found.region.equations) == wanted


def attention(params, x):
    """Three heads; queries and keys have the size 4, values the size 5."""
    query, key, value = (jnp.einsum("sd,dhe->she", x, params[name]) for name in ("q", "k", "v"))
    weights = jax.nn.softmax(jnp.einsum("qhe,khe->hqk", query, key), -1)
    return jnp.einsum("hqk,khe,hed->qd", weights, value, params["out"])


def test_the_sizes_of_heads_are_narrowed_within_the_heads_that_are_left():
    params = {"q": draw(4, 3, 4), "k": draw(4, 3, 4), "v": draw(4, 3, 5), "out": draw(3, 5, 2)}
    graph = trace(attention, params, X)
    assert sorted(graph.sizes) == [3, 4, 5]
    run = jax.jit(lambda masks: narrowed_outputs(graph, params, masks, X))
    (heads,) = branches(lambda masks: narrowed_outputs(graph, params, masks, X), graph.full())
    inner = [[one for one in way.jaxpr.eqns if one.primitive.name == "cond"] for way in heads]
    assert [len(one) for one in inner] == [2, 2, 2]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        masks = [rng.permutation(size) < rng.integers(1, size + 1) for size in graph.sizes]
        close(run(masks), graph.masked(params, masks, X))


def test_units_that_are_sliced_are_computed():
    def gated(params, x):
        first, second = jnp.split(x @ params["both"], 2, -1)
        return (first * jnp.tanh(second)) @ params["down"]

    params = {"both": draw(4, 16), "down": draw(8, 5)}
    graph = trace(gated, params, X)
    assert graph.sizes == (8,)
    assert branches(partial(narrowed_outputs, graph, params), graph.full(), X) == []


def test_units_that_depend_on_what_comes_between_are_narrowed_product_by_product():
    def between(params, x):
        units = x @ params["up"]
        scale = jnp.tanh(units @ params["down"]).sum(-1, keepdims=True)
        return (units * scale) @ params["down"]

    params = {"up": draw(4, 8), "down": draw(8, 5)}
    graph = trace(between, params, X)
    assert graph.sizes == (8,)
    run = lambda masks: narrowed_outputs(graph, params, masks, X)  # noqa: E731
    found = [tuple(map(flops, one)) for one in branches(run, graph.full())]
    up, down = (tuple(2 * 3 * each * width for width in (8, 4, 2)) for each in (4, 5))
    assert sorted(found) == sorted([up, down, down])
    for seed in range(5):
        masks = random_masks(graph.sizes, seed)
        close(run(masks), graph.masked(params, masks, X))
        kept = int(np.sum(masks[0]))
        assert set(chosen(run, masks)) == {sum(kept <= width for width in (4, 2))}


def test_widths_of_a_residual_stream_are_narrowed(tiny_resnet, monkeypatch):
    """Of a network of blocks, each product at the widths of what it reads and of what it writes."""
    monkeypatch.setattr(_narrow, "WORTH", 0.0)
    graph, params, inputs = tiny_resnet.graph, tiny_resnet.params, tiny_resnet.inputs

    def run(masks):
        return graph.features(params, inputs, masks, False, narrow=True)[0]

    full = graph.graph.full()
    (stream,) = (n for n, group in enumerate(graph.groups) if group.name == "stages/0/0/conv2")
    masks = list(full)
    masks[stream] = np.arange(graph.sizes[stream]) % 4 == 1
    kept = [int(mask.sum()) for mask in masks]
    needed, whole = (graph.cost(np.array(n), graph.classes)["flops"] for n in (kept, graph.sizes))
    assert needed < 0.7 * whole
    assert executed(run, masks) / executed(run, full) < needed / whole + 0.05
    close(run(masks), graph.features(params, inputs, masks, False)[0])


@pytest.mark.parametrize("estimate", [False, True])
@pytest.mark.parametrize("name", ["cnn", "tiny_resnet"])
def test_features_and_moments_are_those_of_the_masked_network(name, estimate, request, monkeypatch):
    monkeypatch.setattr(_narrow, "WORTH", 0.0)
    network = request.getfixturevalue(name)
    graph, params, inputs = network.graph, network.params, network.inputs
    plain = jax.jit(partial(graph.features, estimate=estimate))
    narrow = partial(graph.features, estimate=estimate, narrow=True)
    assert branches(narrow, params, inputs, graph.graph.full())
    for seed in range(3):
        masks = random_masks(graph.sizes, seed)
        wanted, moments = plain(params, inputs, masks)
        found, others = jax.jit(narrow)(params, inputs, masks)
        close(found, wanted)
        small = graph.cut_leaves(params, moments, masks)
        for leaf, array in graph.cut_leaves(params, others, masks).items():
            close(array, small[leaf])
