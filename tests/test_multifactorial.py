"""Ranks within a task, tournaments, and mating over tasks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax.pareto._crowding import crowding_distance
from sosjax.pareto._dominance import fronts
from sosjax.strategies._multifactorial import assortative_mating, ranks, tournament

COSTS = hnp.arrays(
    np.float32,
    (8, 2),
    elements=st.integers(0, 3).map(float) | st.sampled_from([np.nan, np.inf, -np.inf]),
)
ranks_jit, tournament_jit = jax.jit(ranks), jax.jit(tournament)
fronts_jit, crowding_jit = jax.jit(fronts), jax.jit(crowding_distance)
mating_jit = jax.jit(assortative_mating)
TASK = jnp.repeat(jnp.arange(3), 20)


@given(COSTS)
def test_ranks_are_a_permutation_with_fronts_in_order(costs):
    rank = np.asarray(ranks_jit(costs))
    assert sorted(rank) == list(range(8))
    front = np.asarray(fronts_jit(costs))[np.argsort(rank)]
    assert (np.diff(front) >= 0).all()


@given(COSTS)
def test_a_finite_row_is_never_ranked_behind_one_that_is_not(costs):
    rank = np.asarray(ranks_jit(costs))
    finite = np.isfinite(costs).all(-1)
    assert sorted(rank[finite]) == list(range(finite.sum()))


def test_within_a_front_the_lonelier_row_is_better():
    costs = jnp.array([[1.0, 3], [1.1, 2.9], [0, 4], [4, 0], [2.5, 1]])
    front = fronts_jit(costs)
    distance = np.asarray(crowding_jit(costs, front))
    assert front.tolist() == [0] * 5
    assert (np.diff(distance[np.argsort(ranks_jit(costs))][2:]) <= 0).all()
    # The two ends come first, by index.
    assert ranks_jit(costs)[2:4].tolist() == [0, 1]


def test_a_tournament_is_won_by_the_better_of_two_different_ones():
    rank = jnp.arange(10)[::-1].astype(jnp.int32)
    keys = jax.random.split(jax.random.key(0), 500)
    chosen = jax.jit(jax.vmap(tournament, in_axes=(0, None)))(keys, rank)
    share = np.bincount(np.asarray(rank[chosen]).ravel(), minlength=10) / chosen.size
    # Rank r wins a pair of different ones with probability 2 (9 - r) / 90; the worst never wins.
    np.testing.assert_allclose(share, 2 * (9 - np.arange(10)) / 90, atol=0.02)
    assert share[9] == 0


@pytest.mark.parametrize("count", [1, 2])
def test_a_tournament_among_few_ends(count):
    chosen = tournament_jit(jax.random.key(0), jnp.arange(count))
    assert chosen.tolist() == [0] * count


def mated(rmp, rate, crossover_eta=10.0, genes=None, seed=0):
    genes = (
        jnp.broadcast_to(jnp.array([0.1, 0.5, 0.9])[TASK][:, None], (60, 4))
        if genes is None
        else genes
    )
    matrix = jnp.full((3, 3), rmp)
    key = jax.random.key(seed)
    return np.asarray(mating_jit(key, genes, TASK, matrix, crossover_eta, 10.0, rate))


def test_without_mating_and_mutation_children_of_alike_parents_are_their_parents():
    children = mated(rmp=0.0, rate=0.0)
    np.testing.assert_allclose(children, np.array([0.1, 0.5, 0.9])[TASK][:, None] * np.ones(4))


def test_with_full_mating_genes_cross_tasks():
    children = mated(rmp=1.0, rate=0.0)
    home = np.isclose(children, np.array([0.1, 0.5, 0.9])[TASK][:, None], atol=0.01)
    assert 0.3 < (~home).mean() < 0.9


def test_a_refused_pair_is_mutated_and_not_crossed():
    genes = jax.random.uniform(jax.random.key(1), (60, 4))
    keys = jax.random.split(jax.random.key(0), 100)

    def share_changed(rate):
        mate = jax.vmap(assortative_mating, in_axes=(0, *[None] * 6))
        children = jax.jit(mate)(keys, genes, TASK, jnp.zeros((3, 3)), 1.0, 10.0, rate)
        return float((children != genes).any(-1).mean())

    # A partner is of the same task with probability 19/59, and one gene in two is crossed.
    assert share_changed(0.0) == pytest.approx(19 / 59 * (1 - 0.5**4), abs=0.03)
    assert share_changed(1.0) > 0.99


def test_the_matrix_says_which_tasks_mate():
    genes = jnp.broadcast_to(jnp.array([0.1, 0.5, 0.9])[TASK][:, None], (60, 4))
    matrix = jnp.zeros((3, 3)).at[0, 1].set(1.0).at[1, 0].set(1.0)
    children = np.asarray(mating_jit(jax.random.key(0), genes, TASK, matrix, 1e6, 10.0, 0.0))
    np.testing.assert_allclose(children[TASK == 2], 0.9, atol=1e-4)
    assert np.isclose(children[TASK == 0], 0.5, atol=1e-4).any()


def test_the_diagonal_of_the_matrix_is_not_read():
    genes = jax.random.uniform(jax.random.key(1), (60, 4))
    one, two = (
        mating_jit(jax.random.key(0), genes, TASK, matrix, 10.0, 10.0, 0.1)
        for matrix in (jnp.zeros((3, 3)), jnp.eye(3))
    )
    np.testing.assert_array_equal(one, two)


@given(st.integers(0, 1000), st.sampled_from([0.0, 0.4, 1.0]))
def test_children_stay_in_the_box(seed, rmp):
    genes = jax.random.uniform(jax.random.key(seed), (60, 4)).round(1)
    children = mated(rmp, 1.0, genes=genes, seed=seed)
    assert ((children >= 0) & (children <= 1)).all()
