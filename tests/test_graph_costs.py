"""What sub-networks cost, against the arrays and the trace of really smaller ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import drawn_masks, kept_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax import trace
from sosjax._errors import InputError


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


@pytest.mark.parametrize("kept", [[0, 7], [6, 7], [5, -1], [5, 7, 2]])
def test_counts_outside_a_group_are_refused(mlp, kept):
    with pytest.raises(InputError, match=r"`kept` must hold 1 to \[5, 7\] units"):
        mlp.graph.graph.cost(kept)
