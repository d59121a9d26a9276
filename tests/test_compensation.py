"""Compensation: kept weights make up for removed ones, against numpy."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import close, drawn_masks, random_masks, random_params, structs
from hypothesis import given
from hypothesis import strategies as st

from sosjax import Head
from sosjax._tree import named_leaves, with_leaves
from sosjax.fitness._compensation import factorised, made_good, made_up, rescaled, task_moments
from sosjax.fitness._surgeon import surgeon_scores
from sosjax.graph._graph import trace
from sosjax.graph._subject import subject

KEY = jax.random.key(3)


def attention_apply(params, tokens):
    """Two heads of three over embedded tokens, then two layers of units; 0 is padding."""
    mask = tokens != 0
    hidden = params["embedding"][tokens]
    query, key, value = (jnp.einsum("bsi,ihd->bshd", hidden, params[name]) for name in "qkv")
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key)
    scores = jnp.where(mask[:, None, None], scores, -1e30)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores, -1), value)
    hidden = hidden + jnp.einsum("bqhd,hdo->bqo", mixed, params["out"])
    units = jax.nn.gelu(hidden @ params["up"]["kernel"] + params["up"]["bias"])
    # The weight is on the left: W x.
    hidden = hidden + jnp.einsum("of,bsf->bso", params["down"], units)
    features = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return features @ params["head"]["kernel"] + params["head"]["bias"]


SHAPES = {
    "embedding": (9, 4),
    "q": (4, 2, 3),
    "k": (4, 2, 3),
    "v": (4, 2, 3),
    "out": (2, 3, 4),
    "up": {"kernel": (4, 8), "bias": (8,)},
    "down": (4, 8),
    "head": {"kernel": (4, 3), "bias": (3,)},
}


@pytest.fixture(scope="module")
def encoder():
    """The network above: `params`, `graph`, forty `inputs`, of which some are padded."""
    params = random_params(structs(SHAPES))
    graph = trace(attention_apply, params, jax.ShapeDtypeStruct((1, 6), jnp.int32))
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 9, (40, 6)).astype(np.int32)
    tokens[::3, 4:] = 0
    head = Head("head/kernel", "head/bias")
    return SimpleNamespace(params=params, graph=subject(graph, (), head), inputs=tokens)


def moments_of(network, inputs, weights=None, chunk=16):
    weights = jnp.ones(len(inputs)) if weights is None else weights
    run = jax.jit(task_moments, static_argnums=(0, 4))
    return run(network.graph, network.params, jnp.asarray(inputs), weights, chunk, KEY)


def fitted(network, masks, ridge=1e-6):
    """Return the parameters with compensated weights."""
    found = jax.device_get(moments_of(network, network.inputs))
    known = {leaf: factorised(one, ridge=ridge) for leaf, one in found.items()}
    own = made_good(made_up, network.graph.sites().found, network.params, masks, known)
    return with_leaves(network.params, named_leaves(network.params) | own)


def test_sites_are_products_with_what_can_be_removed(encoder, mlp, cnn):
    found = encoder.graph.sites()
    # Nothing pins the hidden units here, which queries, keys, values and units are made of.
    widths = {site.leaf: len(site.table) for site in found.found}
    assert widths == {"q": 4, "k": 4, "v": 4, "out": 6, "up/kernel": 4, "down": 8}
    assert found.refused == {}
    # The head is fitted anyway; the square kernel carries the group on both axes.
    assert [site.leaf for site in mlp.graph.sites().found] == ["turn", "up/kernel"]
    assert [site.leaf for site in cnn.graph.sites().found] == ["conv2"]


@pytest.mark.parametrize("name", ["encoder", "mlp", "cnn"])
def test_rows_times_matrix_is_the_product(name, request):
    network = request.getfixturevalue(name)
    graph = network.graph.graph
    inputs = jnp.asarray(network.inputs)
    program = graph.traced(network.params, (inputs,)).program
    leaves = named_leaves(network.params)
    for site in network.graph.sites().found:
        values = program.given(network.params, (inputs,))
        data, product = program.evaluate(values, [site.data, site.product])
        leaf = leaves[site.leaf]
        close(site.rows(data, leaf.shape) @ site.matrix(leaf), site.outputs(product))
        assert np.array_equal(site.as_leaf(site.matrix(leaf), leaf), leaf)


def test_a_leaf_that_is_used_twice_is_no_site():
    def tied(params, inputs):
        hidden = jax.nn.relu(inputs @ params["up"])
        return hidden @ params["down"] + jnp.tanh(hidden) @ params["down"]

    params = {"up": jnp.ones((3, 5)), "down": jnp.ones((5, 4))}
    graph = trace(tied, params, jnp.ones((1, 2, 3)))
    found = subject(graph, (), None).sites()
    assert found == ((), {"down": "it is used 2 times"})


def test_a_leaf_inside_a_loop_is_no_site():
    def looped(params, inputs):
        def step(hidden, _):
            return jnp.tanh(hidden @ params["turn"]), None

        return jax.lax.scan(step, inputs @ params["up"], length=2)[0] @ params["down"]

    params = {"up": jnp.ones((3, 5)), "turn": jnp.ones((5, 5)), "down": jnp.ones((5, 4))}
    found = subject(trace(looped, params, jnp.ones((1, 2, 3))), (), None).sites()
    assert [site.leaf for site in found.found] == ["down"]
    assert found.refused == {"turn": "it is used inside a loop"}


def solved(rows, matrix, kept, penalty):
    """Fit what is lost by numpy, the penalty as further rows, and add it to what is kept."""
    out, count = np.where(kept[:, None], matrix, 0), kept.sum()
    fit = np.concatenate([rows[:, kept], np.sqrt(penalty) * np.eye(count)])
    lost = np.concatenate([rows[:, ~kept] @ matrix[~kept], np.zeros((count, matrix.shape[1]))])
    out[kept] += np.linalg.lstsq(fit, lost, rcond=None)[0]
    return out


@given(st.integers(0, 10**6))
def test_weights_are_those_of_least_squares(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(60, 7)) @ (np.eye(7) + 0.2 * rng.normal(size=(7, 7))) + 0.5
    matrix, kept = rng.normal(size=(7, 3)), rng.random(7) < 0.6
    kept[0] = True
    known = factorised(rows.T @ rows, ridge=1e-3)
    found = made_up(jnp.asarray(matrix, jnp.float32), jnp.asarray(kept), known)
    penalty = 1e-3 * np.square(rows).sum() / 7
    np.testing.assert_allclose(found, solved(rows, matrix, kept, penalty), atol=5e-4)
    assert not np.asarray(found)[~kept].any()


@given(st.integers(0, 10**6), st.integers(1, 12))
def test_a_product_is_never_farther_off_than_without(seed, rank):
    """However few the directions, on the moments that they stand for."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, 12)) * rng.uniform(0, 3, 12) + rng.normal(size=12)
    matrix, kept = rng.normal(size=(12, 2)).astype(np.float32), rng.random(12) < 0.5
    kept[0] = True
    known = factorised(rows.T @ rows, rank)
    found = np.asarray(made_up(jnp.asarray(matrix), jnp.asarray(kept), known), np.float64)
    moments = known.factor @ known.factor.T + np.diag(known.rest)

    def off(weights):
        gap = weights - matrix
        return (gap * (moments @ gap)).sum()

    assert off(found) <= off(np.where(kept[:, None], matrix, 0)) * (1 + 1e-4) + 1e-5


