"""Trees like the parameters, and parameters of other types, are cut as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import (
    close,
    kept_of,
    random_masks,
)

from sosjax import trace
from sosjax._errors import InputError
from sosjax._tree import named_leaves


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
        "`tree` must have leaves like the parameters', such as first/bias, first/kernel and 5 "
        "more, got mu."
    )


def test_states_of_a_part_of_the_parameters_or_of_none_are_cut_too(mlp):
    graph, masks = mlp.graph.graph, random_masks(mlp.graph.sizes, 5)
    small = graph.cut(mlp.params, masks)
    part = optax.masked(
        optax.adam(1e-3), {**jax.tree.map(lambda _: False, mlp.params), "turn": True}
    )
    cut = graph.cut(part.init(mlp.params), masks)
    assert cut.inner_state[0].mu["turn"].shape == small["turn"].shape
    nothing = optax.sgd(0.1).init(mlp.params)
    assert graph.cut(nothing, masks) == nothing


def test_a_state_of_other_shapes_is_refused(mlp):
    memory = {"memory": jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), mlp.params)}
    with pytest.raises(InputError, match=r"got \[2, .* at memory/first/bias .* make it anew"):
        mlp.graph.graph.cut(memory, random_masks(mlp.graph.sizes, 5))


def test_soft_masks_are_not_cut_by(mlp):
    soft = [jnp.full(size, 0.5) for size in mlp.graph.sizes]
    with pytest.raises(InputError, match="got other numbers than 0 and 1"):
        mlp.graph.graph.shrink(mlp.params, soft)
