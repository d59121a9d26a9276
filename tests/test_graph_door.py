"""What a user gives a graph: patterns, masks, counts, inputs and parameters, and the refusals."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import MLP_SHAPES, close, mlp_apply, structs

from sosjax import trace
from sosjax._errors import InputError

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
        ({"only": ()}, "`only` must name a pattern of leaf paths, got none."),
        ({"only": "zzz*"}, "`only` must match the path of a leaf, got 'zzz*'."),
        ({"granularity": 0}, "`granularity` must be a whole number at least 1, got 0."),
        ({"granularity": True}, "`granularity` must be a whole number at least 1, got True."),
    ],
)
def test_bad_rules_are_refused(rules, said):
    with pytest.raises(InputError) as caught:
        traced_mlp(**rules)
    assert str(caught.value) == said


# Refusals.

FIVE, SEVEN = np.ones(5, bool), np.ones(7, bool)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (
            [FIVE],
            "`masks` must be a list of one array for each of 2 groups, then, if wanted, one for "
            "each of 1 blocks, got 1.",
        ),
        (
            [FIVE, SEVEN, SEVEN[:1], FIVE],
            "`masks` must be a list of one array for each of 2 groups, then, if wanted, one for "
            "each of 1 blocks, got 4.",
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
        came = re.sub(r" at conftest\.py:\d+:", ":", str(caught.value))
        assert said in came and "\n" not in came


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
    assert "ConcretizationTypeError at test_graph_door.py:" in said and "\n" not in said


def test_a_shrunk_function_refuses_parameters_that_were_not_cut(mlp):
    small = mlp.graph.graph.shrink(mlp.params, [np.arange(5) < 2, SEVEN])
    with pytest.raises(InputError, match=r"must be cut by the masks .* got \["):
        small.apply(mlp.params, mlp.inputs)
