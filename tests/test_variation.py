"""SBX and polynomial mutation on [0, 1]."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax.space._variation import polynomial_mutation, sbx, snap

SHAPE = (6, 5)
GENES = hnp.arrays(
    np.float32, SHAPE, elements=st.sampled_from([0.0, 1.0]) | st.floats(0, 1, width=32)
)
KEYS = st.integers(0, 2**31 - 1).map(jax.random.key)
ETAS = st.sampled_from([0.0, 2.0, 10.0, 100.0])
sbx_jit, mutation_jit = jax.jit(sbx), jax.jit(polynomial_mutation)


@given(KEYS, GENES, GENES, ETAS)
def test_sbx_children_stay_in_the_box(key, first, second, eta):
    for child in sbx_jit(key, first, second, eta):
        assert ((child >= 0) & (child <= 1)).all()


@given(KEYS, GENES, GENES, ETAS)
def test_sbx_keeps_the_mean_where_nothing_is_clipped(key, first, second, eta):
    one, two = (np.asarray(child) for child in sbx_jit(key, first, second, eta))
    free = (one > 0) & (one < 1) & (two > 0) & (two < 1)
    np.testing.assert_allclose((one + two)[free], (first + second)[free], atol=1e-5)


@given(KEYS, GENES, GENES)
def test_sbx_of_a_huge_index_gives_the_parents(key, first, second):
    one, two = (np.asarray(child) for child in sbx_jit(key, first, second, 1e7))
    swapped = np.isclose(one, second, atol=1e-4) & np.isclose(two, first, atol=1e-4)
    straight = np.isclose(one, first, atol=1e-4) & np.isclose(two, second, atol=1e-4)
    assert (swapped | straight).all()


def test_sbx_of_equal_parents_gives_them_back():
    genes = jax.random.uniform(jax.random.key(0), (20, 8))
    for child in sbx_jit(jax.random.key(1), genes, genes, 2.0):
        np.testing.assert_array_equal(child, genes)


def test_sbx_crosses_half_of_the_genes_and_spreads_as_its_index_says():
    first, second = jnp.full((4000, 4), 0.45), jnp.full((4000, 4), 0.55)
    one, two = sbx_jit(jax.random.key(0), first, second, 10.0)
    beta = np.abs(np.asarray(one - two)) / 0.1
    crossed = ~np.isclose(beta, 1, atol=1e-5)
    assert crossed.mean() == pytest.approx(0.5, abs=0.02)
    # Half of the spreads contract; the median of those is (1/2)^(1/11).
    assert (beta[crossed] < 1).mean() == pytest.approx(0.5, abs=0.02)
    assert np.median(beta[crossed & (beta < 1)]) == pytest.approx(0.5 ** (1 / 11), abs=0.01)


def test_sbx_puts_neither_child_nearer_to_a_parent_by_position():
    one, _ = sbx_jit(jax.random.key(0), jnp.zeros((4000, 4)), jnp.ones((4000, 4)), 1e7)
    assert float(one.mean()) == pytest.approx(0.5, abs=0.02)


@given(KEYS, GENES, ETAS, st.sampled_from([0.1, 1.0]))
def test_mutants_stay_in_the_box(key, genes, eta, rate):
    mutants = mutation_jit(key, genes, eta, rate)
    assert ((mutants >= 0) & (mutants <= 1)).all()


@given(KEYS, GENES, ETAS)
def test_a_rate_of_zero_changes_nothing(key, genes, eta):
    np.testing.assert_array_equal(mutation_jit(key, genes, eta, 0.0), genes)


def test_a_huge_index_mutates_by_nearly_nothing():
    genes = jax.random.uniform(jax.random.key(0), (50, 8))
    np.testing.assert_allclose(mutation_jit(jax.random.key(1), genes, 1e6, 1.0), genes, atol=1e-4)


def test_the_rate_is_the_share_of_mutated_genes():
    genes = jnp.full((4000, 4), 0.5)
    mutants = mutation_jit(jax.random.key(0), genes, 10.0, 0.25)
    assert float((mutants != genes).mean()) == pytest.approx(0.25, abs=0.02)
    assert float(mutants.mean()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_genes_leave_a_bound(bound):
    mutants = mutation_jit(jax.random.key(0), jnp.full((200, 4), bound), 10.0, 1.0)
    assert 0.4 < float((mutants != bound).mean()) < 0.6


def test_another_key_gives_another_draw_and_the_same_key_the_same():
    first, second = jax.random.uniform(jax.random.key(0), (2, 30, 4))
    keys = jax.random.key(1), jax.random.key(2)
    children = [np.asarray(sbx_jit(key, first, second, 10.0)[0]) for key in (*keys, keys[0])]
    mutants = [np.asarray(mutation_jit(key, first, 10.0, 1.0)) for key in (*keys, keys[0])]
    for drawn in (children, mutants):
        assert (drawn[0] == drawn[2]).all()
        assert (drawn[0] != drawn[1]).mean() > 0.4


def test_rows_and_genes_are_drawn_independently():
    genes = jnp.full((2000, 2), 0.5)
    steps = np.asarray(mutation_jit(jax.random.key(0), genes, 10.0, 1.0) - genes)
    assert abs(np.corrcoef(steps.T)[0, 1]) < 0.1
    assert len(np.unique(steps[:, 0])) > 1900


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float16, jnp.bfloat16])
def test_the_dtype_is_kept(dtype):
    genes = jnp.full((4, 3), 0.5, dtype)
    assert [child.dtype for child in sbx_jit(jax.random.key(0), genes, genes, 10.0)] == [
        dtype,
        dtype,
    ]
    assert mutation_jit(jax.random.key(0), genes, 10.0, 0.5).dtype == dtype


LEVELS = np.array([0, 2, 5, 1])
"""Genes: a real one, a bit, one of five values and a constant."""


def level(genes):
    """Return the values of genes of few values."""
    return np.floor(np.asarray(genes) * LEVELS)[..., 1:].astype(int)


@given(hnp.arrays(np.float32, (6, 4), elements=st.floats(0, 1, width=32)))
def test_snapping_moves_genes_to_the_middle_of_their_value_and_is_idempotent(genes):
    snapped = np.asarray(snap(jnp.asarray(genes), LEVELS))
    np.testing.assert_array_equal(snapped[:, 0], genes[:, 0])
    np.testing.assert_array_equal(snap(jnp.asarray(snapped), LEVELS), snapped)
    for gene, count in ((1, 2), (2, 5), (3, 1)):
        value = np.minimum(np.floor(genes[:, gene] * np.float32(count)), count - 1)
        np.testing.assert_allclose(snapped[:, gene], (value + 0.5) / count, atol=1e-6)


def test_real_genes_are_not_snapped():
    genes = jax.random.uniform(jax.random.key(0), (5, 3))
    assert snap(genes, np.zeros(3, int)) is genes


@pytest.mark.parametrize("start", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("eta", [1.0, 20.0, 1000.0])
def test_a_gene_of_few_values_that_mutates_takes_another_value(start, eta):
    genes = snap(jnp.full((2000, 4), start), LEVELS)
    mutants = polynomial_mutation(jax.random.key(0), genes, eta, 1.0, LEVELS)
    old, new = level(genes), level(mutants)
    # A bit flips, five values change, and a constant stays.
    np.testing.assert_array_equal(new[:, 0], 1 - old[:, 0])
    assert (new[:, 1] != old[:, 1]).all()
    assert ((new >= 0) & (new < LEVELS[1:])).all()
    assert (new[:, 2] == 0).all()
    np.testing.assert_array_equal(snap(mutants, LEVELS), mutants)
    if start == 0.5:
        # Up and down alike.
        assert (new[:, 1] > old[:, 1]).mean() == pytest.approx(0.5, abs=0.05)


def test_a_large_index_moves_a_gene_of_few_values_by_one():
    genes = snap(jnp.full((500, 4), 0.5), LEVELS)
    mutants = polynomial_mutation(jax.random.key(0), genes, 1000.0, 1.0, LEVELS)
    assert set(level(mutants)[:, 1]) == {1, 3}


def test_the_rate_is_the_share_of_flipped_bits():
    levels = np.full(4, 2)
    genes = snap(jax.random.uniform(jax.random.key(0), (4000, 4)), levels)
    mutants = polynomial_mutation(jax.random.key(1), genes, 10.0, 0.25, levels)
    assert float((mutants != genes).mean()) == pytest.approx(0.25, abs=0.02)


def test_levels_do_not_change_real_genes():
    genes = jax.random.uniform(jax.random.key(0), (50, 4))
    one, two = (
        polynomial_mutation(jax.random.key(1), genes, 10.0, 0.5, levels)
        for levels in (None, LEVELS)
    )
    np.testing.assert_allclose(one[:, 0], two[:, 0], rtol=1e-6)
    np.testing.assert_array_equal(
        one, polynomial_mutation(jax.random.key(1), genes, 10.0, 0.5, np.zeros(4, int))
    )
