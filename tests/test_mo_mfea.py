"""The contract of a strategy, and what MO-MFEA promises on top of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax.pareto._dominance import fronts
from sosjax.pareto._hypervolume import hypervolume
from sosjax.strategies._mo_mfea import MOMFEA
from sosjax.strategies._params import Fixed
from sosjax.strategies._strategy import State

DIMENSIONS, SHIFTS = 6, jnp.array([0.3, 0.6])
REFERENCE = jnp.array([1.1, 6.0])


def zdt(task, genes):
    """ZDT1 whose optimum lies at another place for each task."""
    g = 1 + 9 * jnp.abs(genes[1:] - SHIFTS[task]).mean()
    return jnp.stack([genes[0], g * (1 - jnp.sqrt(genes[0] / g))])


def driven(strategy, key, generations, params=None, judge=zdt, population=None):
    """Run a strategy in one scan; return the final state and every generation's fitness."""
    params = strategy.default_params if params is None else params
    evaluate = jax.vmap(judge)

    @jax.jit
    def run(key, params):
        start_key, loop_key = jax.random.split(key)
        start = jax.random.uniform(start_key, (strategy.population_size, DIMENSIONS))
        start = start if population is None else population
        costs = evaluate(strategy.skill_factors, start)
        state = strategy.init(start_key, start, costs, params)

        def generation(state, key):
            ask_key, tell_key = jax.random.split(key)
            children, state = strategy.ask(ask_key, state, params)
            costs = evaluate(strategy.skill_factors, children)
            before = state.fitness
            state, metrics = strategy.tell(tell_key, children, costs, state, params)
            return state, (before, costs, state.fitness, metrics)

        return jax.lax.scan(generation, state, jax.random.split(loop_key, generations))

    return run(key, params)


@pytest.fixture(scope="module")
def zdt_run():
    strategy = MOMFEA(40, jnp.zeros(DIMENSIONS), tasks=2)
    return strategy, *driven(strategy, jax.random.key(0), 40)


SOLUTIONS = {
    "array": jnp.zeros(3),
    "dict": {"a": jnp.zeros(2), "b": {"c": jnp.zeros(())}},
    "tuple": (jnp.zeros((2, 2)), jnp.zeros(1)),
    "float16": jnp.zeros(3, jnp.float16),
}


@pytest.mark.parametrize(
    ("name", "tasks"),
    [("array", 1), ("array", 3), ("dict", 3), ("tuple", 2), ("float16", 3)],
)
def test_any_genotype_makes_the_round_and_keeps_its_structure_and_dtype(name, tasks):
    solution = SOLUTIONS[name]
    strategy = MOMFEA(12, solution, tasks)
    params = strategy.default_params
    population = jax.tree.map(
        lambda leaf: jnp.full((12, *leaf.shape), 0.5).astype(leaf.dtype), solution
    )
    fitness = jax.random.uniform(jax.random.key(0), (12, 2))
    state = strategy.init(jax.random.key(1), population, fitness, params)
    children, asked = strategy.ask(jax.random.key(2), state, params)
    assert jax.tree.structure(children) == jax.tree.structure(population)
    for child, parent in zip(jax.tree.leaves(children), jax.tree.leaves(population), strict=True):
        assert (child.shape, child.dtype) == (parent.shape, parent.dtype)
        assert ((child >= 0) & (child <= 1)).all()
    told, metrics = strategy.tell(jax.random.key(3), children, fitness / 2, asked, params)
    assert jax.tree.structure(told) == jax.tree.structure(state)
    for after, before in zip(jax.tree.leaves(told), jax.tree.leaves(state), strict=True):
        assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert metrics["generation_counter"] == 1
    assert metrics["finite_children"] == 12
    restored = jax.tree.leaves(strategy.get_population(told))
    assert [leaf.shape for leaf in restored] == [leaf.shape for leaf in jax.tree.leaves(population)]


def test_the_state_is_a_pytree_of_three_arrays():
    strategy = MOMFEA(4, jnp.zeros(2))
    state = strategy.init(
        jax.random.key(0), jnp.zeros((4, 2)), jnp.zeros((4, 2)), strategy.default_params
    )
    assert isinstance(state, State)
    assert isinstance(strategy.default_params, Fixed)
    assert [leaf.shape for leaf in jax.tree.leaves(state)] == [(4, 2), (4, 2), ()]
    assert state.generation_counter.dtype == jnp.int32


def test_the_paper_numbers_are_the_defaults():
    params = MOMFEA(6, jnp.zeros(5), tasks=3).default_params
    np.testing.assert_allclose(params.rmp, 0.4)
    assert params.rmp.shape == (3, 3)
    assert (params.crossover_eta, params.mutation_eta) == (10, 10)
    assert float(params.mutation_rate) == pytest.approx(0.2)


def test_each_task_has_as_many_individuals_in_rows_sorted_by_task():
    skills = MOMFEA(12, jnp.zeros(2), tasks=3).skill_factors
    assert skills.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert skills.dtype == jnp.int32


def test_the_same_key_gives_the_same_run_and_another_key_another(zdt_run):
    strategy, state, _ = zdt_run
    again, _ = driven(strategy, jax.random.key(0), 40)
    other, _ = driven(strategy, jax.random.key(1), 40)
    for one, two in zip(jax.tree.leaves(state), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, two)
    assert (state.population != other.population).mean() > 0.9


def test_no_task_loses_its_best_cost_of_any_objective(zdt_run):
    _, _, (before, _, after, _) = zdt_run
    best_before, best_after = (
        np.asarray(costs).reshape(40, 2, 20, 2).min(2) for costs in (before, after)
    )
    assert (best_after <= best_before).all()


