"""Fast orders against NumPy's, and every way to number fronts against the peel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax._errors import InputError
from sosjax.pareto import crowding_distance, dominates, fronts, nondominated
from sosjax.pareto._chain import blockwise, patience, peel
from sosjax.pareto._order import grouped, order, orders, places

ROWS = 11
order_jit, grouped_jit, places_jit = jax.jit(order), jax.jit(grouped), jax.jit(places)
fronts_jit = jax.jit(fronts, static_argnums=1)
crowding_jit = jax.jit(crowding_distance)
FLOATS = st.sampled_from([0.0, -0.0, 1.5, -1.5, 1e-30, -3e38, np.inf, -np.inf, np.nan])


def sorted_rows(costs):
    """Return rows in lexicographic order."""
    return costs[np.lexsort(costs.T[::-1])]


@given(hnp.arrays(np.float32, ROWS, elements=FLOATS | st.floats(width=32, allow_subnormal=False)))
def test_values_are_ordered_as_numpy_does(values):
    assert order_jit(values).tolist() == np.argsort(values, kind="stable").tolist()


@pytest.mark.parametrize("kind", [np.int32, np.float16, np.float32])
def test_values_of_each_kind_are_ordered(kind):
    values = np.array([3, -2, 7, 3, 0, -2], kind)
    assert order_jit(values).tolist() == [1, 5, 4, 0, 3, 2]


def test_more_rows_than_a_half_word_holds_are_ordered():
    values = np.random.default_rng(0).integers(0, 99, 70_000).astype(np.float32)
    wanted = np.argsort(values, kind="stable")
    assert (np.asarray(order_jit(values)) == wanted).all()
    group = np.arange(70_000, dtype=np.int32) % 3
    wanted = np.lexsort((np.arange(70_000), values, group))
    assert (np.asarray(grouped_jit(group, order_jit(values))) == wanted).all()


@given(hnp.arrays(np.float32, (ROWS, 3), elements=st.integers(0, 2).map(float)))
def test_ties_go_by_the_later_costs_then_the_index(costs):
    found = [np.asarray(one) for one in jax.jit(orders)(costs)]
    assert found[0].tolist() == np.lexsort(costs.T[::-1]).tolist()
    assert found[1].tolist() == np.lexsort((costs[:, 2], costs[:, 1])).tolist()
    assert found[2].tolist() == np.argsort(costs[:, 2], kind="stable").tolist()


@given(st.permutations(range(ROWS)), hnp.arrays(np.int32, ROWS, elements=st.integers(0, ROWS)))
def test_groups_keep_the_order_within(permutation, group):
    permutation = np.array(permutation, np.int32)
    place = np.asarray(places_jit(permutation))
    assert (permutation[place] == np.arange(ROWS)).all()
    assert grouped_jit(group, permutation).tolist() == np.lexsort((place, group)).tolist()


@pytest.mark.parametrize("block", [1, 4, 16])
@pytest.mark.parametrize("objectives", [2, 3, 4])
@given(data=st.data())
def test_blocks_number_the_fronts_that_the_peel_takes_off(objectives, block, data):
    rows = hnp.arrays(np.float32, (ROWS, objectives), elements=st.integers(0, 3).map(float))
    costs = jnp.asarray(sorted_rows(data.draw(rows)))
    wanted = jax.jit(peel)(costs, jnp.ones(ROWS, bool))
    assert jax.jit(blockwise, static_argnums=1)(costs, block).tolist() == wanted.tolist()


@given(hnp.arrays(np.float32, (ROWS, 2), elements=st.integers(0, 3).map(float)))
def test_patience_numbers_the_fronts_that_the_peel_takes_off(rows):
    costs = jnp.asarray(sorted_rows(rows))
    wanted = jax.jit(peel)(costs, jnp.ones(ROWS, bool))
    assert jax.jit(patience)(costs[:, 1]).tolist() == wanted.tolist()


@pytest.mark.parametrize(("rows", "objectives"), [(300, 1), (300, 2), (1100, 3)])
def test_many_rows_have_the_fronts_of_the_definition(rows, objectives):
    rng = np.random.default_rng(rows)
    costs = rng.integers(0, 20, (rows, objectives)).astype(np.float32)
    costs[::50] = np.nan
    number = np.asarray(fronts_jit(costs, None))
    better = np.asarray(jax.jit(dominates)(costs))
    finite = np.isfinite(costs).all(-1)
    assert (number[~finite] == rows).all()
    # A row's number is one above the highest among those that dominate it.
    behind = np.where(better & finite[:, None], number[:, None] + 1, 0).max(0)
    assert (number[finite] == behind[finite]).all()
    assert (np.asarray(jax.jit(nondominated)(costs)) == (number == 0)).all()


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("rows", [1, 31, 32, 33, 300])
def test_a_chain_has_one_row_in_each_front(rows, objectives):
    order = np.random.default_rng(0).permutation(rows)
    costs = jnp.asarray(np.tile(order[:, None], objectives), jnp.float32)
    assert fronts_jit(costs, None).tolist() == order.tolist()


@pytest.mark.parametrize("rows", [40, 300])
@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize("enough", [1, 5, 20, 999])
def test_fronts_behind_enough_rows_share_the_next_number(rows, objectives, enough):
    costs = np.random.default_rng(1).random((rows, objectives), np.float32)
    costs[:3] = np.inf
    whole, some = np.asarray(fronts_jit(costs, None)), np.asarray(fronts_jit(costs, enough))
    last = next((n for n in range(rows) if (whole <= n).sum() >= enough), rows - 1)
    wanted = np.where(whole == rows, rows, np.minimum(whole, last + 1))
    assert some.tolist() == wanted.tolist()


@pytest.mark.parametrize(("rows", "enough"), [(20, None), (20, 7), (300, None)])
def test_batches_of_fronts_are_those_of_each(rows, enough):
    costs = np.random.default_rng(2).random((3, rows, 2), np.float32)
    costs[1] = np.sort(costs[1], 0)
    costs[2, ::2] = np.nan
    batch = jax.jit(jax.vmap(lambda costs: fronts(costs, enough)))(costs)
    assert batch.tolist() == [fronts_jit(one, enough).tolist() for one in costs]


def test_enough_must_be_a_number_of_rows():
    with pytest.raises(InputError, match=r"`enough` must be a whole number of rows, at least 1"):
        fronts(jnp.zeros((2, 2)), 0)


def test_costs_need_a_column():
    with pytest.raises(InputError, match=r"`costs` must have at least one column, got \(2, 0\)"):
        fronts(jnp.zeros((2, 0)))


def test_a_constant_column_changes_no_crowding():
    costs = np.random.default_rng(3).random((30, 2), np.float32)
    padded = np.concatenate([costs, np.ones((30, 1), np.float32)], 1)
    front = fronts_jit(costs, None)
    assert front.tolist() == fronts_jit(padded, None).tolist()
    one, other = (
        crowding_jit(costs, front),
        crowding_jit(padded, front),
    )
    assert one.tolist() == other.tolist()


def test_rows_that_are_not_finite_are_nobodys_neighbours():
    costs = np.random.default_rng(4).random((9, 2), np.float32)
    bad = np.concatenate([costs, np.float32([[np.nan, 0], [np.inf, 0.5], [-np.inf, 0.5]])])
    zeros = jnp.zeros(12, int)
    found = crowding_jit(bad, zeros)
    assert found[:9].tolist() == crowding_jit(costs, zeros[:9]).tolist()
    assert found[9:].tolist() == [0, 0, 0]


def test_equal_rows_are_at_no_end_and_a_lone_one_is():
    costs = jnp.ones((4, 2))
    assert crowding_jit(costs, jnp.array([0, 0, 0, 1])).tolist() == [0, 0, 0, np.inf]


def test_finite_rows_of_the_last_number_keep_their_distance():
    costs = np.random.default_rng(5).random((6, 2), np.float32)
    wanted = crowding_jit(costs[:4], jnp.zeros(4, int))
    costs[4:] = np.nan
    assert crowding_jit(costs, jnp.full(6, 6))[:4].tolist() == wanted.tolist()