@given(st.integers(0, 10**6))
def test_a_rescaled_product_has_the_power_it_had(seed):
    """On the moments that are known; whole it is the same to the bit, and of nothing it is zero."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(40, 7)) * rng.uniform(0.1, 3, 7) + rng.normal(size=7)
    matrix, kept = rng.normal(size=(7, 3)).astype(np.float32), rng.random(7) < 0.5
    kept[0], known = True, factorised(rows.T @ rows, ridge=0.0)
    found = np.asarray(rescaled(jnp.asarray(matrix), jnp.asarray(kept), known))
    assert not found[~kept].any()
    before, after = (((rows @ one) ** 2).mean(0) for one in (matrix, found))
    np.testing.assert_allclose(after, before, rtol=1e-3)
    # Each column is scaled as a whole.
    shares = found[kept] / matrix[kept]
    np.testing.assert_allclose(shares, shares[:1].repeat(len(shares), 0), rtol=1e-4)
    whole, none = (
        np.asarray(rescaled(jnp.asarray(matrix), jnp.full(7, every), known))
        for every in (True, False)
    )
    assert np.array_equal(whole, matrix) and not none.any()


def test_few_directions_of_many_are_the_largest():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 64)) @ np.diag(0.8 ** np.arange(64)) @ rng.normal(size=(64, 64))
    matrix = rows.T @ rows
    known = factorised(matrix, 8)
    exact = np.linalg.eigvalsh(matrix / (np.trace(matrix) / 64))[-8:]
    np.testing.assert_allclose(np.linalg.norm(known.factor, axis=0) ** 2, exact, rtol=1e-3)
    diagonal = (known.factor**2).sum(1) + known.rest
    np.testing.assert_allclose(diagonal, np.diag(matrix) / np.trace(matrix) * 64 + 1e-3, rtol=1e-4)


@pytest.fixture(scope="module")
def making_up(encoder):
    """The moments of the encoder's sites, and a compiled function from masks to weights."""
    found = jax.device_get(moments_of(encoder, encoder.inputs))
    known = {leaf: factorised(one) for leaf, one in found.items()}
    sites = encoder.graph.sites().found
    return found, jax.jit(lambda masks: made_good(made_up, sites, encoder.params, masks, known))