def test_hypervolume_falls_only_where_a_front_is_larger_than_its_task(zdt_run):
    _, _, (before, children, after, _) = zdt_run
    by_task = (np.asarray(costs).reshape(40, 2, 20, 2) for costs in (before, children, after))
    before, children, after = (costs.reshape(80, 20, 2) for costs in by_task)
    volume = jax.jit(jax.vmap(lambda costs: hypervolume(costs, REFERENCE)))
    first = jax.vmap(fronts)(jnp.concatenate([before, children], 1)) == 0
    fits = np.asarray(first.sum(1) <= 20)
    gain = np.asarray(volume(after) - volume(before))
    assert fits.sum() > 20
    assert (gain[fits] >= -1e-5).all()
    assert (gain >= -0.01 * volume(before)).all()


def test_survivors_were_there_and_costs_stay_with_their_genes(zdt_run):
    strategy, state, _ = zdt_run
    costs = jax.vmap(zdt)(strategy.skill_factors, state.population)
    np.testing.assert_allclose(costs, state.fitness, rtol=1e-5, atol=1e-6)
    assert state.generation_counter == 40


def test_it_finds_far_more_than_random_search(zdt_run):
    _, state, _ = zdt_run
    draws = jax.random.uniform(jax.random.key(9), (2, 20 * 41, DIMENSIONS))
    volume = jax.jit(lambda costs: hypervolume(costs, REFERENCE))
    for task in (0, 1):
        found = volume(state.fitness[task * 20 : (task + 1) * 20])
        drawn = volume(jax.vmap(lambda genes, task=task: zdt(task, genes))(draws[task]))
        # The true front dominates 1.1 * 6 - 1/3.
        assert found > 0.97 * (1.1 * 6 - 1 / 3)
        assert found > drawn + 0.2


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_failed_children_never_displace_finite_parents(seed, bad):
    key, strategy = jax.random.key(seed), SMALL
    genes = jax.random.uniform(key, (8, 2))
    fitness = jax.random.uniform(key, (8, 2)).at[1].set(jnp.nan)
    state = strategy.init(key, genes, fitness, strategy.default_params)
    children = 1 - genes
    costs = jnp.full((8, 2), bad).at[:, 1].set(-5.0)
    state, metrics = strategy.tell(key, children, costs, state, strategy.default_params)
    assert metrics["finite_children"] == 0
    assert int(jnp.isfinite(state.fitness).all(-1).sum()) == 7
    kept = {tuple(row) for row in np.asarray(state.fitness).tolist()}
    assert {tuple(row) for row in np.asarray(fitness).tolist() if np.isfinite(row).all()} <= kept


SMALL = MOMFEA(8, jnp.zeros(2), tasks=2)


def test_a_population_that_failed_as_a_whole_recovers():
    params, key = SMALL.default_params, jax.random.key(0)
    genes = jax.random.uniform(key, (8, 2))
    state = SMALL.init(key, genes, jnp.full((8, 2), jnp.inf), params)
    children, state = SMALL.ask(key, state, params)
    assert jnp.isfinite(children).all()
    state, _ = SMALL.tell(key, children, jnp.ones((8, 2)), state, params)
    assert jnp.isfinite(state.fitness).all(-1).sum() >= 2


def test_a_child_competes_in_its_own_task_only():
    key, params = jax.random.key(0), SMALL.default_params
    genes = jnp.arange(8.0)[:, None] / 8 * jnp.ones(2)
    state = SMALL.init(key, genes, jnp.full((8, 2), 0.5), params)
    costs = jnp.full((8, 2), 9.0).at[:4].set(0.1)
    state, _ = SMALL.tell(key, genes, costs, state, params)
    # Equal rows are duplicates, the first of them ranks before all others.
    assert (state.fitness[:4, 0] == jnp.array([0.1] * 4)).all()
    assert (state.fitness[4:] == 0.5).all()


def test_without_mating_tasks_do_not_mix_their_genes():
    strategy = MOMFEA(40, jnp.zeros(DIMENSIONS), tasks=2)
    params = strategy.default_params
    still = {"mutation_rate": jnp.asarray(0.0), "mated_mutation_rate": jnp.asarray(0.0)}
    params = params.replace(rmp=jnp.zeros((2, 2)), **still)
    home = jnp.where(strategy.skill_factors[:, None] == 0, 0.25, 0.75) * jnp.ones(DIMENSIONS)
    apart, _ = driven(strategy, jax.random.key(0), 5, params, population=home)
    np.testing.assert_array_equal(apart.population, home)
    params = params.replace(rmp=jnp.ones((2, 2)))
    mixed, _ = driven(strategy, jax.random.key(0), 5, params, population=home)
    assert (mixed.population != home).any()


def test_one_task_alone_converges_as_well():
    strategy = MOMFEA(20, jnp.zeros(DIMENSIONS))
    state, _ = driven(strategy, jax.random.key(0), 40)
    assert hypervolume(state.fitness, REFERENCE) > 0.97 * (1.1 * 6 - 1 / 3)


@pytest.mark.parametrize("objectives", [1, 3])
def test_any_number_of_objectives(objectives):
    strategy = MOMFEA(40, jnp.zeros(DIMENSIONS), tasks=2)

    def spheres(task, genes):
        return jnp.stack(
            [((genes - shift - 0.1 * task) ** 2).sum() for shift in SPOTS[:objectives]]
        )

    state, (before, *_) = driven(strategy, jax.random.key(0), 25, judge=spheres)
    assert (state.fitness.min(0) < before[0].min(0)).all()


SPOTS = (0.3, 0.5, 0.8)
