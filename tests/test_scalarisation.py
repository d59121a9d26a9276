"""One number along a direction: order, rays, corners, and what is not finite."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosjax.pareto._dominance import fronts
from sosjax.strategies._scalarisation import View, all_finite, corners, simplex_directions


@pytest.mark.parametrize(("objectives", "count"), [(1, 1), (2, 1), (2, 7), (3, 6), (3, 8), (4, 5)])
def test_directions_are_spread_over_the_simplex(objectives, count):
    towards = simplex_directions(objectives, count)
    assert towards.shape == (count, objectives)
    assert (towards >= 0).all() and len(np.unique(towards, axis=0)) == count
    np.testing.assert_allclose(towards.sum(1), 1)
    if count >= objectives > 1:
        assert (towards.max(1) == 1).sum() == objectives  # all corners are there


COSTS = st.lists(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, np.nan, np.inf]), min_size=2, max_size=2),
    min_size=2,
    max_size=8,
)


@given(COSTS, st.floats(0, 1))
def test_a_dominating_row_has_the_smaller_number(rows, share):
    costs = np.array(rows, np.float32)
    view = View(jnp.array([share, 1 - share]), jnp.array([-0.5, 0.5]), jnp.array([1.0, 1.5]))
    numbers = np.asarray(view(jnp.asarray(costs)))
    finite = np.isfinite(costs).all(1)
    assert (np.isfinite(numbers) == finite).all()
    better = (costs[:, None] <= costs).all(-1) & (costs[:, None] < costs).any(-1)
    better &= finite[:, None] & finite
    assert (numbers[:, None] < numbers)[better].all()


def test_each_direction_is_best_served_where_its_ray_meets_the_front():
    first = np.linspace(0, 1, 101, dtype=np.float32)
    front = np.stack([10 * first, 1 - first], -1)  # a straight front, in different units
    for direction in simplex_directions(2, 5)[1:-1]:
        view = View(jnp.asarray(direction, jnp.float32), jnp.zeros(2), jnp.array([10.0, 1.0]))
        best = front[np.asarray(view(jnp.asarray(front))).argmin()]
        np.testing.assert_allclose(best / [10, 1], direction, atol=0.011)


@pytest.mark.parametrize(
    ("costs", "ideal", "nadir"),
    [
        ([[0, 3], [2, 1], [2, 3]], [0, 1], [2, 3]),
        ([[0, 0], [4, 2], [3, 5]], [0, 0], [4, 5]),  # a front of one point
        ([[np.nan, 0], [1, np.inf]], [0, 0], [1, 1]),
        ([[np.nan, -9], [1, 2], [-np.inf, 0]], [1, 2], [1, 2]),
    ],
)
def test_ideal_and_nadir_are_the_corners_of_the_first_front(costs, ideal, nadir):
    costs = jnp.asarray(costs, jnp.float32)
    found = corners(costs, fronts(costs))
    np.testing.assert_array_equal(found, [ideal, nadir])


def test_a_number_that_is_not_finite_becomes_one_worse_than_the_worst():
    numbers = jnp.array([0.5, jnp.nan, 2.0, jnp.inf, -jnp.inf])
    np.testing.assert_array_equal(all_finite(numbers), [0.5, 3, 2, 3, 3])
    np.testing.assert_array_equal(all_finite(jnp.full(2, jnp.nan)), [1, 1])
