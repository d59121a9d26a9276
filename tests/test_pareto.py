"""Fronts, crowding and hypervolume against hand-computed cases, brute force and pymoo."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pymoo.indicators.hv import HV
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from sosjax.pareto._crowding import crowding_distance
from sosjax.pareto._dominance import dominates, fronts, nondominated
from sosjax.pareto._hypervolume import hypervolume

fronts_jit, nondominated_jit = jax.jit(fronts), jax.jit(nondominated)
crowding_jit, hypervolume_jit = jax.jit(crowding_distance), jax.jit(hypervolume)
OBJECTIVES = pytest.mark.parametrize("objectives", [1, 2, 3, 4])
ROWS = 7


def grid(objectives, bad=False):
    """Small whole costs, so that ties and duplicates are common; some not finite if asked."""
    values = st.integers(0, 3).map(float)
    if bad:
        values = values | st.sampled_from([np.nan, np.inf, -np.inf, -0.0])
    return hnp.arrays(np.float32, (ROWS, objectives), elements=values)


def peeled(costs):
    """Return the fronts by definition; of equal rows the first is better."""
    left = [i for i in range(len(costs)) if np.isfinite(costs[i]).all()]
    number = np.full(len(costs), len(costs))

    def better(i, j):
        equal = (costs[i] == costs[j]).all()
        return (costs[i] <= costs[j]).all() and (i < j if equal else True)

    for front in itertools.count():
        if not left:
            return number
        best = [j for j in left if not any(better(i, j) for i in left if i != j)]
        number[best] = front
        left = [i for i in left if i not in best]


def test_fronts_by_hand():
    costs = jnp.array([[0.0, 2], [1, 1], [2, 0], [1, 2], [3, 3], [2, 0]])
    assert fronts_jit(costs).tolist() == [0, 0, 0, 1, 2, 1]
    assert nondominated_jit(costs).tolist() == [True, True, True, False, False, False]


def test_of_duplicates_the_first_dominates():
    assert dominates(jnp.ones((3, 2))).tolist() == [
        [False, True, True],
        [False, False, True],
        [False, False, False],
    ]


@OBJECTIVES
def test_fronts_are_those_of_pymoo(objectives):
    costs = np.random.default_rng(objectives).random((40, objectives), np.float32)
    wanted = np.zeros(40, int)
    for number, rows in enumerate(NonDominatedSorting().do(costs)):
        wanted[rows] = number
    assert fronts_jit(costs).tolist() == wanted.tolist()


@OBJECTIVES
@given(data=st.data())
def test_fronts_are_those_of_the_definition(objectives, data):
    costs = data.draw(grid(objectives, bad=True))
    number = np.asarray(fronts_jit(costs))
    assert number.tolist() == peeled(costs).tolist()
    assert (np.asarray(nondominated_jit(costs)) == (number == 0)).all()


@OBJECTIVES
@given(data=st.data())
def test_rows_that_are_not_finite_are_behind_every_front(objectives, data):
    costs = data.draw(grid(objectives, bad=True))
    finite = np.isfinite(costs).all(-1)
    assert ((np.asarray(fronts_jit(costs)) == ROWS) == ~finite).all()


def test_nothing_finite_gives_no_front():
    costs = jnp.full((3, 2), jnp.nan)
    assert fronts_jit(costs).tolist() == [3, 3, 3]
    assert not nondominated_jit(costs).any()


def test_crowding_by_hand():
    costs = jnp.array([[0.0, 4], [1, 2], [2, 1], [4, 0], [5, 5]])
    distance = crowding_jit(costs, jnp.array([0, 0, 0, 0, 1]))
    np.testing.assert_allclose(distance, [np.inf, 2 / 4 + 3 / 4, 3 / 4 + 2 / 4, np.inf, np.inf])


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_crowding_is_that_of_pymoo(objectives):
    costs = np.random.default_rng(objectives).random((30, objectives), np.float32)
    front = np.asarray(fronts_jit(costs))
    distance = np.asarray(crowding_jit(costs, front))
    for number in np.unique(front):
        rows = front == number
        # pymoo divides by the number of objectives.
        wanted = calc_crowding_distance(costs[rows]) * objectives
        if rows.sum() <= 2:
            wanted = np.full(rows.sum(), np.inf)
        np.testing.assert_allclose(distance[rows], wanted, rtol=1e-5)


@given(grid(2, bad=True))
def test_crowding_of_finite_rows_is_a_number(costs):
    front = fronts_jit(costs)
    distance = np.asarray(crowding_jit(costs, front))
    assert not np.isnan(distance[np.isfinite(costs).all(-1)]).any()
    assert (distance[np.isfinite(costs).all(-1)] >= 0).all()


def test_a_front_does_not_feel_the_others():
    costs = np.random.default_rng(0).random((8, 2), np.float32)
    both = np.concatenate([costs, costs + 1])
    front = jnp.repeat(jnp.arange(2), 8)
    alone = crowding_jit(costs, jnp.zeros(8, int))
    np.testing.assert_allclose(crowding_jit(both, front)[:8], alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("costs", "reference", "volume"),
    [
        ([[0.25]], [1], 0.75),
        ([[0, 0]], [2, 3], 6),
        ([[1, 2], [2, 1]], [3, 3], 3),
        ([[1, 2], [1, 2], [2, 2]], [3, 3], 2),
        ([[0, 0, 0], [1, 1, 1]], [2, 2, 2], 8),
        ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], [2, 2, 2], 4),
        ([[0, 0, 0, 1]], [2, 2, 2, 2], 8),
    ],
)
def test_hypervolume_by_hand(costs, reference, volume):
    assert hypervolume_jit(jnp.array(costs, float), jnp.array(reference, float)) == volume


@OBJECTIVES
def test_hypervolume_is_that_of_pymoo(objectives):
    costs = np.random.default_rng(objectives).random((12, objectives), np.float32) * 1.3
    reference = np.ones(objectives, np.float32)
    wanted = HV(ref_point=reference)(costs)
    np.testing.assert_allclose(hypervolume_jit(costs, reference), wanted, rtol=1e-5)


@OBJECTIVES
@given(data=st.data())
def test_hypervolume_counts_the_dominated_cells(objectives, data):
    costs = data.draw(grid(objectives))
    cells = np.stack(np.meshgrid(*[np.arange(3)] * objectives, indexing="ij"), -1)
    dominated = (costs[:, None] <= cells.reshape(1, -1, objectives)).all(-1).any(0).sum()
    volume = hypervolume_jit(costs, np.full(objectives, 3, np.float32))
    assert float(volume) == pytest.approx(int(dominated))


@pytest.mark.parametrize("row", [[np.nan, 0], [np.inf, 0], [-np.inf, 0], [1, 0], [0, 2]])
def test_rows_not_finite_or_not_below_the_reference_add_nothing(row):
    costs = jnp.array([[0.5, 0.5], row])
    assert hypervolume_jit(costs, jnp.ones(2)) == 0.25


@OBJECTIVES
@given(data=st.data())
def test_hypervolume_does_not_mind_the_order_of_rows(objectives, data):
    costs = data.draw(grid(objectives, bad=True))
    order = data.draw(st.permutations(range(ROWS)))
    reference = np.full(objectives, 3, np.float32)
    one, other = hypervolume_jit(costs, reference), hypervolume_jit(costs[order], reference)
    assert float(one) == pytest.approx(float(other), rel=1e-5)


@OBJECTIVES
@given(data=st.data())
def test_hypervolume_never_falls_when_a_row_improves(objectives, data):
    costs = data.draw(grid(objectives))
    better = costs - data.draw(
        hnp.arrays(np.float32, costs.shape, elements=st.sampled_from([0, 1]))
    )
    reference = np.full(objectives, 3, np.float32)
    assert hypervolume_jit(better, reference) >= hypervolume_jit(costs, reference) - 1e-4


def test_hypervolume_moves_with_the_objectives():
    costs = np.random.default_rng(0).random((9, 3), np.float32)
    reference = np.array([1, 1.5, 2], np.float32)
    turned = hypervolume_jit(costs[:, [2, 0, 1]], reference[[2, 0, 1]])
    np.testing.assert_allclose(hypervolume_jit(costs, reference), turned, rtol=1e-5)
