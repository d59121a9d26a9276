"""Thinning a front of two costs: what is left covers it best."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosjax.pareto import igd, nondominated, thin, truncate

thin_jit = jax.jit(thin)


def front(seed, count=30, noise=0.0):
    """Return rows of a quarter circle, moved outwards by noise."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, np.pi / 2, count)
    radius = 1 + noise * rng.uniform(size=count)
    return jnp.asarray(np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1), jnp.float32)


def worth(before, row, after):
    """Return the definition, written down for one row."""
    left, right = np.hypot(*(row - before)), np.hypot(*(after - row))
    chord = after - before
    length = np.hypot(*chord)
    # The normal towards larger costs: the chord runs down to the right.
    behind = np.dot(row - before, np.array([-chord[1], chord[0]])) / length
    return left * right * np.exp(-8 * behind / length)


def by_hand(costs, count):
    """Remove the least row one by one, in float64."""
    rows = sorted(range(len(costs)), key=lambda row: costs[row, 0])
    while len(rows) > max(count, 2):
        worths = [
            worth(costs[before], costs[row], costs[after])
            for before, row, after in zip(rows, rows[1:], rows[2:], strict=False)
        ]
        del rows[1 + int(np.argmin(worths))]
    return set(rows)


@given(st.integers(0, 10**6), st.integers(0, 30), st.sampled_from([0.0, 0.1]))
def test_it_is_the_definition(seed, count, noise):
    costs = front(seed, noise=noise)
    candidates = nondominated(costs)
    rows = np.flatnonzero(candidates)
    expected = by_hand(np.asarray(costs, np.float64)[rows], count)
    left = thin_jit(costs, candidates, count)
    assert set(np.flatnonzero(left)) == {rows[row] for row in expected}


def test_a_thinned_front_is_covered_better_than_by_nearest_neighbours():
    dense = jnp.stack([front(seed, 400) for seed in range(30)])
    true = front(0, 2000)

    def distance(cut):
        left = jax.vmap(lambda costs: cut(costs, jnp.ones(400, bool), 20))(dense)
        return float(
            jax.vmap(igd, (0, None))(jnp.where(left[..., None], dense, jnp.inf), true).mean()
        )

    assert distance(thin) < distance(truncate)


def test_a_row_that_lags_behind_goes_before_one_that_does_not():
    costs = jnp.asarray([[0.0, 1.0], [0.3, 0.7], [0.41, 0.69], [0.6, 0.4], [1.0, 0.0]])
    assert thin(costs, jnp.ones(5, bool), 4).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize(("count", "left"), [(0, 2), (1, 2), (2, 2), (3, 3), (30, 30), (99, 30)])
def test_the_two_ends_stay_and_few_are_all_kept(count, left):
    costs = front(0)
    kept = np.asarray(thin_jit(costs, jnp.ones(30, bool), count))
    assert kept.sum() == left
    assert kept[[int(costs[:, 0].argmin()), int(costs[:, 0].argmax())]].all()


@pytest.mark.parametrize("candidates", [[], [4], [4, 7]])
def test_no_row_that_is_no_candidate_is_kept(candidates):
    chosen = jnp.zeros(30, bool).at[jnp.asarray(candidates, int)].set(True)
    costs = front(0).at[0].set(jnp.inf).at[1].set(jnp.nan)
    assert np.flatnonzero(thin_jit(costs, chosen, 1)).tolist() == candidates


def test_many_fronts_at_once_are_as_one_by_one():
    costs = jnp.stack([front(seed) for seed in range(4)])
    counts = jnp.asarray([5, 10, 20, 30])
    every = jnp.ones((4, 30), bool)
    together = jax.vmap(thin)(costs, every, counts)
    for one, row in enumerate(costs):
        np.testing.assert_array_equal(together[one], thin_jit(row, every[one], counts[one]))


def test_three_costs_are_truncated():
    costs = jax.random.uniform(jax.random.key(0), (20, 3))
    every = jnp.ones(20, bool)
    np.testing.assert_array_equal(thin(costs, every, 9), truncate(costs, every, 9))