def test_the_surgeon_foretells_what_is_lost_once_made_up_for(encoder, making_up):
    """The score of a unit is the error of the products once it is gone, at both kinds of sites."""
    graph, sites = encoder.graph, encoder.graph.sites().found
    found, made = making_up
    scores = surgeon_scores(sites, encoder.params, found, graph.sizes)
    leaves = named_leaves(encoder.params)
    for group, score in enumerate(scores):
        if score is None:
            continue
        for unit in range(graph.sizes[group]):
            masks = [np.ones(size, bool) for size in graph.sizes]
            masks[group][unit] = False
            own, lost = made(masks), 0.0
            for site in sites:
                matrix = np.asarray(site.matrix(leaves[site.leaf]), np.float64)
                gap = np.asarray(site.matrix(own[site.leaf])) - matrix
                scale = np.trace(found[site.leaf]) / len(gap)
                moments = found[site.leaf] + 1e-3 * scale * np.eye(len(gap))
                lost += (gap * (moments @ gap)).sum()
            assert score[unit] == pytest.approx(lost, rel=2e-2)
    # Queries and keys meet each other and no weight, so that their sizes have no site.
    names = [group.name for group, score in zip(graph.groups, scores, strict=True) if score is None]
    assert names == ["k.1"]


@given(st.data())
def test_outputs_are_closer_to_the_whole_networks_at_each_site(encoder, making_up, data):
    masks = drawn_masks(data, encoder.graph)[: len(encoder.graph.sizes)]
    found, made = making_up
    own = made(masks)
    for site in encoder.graph.sites().found:
        matrix = np.asarray(site.matrix(named_leaves(encoder.params)[site.leaf]))
        kept = np.asarray(site.kept(masks))
        gaps = [
            np.asarray(site.matrix(own[site.leaf])) - matrix,
            np.where(kept[:, None], 0, matrix),
        ]
        off = [np.einsum("fo,fg,go->", gap, found[site.leaf], gap) for gap in gaps]
        assert off[0] <= off[1] * 1.001 + 1e-4


def test_nothing_changes_where_nothing_is_removed(encoder):
    masks = [np.ones(size, bool) for size in encoder.graph.sizes]
    whole = named_leaves(fitted(encoder, masks))
    for name, leaf in named_leaves(encoder.params).items():
        assert np.array_equal(whole[name], leaf), name


@pytest.mark.parametrize("name", ["encoder", "mlp", "cnn"])
@pytest.mark.parametrize("seed", [0, 1])
def test_masked_is_shrunk(name, seed, request):
    network = request.getfixturevalue(name)
    masks = random_masks(network.graph.sizes, seed)
    params = fitted(network, masks)
    small = network.graph.shrink(params, masks)
    inputs = jnp.asarray(network.inputs)
    close(small.apply(small.params, inputs), network.graph.logits(params, inputs, masks))
    leaves = named_leaves(params)
    own = {site.leaf: leaves[site.leaf] for site in network.graph.sites().found}
    cut = network.graph.cut_leaves(network.params, own, masks)
    for leaf in own:
        assert np.array_equal(cut[leaf], named_leaves(small.params)[leaf])


def test_padding_counts_nothing(encoder):
    found = moments_of(encoder, encoder.inputs)
    longer = np.concatenate([encoder.inputs, np.zeros((40, 3), np.int32)], 1)
    for chunk in (16, 40):
        again = moments_of(encoder, longer, chunk=chunk)
        for site in encoder.graph.sites().found:
            close(again[site.leaf], found[site.leaf])


def test_examples_that_fill_up_count_nothing(encoder):
    real = jnp.arange(32) < 20
    one = moments_of(encoder, encoder.inputs[:32], real.astype(jnp.float32), chunk=32)
    filled = np.concatenate([encoder.inputs[:20], encoder.inputs[:12]])
    other = moments_of(encoder, filled, real.astype(jnp.float32), chunk=32)
    alone = moments_of(encoder, encoder.inputs[:20], chunk=8)
    for leaf in one:
        close(one[leaf], other[leaf])
        close(one[leaf], alone[leaf])


def test_mapped_is_looped(encoder):
    found = jax.device_get(moments_of(encoder, encoder.inputs))
    known = {leaf: factorised(one, ridge=0.1) for leaf, one in found.items()}
    sites = encoder.graph.sites().found
    rows = [random_masks(encoder.graph.sizes, seed) for seed in range(3)]
    stacked = [np.stack(column) for column in zip(*rows, strict=True)]
    run = lambda masks: made_good(made_up, sites, encoder.params, masks, known)  # noqa: E731
    mapped = jax.jit(jax.vmap(run))(stacked)
    for number, row in enumerate(rows):
        for leaf, one in run(row).items():
            close(mapped[leaf][number], one)
