"""Contractions in bfloat16: which operations are, which are not, and what it changes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import random_masks
from problem import ENVIRONMENTS, SETTINGS, TASKS, make_data, network

from sosjax import InputError, Settings, search, trace
from sosjax.graph._half import in_bfloat16

CONTRACTIONS = ("dot_general", "conv_general_dilated")


def operations(jaxpr):
    """Yield every equation of a program, those of loops and functions too."""
    for one in jaxpr.eqns:
        yield one
        for inner in jax.tree.leaves(
            list(one.params.values()), is_leaf=lambda leaf: hasattr(leaf, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from operations(inner)


def check_dtypes(function, *arguments):
    """Check that contractions read bfloat16, and that else it is only converted."""
    found = list(operations(jax.make_jaxpr(function)(*arguments).jaxpr))
    low = [one for one in found if one.primitive.name in CONTRACTIONS]
    assert low
    for one in low:
        assert {value.aval.dtype.name for value in one.invars} == {"bfloat16"}
        wanted = "float32" if one.primitive.name == "dot_general" else "bfloat16"
        assert {value.aval.dtype.name for value in one.outvars} == {wanted}
    for one in found:
        if one.primitive.name not in (*CONTRACTIONS, "convert_element_type"):
            read = {value.aval.dtype.name for value in one.invars}
            assert "bfloat16" not in read or one.primitive.name in ("pjit", "jit", "scan", "cond")


@pytest.mark.parametrize("estimate", [False, True])
@pytest.mark.parametrize("name", ["tiny_resnet", "cnn"])
def test_features_are_near_and_the_rest_is_in_float32(name, estimate, request):
    one = request.getfixturevalue(name)
    for seed in range(3):
        masks = random_masks(one.graph.sizes, seed)
        wanted, moments = one.graph.features(one.params, one.inputs, masks, estimate)
        found, others = one.graph.halved.features(one.params, one.inputs, masks, estimate)
        assert found.dtype == jnp.float32
        gap = np.abs(found - wanted).max() / np.abs(wanted).max()
        assert 1e-7 < gap < 0.05
        for leaf, array in moments.items():
            assert others[leaf].dtype == array.dtype
            assert np.allclose(others[leaf], array, atol=0.05 * float(np.abs(array).max()))
    check_dtypes(
        lambda params, rows: one.graph.halved.features(params, rows, masks, estimate),
        one.params,
        one.inputs,
    )


def test_loops_are_rounded_inside():
    def stacked(params, x):
        def layer(x, weights):
            return jnp.tanh(x @ weights), None

        x, _ = jax.lax.scan(layer, x @ params["up"], params["layers"])
        return x @ params["down"]

    rng = np.random.default_rng(0)
    shapes = {"up": (4, 6), "layers": (3, 6, 6), "down": (6, 2)}
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    x = rng.normal(size=(5, 4)).astype(np.float32)
    program = in_bfloat16(trace(stacked, params, x).traced(params, (x,)).program)

    def run(params, x):
        return program.outcome(program.given(params, (x,)))

    check_dtypes(run, params, x)
    assert np.allclose(run(params, x), stacked(params, x), atol=0.1)


def test_it_is_one_graph_however_often_it_is_asked():
    graph = network().graph
    assert graph.halved is graph.halved and graph.halved.half and not graph.half


def test_a_search_in_bfloat16_judges_its_members_in_float32():
    """Members are fitted and certified as ever; only what proposes them looked through a haze."""
    plain = search(network(), make_data(), TASKS, ENVIRONMENTS, SETTINGS)
    rounded = replace(SETTINGS, precision="bfloat16")
    found = search(network(), make_data(), TASKS, ENVIRONMENTS, rounded)
    for one, other in zip(plain.tasks, found.tasks, strict=True):
        assert one.jack == other.jack and one.uniform == other.uniform
        same = {tuple(map(bytes, member.masks)): member for member in one.members}
        for member in other.members:
            twin = same.get(tuple(map(bytes, member.masks)))
            if twin is not None:
                assert member.scores.validation_error == twin.scores.validation_error


def test_other_precisions_are_refused():
    with pytest.raises(InputError, match="`search.precision` must be one of"):
        Settings(precision="float16")
