"""The order within a task, tournaments, and mating over tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax._errors import InputError
from sosjax.pareto._crowding import crowding_distance
from sosjax.pareto._dominance import fronts
from sosjax.strategies._multifactorial import (
    assortative_mating,
    mating_within,
    shuffled_pairs,
    tournament,
)
from sosjax.strategies._params import Mating
from sosjax.strategies._rank import cost_order, pareto_order

CELLS = st.integers(0, 3).map(float) | st.sampled_from([np.nan, np.inf, -np.inf])
COSTS = hnp.arrays(np.float32, st.sampled_from([(8, 2), (8, 3)]), elements=CELLS)
order_jit = jax.jit(pareto_order, static_argnames="keep")
cost_order_jit = jax.jit(cost_order, static_argnames="keep")
fronts_jit, crowding_jit = jax.jit(fronts), jax.jit(crowding_distance)
tournament_jit = jax.jit(tournament, static_argnums=(1, 2))


@given(COSTS)
def test_the_order_is_a_permutation_with_fronts_in_order(costs):
    order = np.asarray(order_jit(costs, 8))
    assert sorted(order) == list(range(8))
    assert (np.diff(np.asarray(fronts_jit(costs))[order]) >= 0).all()


@given(COSTS)
def test_a_finite_row_never_comes_behind_one_that_is_not(costs):
    finite = np.isfinite(costs).all(-1)
    assert finite[order_jit(costs, 8)[: finite.sum()]].all()


@given(COSTS)
def test_what_is_kept_is_the_beginning_of_the_whole_order(costs):
    np.testing.assert_array_equal(order_jit(costs, 4), order_jit(costs, 8)[:4])


@given(COSTS, st.sampled_from([0.0, 1.0, -7.0]))
def test_a_column_that_is_the_same_for_all_changes_nothing(costs, constant):
    column = np.full((8, 1), constant, np.float32)
    padded = np.concatenate([costs, column], 1)
    np.testing.assert_array_equal(order_jit(costs, 8), order_jit(padded, 8))


def test_within_a_front_the_lonelier_row_is_better():
    costs = jnp.array([[1.0, 3], [1.1, 2.9], [0, 4], [4, 0], [2.5, 1]])
    front = fronts_jit(costs)
    order = order_jit(costs, 5)
    assert front.tolist() == [0] * 5
    assert (np.diff(np.asarray(crowding_jit(costs, front))[order][2:]) <= 0).all()
    # The two ends come first, by index.
    assert order[:2].tolist() == [2, 3]


@given(hnp.arrays(np.float32, (8, 1), elements=st.integers(0, 3).map(float)))
def test_one_cost_is_sorted_and_equal_rows_keep_their_order(costs):
    order = cost_order_jit(costs, 5)
    np.testing.assert_array_equal(order, np.argsort(costs[:, 0], kind="stable")[:5])


def test_the_order_of_one_cost_refuses_two():
    with pytest.raises(InputError) as caught:
        cost_order(jnp.zeros((4, 2)), 2)
    assert str(caught.value) == (
        "`fitness` must have one objective for a single-objective strategy, got 2."
    )


def test_a_tournament_is_won_by_the_better_of_two_different_ones():
    chosen = np.asarray(tournament_jit(jax.random.key(0), (5000,), 10))
    share = np.bincount(chosen, minlength=10) / chosen.size
    # Of sorted rows, r wins a pair of different ones with probability 2 (9 - r) / 90.
    np.testing.assert_allclose(share, 2 * (9 - np.arange(10)) / 90, atol=0.02)
    assert share[9] == 0


@pytest.mark.parametrize("count", [1, 2])
def test_a_tournament_among_few_ends(count):
    assert tournament_jit(jax.random.key(0), (count, 3), count).tolist() == [[0] * 3] * count


@given(st.integers(0, 1000))
def test_pairs_are_a_permutation_and_places_lead_back(seed):
    first, second, place = shuffled_pairs(jax.random.key(seed), 12)
    joined = np.concatenate([first, second])
    assert sorted(joined) == list(range(12))
    np.testing.assert_array_equal(joined[place], np.arange(12))


TASKS, COUNT, GENES = 3, 20, 4
HOME = jnp.array([0.1, 0.5, 0.9])[:, None, None] * jnp.ones((COUNT, GENES))
EVERYONE = jnp.broadcast_to(jnp.arange(COUNT), (TASKS, COUNT))
each_mating = pytest.mark.parametrize("name", ["assortative", "within"])


def mated(name, rmp, rate=0.0, crossover_eta=10.0, genes=HOME, seed=0, parents=EVERYONE):
    """Return children [T, N, D] as an array of NumPy's."""
    params = {"crossover_eta": crossover_eta, "mutation_eta": 10.0, "mutation_rate": rate}
    params["mated_mutation_rate"] = rate
    return np.asarray(MATES[name](jax.random.key(seed), genes, parents, _matrix(rmp), params))


def _matrix(rmp):
    return jnp.broadcast_to(jnp.asarray(rmp, jnp.float32), (TASKS, TASKS))


def _mate(mating):
    def mate(key, genes, parents, rmp, params):
        return mating(key, genes, parents, rmp, Mating(**params))

    return jax.jit(mate)


