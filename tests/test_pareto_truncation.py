"""Truncation against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax.pareto import truncate

ROWS = 9
truncate_jit = jax.jit(truncate)


def truncated(costs, candidates, count):
    """Take rows away one by one, by the definition, in exact arithmetic of 64 bits."""
    costs = costs.astype(np.float64)
    left = np.flatnonzero(candidates & np.isfinite(costs).all(1)).tolist()
    while len(left) > count:
        squares = ((costs[left][:, None] - costs[left]) ** 2).sum(-1)
        np.fill_diagonal(squares, np.inf)
        distances = np.sort(squares).tolist()
        del left[min(range(len(left)), key=distances.__getitem__)]
    return np.isin(np.arange(len(costs)), left)


@pytest.mark.parametrize("objectives", [1, 2, 3])
@given(data=st.data())
def test_the_most_crowded_go_first(objectives, data):
    values = st.integers(0, 3).map(float) | st.sampled_from([np.nan, np.inf])
    costs = data.draw(hnp.arrays(np.float32, (ROWS, objectives), elements=values))
    candidates = data.draw(hnp.arrays(bool, ROWS))
    count = data.draw(st.integers(0, ROWS))
    found = truncate_jit(costs, candidates, count)
    assert found.tolist() == truncated(costs, candidates, count).tolist()


@pytest.mark.parametrize("count", [1, 2, 20, 60])
def test_rows_of_a_circle_are_those_of_the_definition(count):
    angle = np.random.default_rng(0).random(60) * np.pi / 2
    costs = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    everybody = np.ones(60, bool)
    assert (truncate_jit(costs, everybody, count) == truncated(costs, everybody, count)).all()


def test_more_rows_than_a_block_are_truncated():
    costs = np.random.default_rng(1).random((260, 2), np.float32)
    everybody = np.ones(260, bool)
    assert (truncate_jit(costs, everybody, 250) == truncated(costs, everybody, 250)).all()


def test_batches_are_truncated_as_each():
    costs = np.random.default_rng(2).random((3, 12, 2), np.float32)
    costs[1] = np.round(costs[1])
    candidates = np.arange(12) < np.array([[12], [12], [4]])
    count = np.array([3, 7, 6])
    found = jax.jit(jax.vmap(truncate))(costs, candidates, count)
    each = [truncated(*one).tolist() for one in zip(costs, candidates, count, strict=True)]
    assert found.tolist() == each


def test_huge_costs_do_not_hang():
    costs = np.float32([[0, 3e38], [3e38, 0], [-3e38, 0], [1e38, 1e38]])
    assert int(truncate_jit(costs, np.ones(4, bool), 2).sum()) == 2


def test_another_count_does_not_retrace():
    traces = []

    @jax.jit
    def counted(costs, count):
        traces.append(1)
        return truncate(costs, jnp.ones(len(costs), bool), count)

    for count in (1, 2):
        assert int(counted(jnp.eye(3), count).sum()) == count
    assert len(traces) == 1