MATES = {"assortative": _mate(assortative_mating), "within": _mate(mating_within)}


@each_mating
def test_without_mating_and_mutation_children_of_alike_parents_are_their_parents(name):
    np.testing.assert_array_equal(mated(name, rmp=0.0), HOME)


@each_mating
def test_with_full_mating_genes_cross_tasks(name):
    away = ~np.isclose(mated(name, rmp=1.0), HOME, atol=0.01)
    # Two partners in three are of another task, and half of their genes are crossed or exchanged.
    assert 0.3 < away.mean() < 0.9


@each_mating
def test_the_share_of_children_of_two_tasks_grows_with_the_rmp(name):
    def share(rmp):
        children = np.stack([mated(name, rmp, crossover_eta=2.0, seed=seed) for seed in range(20)])
        return (~np.isclose(children, HOME, atol=1e-6)).any(-1).mean()

    # A partner is of another task with probability 40/59; a child has a foreign gene with 1 - 2^-8
    # if genes are crossed or exchanged with probability 3/4 each, independently.
    for rmp in (0.25, 0.5, 1.0):
        assert share(rmp) == pytest.approx(rmp * 40 / 59, abs=0.05)


def test_a_refused_pair_is_mutated_and_not_crossed():
    genes = jax.random.uniform(jax.random.key(1), (TASKS, COUNT, GENES))

    def share_changed(rate):
        runs = [mated("assortative", 0.0, rate, 1.0, genes, seed) for seed in range(30)]
        return (np.stack(runs) != genes).any(-1).mean()

    # A partner is of the same task with probability 19/59; a gene is crossed with 1/2, and where
    # it is not it is exchanged with 1/2.
    assert share_changed(0.0) == pytest.approx(19 / 59, abs=0.05)
    assert share_changed(1.0) > 0.99


def test_of_a_refused_pair_each_mates_within_its_own_task():
    # Genes tell the task, and the rows of a task apart.
    genes = HOME + jnp.linspace(0, 0.05, COUNT)[:, None]
    children = mated("within", 0.0, crossover_eta=1e6, genes=genes)
    np.testing.assert_allclose(children, HOME + 0.025, atol=0.026)
    assert (~np.isclose(children, genes, atol=1e-4)).any(-1).mean() > 0.8


@each_mating
def test_the_matrix_says_which_tasks_mate(name):
    matrix = jnp.zeros((TASKS, TASKS)).at[0, 1].set(1.0).at[1, 0].set(1.0)
    children = mated(name, matrix, crossover_eta=1e6)
    np.testing.assert_allclose(children[2], 0.9, atol=1e-4)
    assert np.isclose(children[0], 0.5, atol=1e-4).any()
    assert np.isclose(children[1], 0.1, atol=1e-4).any()


@each_mating
def test_the_diagonal_of_the_matrix_is_not_read(name):
    genes = jax.random.uniform(jax.random.key(1), (TASKS, COUNT, GENES))
    one, two = (mated(name, matrix, 0.1, genes=genes) for matrix in (0.0, jnp.eye(TASKS)))
    np.testing.assert_array_equal(one, two)


@each_mating
def test_only_chosen_parents_have_children(name):
    children = mated(name, 1.0, parents=jnp.zeros_like(EVERYONE), genes=HOME.at[:, 1:].set(0.3))
    assert not np.isclose(children, 0.3, atol=1e-4).any()


@each_mating
def test_two_rows_of_two_tasks_are_enough(name):
    genes = jax.random.uniform(jax.random.key(0), (2, 2, 3))
    params = {"crossover_eta": 2.0, "mutation_eta": 5.0, "mutation_rate": 0.3}
    params["mated_mutation_rate"] = 0.1
    parents = jnp.zeros((2, 2), int)
    children = MATES[name](jax.random.key(0), genes, parents, jnp.full((2, 2), 0.5), params)
    assert children.shape == (2, 2, 3) and np.isfinite(children).all()


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from(list(MATES)))
def test_children_stay_in_the_box(seed, rmp, name):
    genes = jax.random.uniform(jax.random.key(seed), HOME.shape).round(1)
    children = mated(name, rmp, 1.0, genes=genes, seed=seed)
    assert ((children >= 0) & (children <= 1)).all()


@each_mating
def test_children_of_an_accepted_pair_mutate_at_their_own_rate(name):
    params = {"crossover_eta": 1e6, "mutation_eta": 10.0, "mutation_rate": 1.0}
    key, genes = jax.random.key(0), jnp.broadcast_to(HOME[:1], HOME.shape)
    changed = {}
    for rate in (0.0, 1.0):
        given = params | {"mated_mutation_rate": rate}
        children = MATES[name](key, genes, EVERYONE, _matrix(1.0), given)
        changed[rate] = float(jnp.mean(jnp.abs(children - genes) > 1e-4))
    assert changed[0.0] < 0.02 < 0.9 < changed[1.0]


def test_a_matrix_of_another_shape_is_refused():
    params = Mating(2.0, 5.0, 0.1, 0.1)
    with pytest.raises(InputError) as caught:
        assortative_mating(jax.random.key(0), HOME, EVERYONE, jnp.ones((2, 2)), params)
    assert str(caught.value) == f"`rmp` must have shape [{TASKS}, {TASKS}], got [2, 2]."
