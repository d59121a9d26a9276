"""Decomposition: what it promises on top of the algorithm that it multiplies."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evosax.algorithms import algorithms

from sosjax._errors import InputError
from sosjax.pareto._hypervolume import hypervolume
from sosjax.strategies._decomposition import Decomposition
from sosjax.strategies._evosax import BOX, REFUSED, ran_away
from sosjax.strategies._subproblem import Subproblem

GENES, TASKS, DIRECTIONS, SHARE, GENERATIONS = 8, 2, 2, 8, 12
SIZE = TASKS * DIRECTIONS * SHARE
SPOTS = np.array([0.35, 0.65], np.float32)
RUNNING = [name for name, kind in algorithms.items() if kind not in REFUSED]
EACH_FAMILY = pytest.mark.parametrize("name", ["SNES", "DifferentialEvolution"])

# PGPE's ClipUp, inside evosax.
pytestmark = pytest.mark.filterwarnings("ignore:optax.global_norm:DeprecationWarning")


def judge(genes, task):
    """Two costs of each row; the optima of the tasks lie apart."""
    apart = 4 * abs(genes[..., 1:] - SPOTS[task][:, None]).mean(-1)
    first = genes[..., 0]
    return first + apart, (1 - first) ** 2 + apart


def made(algorithm, **options):
    options = {"objectives": 2, "directions": DIRECTIONS, **options}
    return Decomposition(SIZE, jnp.zeros(GENES), TASKS, algorithm=algorithm, **options)


def failing(key, costs, fault):
    """Spoil that share of the rows with NaN and infinities."""
    row_key, kind_key = jax.random.split(key)
    bad = jax.random.uniform(row_key, (len(costs), 1)) < fault
    kinds = jax.random.choice(kind_key, jnp.array([jnp.nan, jnp.inf, -jnp.inf]), costs.shape)
    return jnp.where(bad, kinds, costs)


def recorded(strategy, traces):
    """Return a run in one scan: `(key, params, fault, bias) -> (start, end, children)`."""

    def run(key, params, fault, bias):
        traces.append(strategy)
        start_key, init_key, loop_key = jax.random.split(key, 3)

        def costs_of(key, genes):
            costs = jnp.stack(judge(genes, strategy.skill_factors), -1) + bias
            return failing(key, costs, fault)

        genes = jax.random.uniform(start_key, (SIZE, GENES))
        start = strategy.init(init_key, genes, costs_of(start_key, genes), params)

        def generation(state, key):
            ask_key, tell_key = jax.random.split(key)
            children, state = strategy.ask(ask_key, state, params)
            costs = costs_of(tell_key, children)
            return strategy.tell(tell_key, children, costs, state, params)[0], children

        end, children = jax.lax.scan(generation, start, jax.random.split(loop_key, GENERATIONS))
        return start, end, children

    return run


@jax.jit
@jax.vmap
@jax.vmap
def volume(costs):
    return hypervolume(costs, jnp.array([4.0, 4.0]))


def volumes(state):
    """Return the hypervolume of each seed's tasks."""
    return np.asarray(volume(state.fitness.reshape(-1, TASKS, SIZE // TASKS, 2)))


def flawless(state, children):
    children = np.asarray(children)
    assert ((children >= 0) & (children <= 1)).all()
    assert not any(np.isnan(leaf).any() for leaf in jax.tree.leaves(state))
    assert not ran_away(state.subproblems.search)


def seen(strategy, state, costs):
    """Return rows' numbers along their directions, in NumPy: [seeds, T, W, n] of [..., K]."""
    ideal, nadir = (np.asarray(leaf)[:, :, None, None] for leaf in (state.ideal, state.nadir))
    weight = 1 / np.maximum(np.asarray(strategy.directions), 0.01)
    weight = (weight / weight.max(-1, keepdims=True))[:, None]
    relative = (costs - ideal) / (nadir - ideal)
    return (weight * relative).max(-1) + 0.01 * relative.mean(-1)


def remembers_the_truth(strategy, state):
    """A fitness kept for generations is that of its row, seen from today's ideal and nadir."""
    search = state.subproblems.search
    genes = 0.5 + np.asarray(search.population) / (2 * BOX)
    costs = np.stack(judge(genes, np.arange(TASKS)[:, None, None]), -1)
    np.testing.assert_allclose(search.fitness, seen(strategy, state, costs), atol=2e-4, rtol=1e-3)


def same(one, other):
    """Check that all leaves are equal."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    for leaf, twin in pairs:
        np.testing.assert_array_equal(leaf, twin)


def nudged(params):
    """Return other numbers of the same types."""

    def nudge(leaf):
        return jnp.asarray(np.asarray(leaf) * np.float32(1.01)) if leaf.dtype == "float32" else leaf

    algorithm = jax.tree.map(nudge, params.algorithm)
    return params.replace(transfer=jnp.asarray(0.9), algorithm=algorithm)


FEW = ["SNES", "SV_CMA_ES", "DifferentialEvolution"]


@pytest.mark.parametrize(
    "name",
    [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in RUNNING],
)
def test_the_contract_of_a_strategy_holds_with_every_algorithm(name):
    """In one compilation: jit, scan, vmap over seeds, other numbers, failures; and it improves."""
    strategy, traces = made(name), []
    run = jax.jit(jax.vmap(recorded(strategy, traces), in_axes=(0, None, None, None)))
    keys, params = jax.random.split(jax.random.key(0)), strategy.default_params
    start, end, children = run(keys, params, 0.0, 0.0)
    flawless(end, children)
    assert not any(np.isnan(leaf).any() for leaf in jax.tree.leaves(start))
    assert (volumes(end) > volumes(start) + 0.05).all()
    assert (np.asarray(end.generation_counter) == GENERATIONS).all()
    assert (np.asarray(children[0]) != np.asarray(children[1])).any()
    if strategy._searcher.keeps_rows:
        remembers_the_truth(strategy, end)
    for fault in (0.5, 1.0):
        start, failed, bred = run(keys, params, fault, 0.0)
        flawless(failed, bred)
        assert (volumes(failed) >= volumes(start)).all()
        assert np.isfinite(failed.fitness).any() == (fault < 1)
    other = run(keys, nudged(params), 0.0, 0.0)[2]
    assert (np.asarray(other) != np.asarray(children)).any()
    assert len(traces) == 1


@EACH_FAMILY
def test_without_transfer_tasks_know_nothing_of_each_other(name):
    strategy = made(name)
    run = jax.jit(recorded(strategy, []))
    of_other = strategy.skill_factors[:, None] == 1
    foreign = jnp.where(of_other, jnp.sin(jnp.arange(2.0 * SIZE).reshape(SIZE, 2)), 0.0)
    own = slice(0, SIZE // TASKS)

    def first_task(transfer, bias):
        params = strategy.default_params.replace(transfer=jnp.asarray(transfer))
        _, end, children = run(jax.random.key(3), params, 0.0, bias * foreign)
        subproblems = [leaf[0] for leaf in jax.tree.leaves(end.subproblems)]
        return np.asarray(children[:, own]), end.population[own], subproblems

    alone, beside, mixed, remixed = (
        first_task(transfer, bias) for transfer in (0.0, 1.0) for bias in (0.0, 5.0)
    )
    same(alone, beside)
    assert (mixed[0] != remixed[0]).any()


@EACH_FAMILY
def test_one_task_alone_has_nobody_to_ask(name):
    strategy = Decomposition(16, jnp.zeros(3), algorithm=name, directions=2)
    params, key = strategy.default_params, jax.random.key(0)
    genes = jax.random.uniform(key, (16, 3))
    state = strategy.init(key, genes, genes[:, :2], params)
    asked = [
        strategy.ask(key, state, params.replace(transfer=jnp.asarray(transfer)))[0]
        for transfer in (0.0, 1.0)
    ]
    np.testing.assert_array_equal(*asked)


def started(name, transfer=1.0, key=0, **options):
    """Return a strategy with its state, parameters and costs after one `ask`."""
    strategy = made(name, **options)
    params = strategy.default_params.replace(transfer=jnp.asarray(transfer))
    keys = jax.random.split(jax.random.key(key), 3)
    genes = jax.random.uniform(keys[0], (SIZE, GENES))
    costs = jnp.stack(judge(genes, strategy.skill_factors), -1)
    before = strategy.init(keys[1], genes, costs, params)
    children, state = strategy.ask(keys[2], before, params)
    costs = jnp.stack(judge(children, strategy.skill_factors), -1)
    return SimpleNamespace(
        strategy=strategy, params=params, state=state, children=children, costs=costs
    )


def told(run, costs):
    key = jax.random.key(9)
    return run.strategy.tell(key, run.children, costs, run.state, run.params)[0]


@EACH_FAMILY
def test_an_offer_is_the_best_of_the_other_task_along_the_same_direction(name):
    run = started(name)
    assert np.asarray(run.state.subproblems.offered).all()
    offers = np.asarray(run.children).reshape(TASKS, DIRECTIONS, SHARE, GENES)[:, :, -1]
    rows = np.asarray(run.state.population).reshape(TASKS, -1, GENES)
    costs = np.asarray(run.state.fitness).reshape(TASKS, -1, 2)
    seeds = jax.tree.map(lambda leaf: leaf[None], run.state)
    numbers = seen(run.strategy, seeds, costs[None, :, None])[0]
    best = np.take_along_axis(rows[:, None], numbers.argmin(-1)[..., None, None], 2)[:, :, 0]
    np.testing.assert_allclose(offers, best[::-1], atol=1e-6)


LAST = jnp.arange(SIZE) % SHARE == SHARE - 1


def test_a_mean_moves_to_an_offer_that_beats_every_row_and_else_ignores_it():
    run = started("SNES")
    ignored, worse, better = (
        told(run, jnp.where(LAST[:, None], costs, run.costs)).subproblems.search
        for costs in (jnp.full(2, 30.0), jnp.full(2, 60.0), jnp.full(2, -1.0))
    )
    same((ignored.mean, ignored.std), (worse.mean, worse.std))
    offers = run.children.reshape(TASKS, DIRECTIONS, SHARE, GENES)[:, :, -1]
    np.testing.assert_allclose(0.5 + better.mean / (2 * BOX), offers, atol=1e-6)
    assert (np.asarray(better.mean) != np.asarray(ignored.mean)).any(-1).all()
    np.testing.assert_allclose(better.best_solution, better.mean)


def test_a_population_learns_an_offer_as_any_other_child():
    run = started("DifferentialEvolution")
    after = told(run, jnp.where(LAST[:, None], -1.0, run.costs)).subproblems.search.population
    offers = run.children.reshape(TASKS, DIRECTIONS, SHARE, GENES)[:, :, -1]
    np.testing.assert_allclose(0.5 + after[:, :, -1] / (2 * BOX), offers, atol=1e-6)


def test_a_distribution_is_told_the_rows_it_drew_and_pays_for_those_outside():
    run = started("SNES", transfer=0.0, options={})
    asked = np.asarray(run.state.subproblems.asked)
    assert (np.abs(asked) > BOX).any()
    drawn = np.clip(0.5 + asked / (2 * BOX), 0, 1).reshape(SIZE, GENES)
    np.testing.assert_allclose(run.children, drawn, atol=1e-6)
    # Rows of equal costs differ in what was cut off only: the mean moves inside.
    state = told(run, jnp.ones((SIZE, 2)))
    cut = np.square(asked - np.clip(asked, -BOX, BOX)).sum(-1)
    assert (cut[..., 0] != cut[..., 1]).any()
    after = np.asarray(state.subproblems.search.mean)
    before = np.asarray(run.state.subproblems.search.mean)
    outside = [np.square(mean - np.clip(mean, -BOX, BOX)).sum() for mean in (after, before)]
    assert (after != before).any() and outside[0] <= outside[1]


@pytest.mark.parametrize(("objectives", "directions"), [(1, 1), (2, 1), (3, 3), (4, 4)])
def test_any_number_of_objectives(objectives, directions):
    size = TASKS * directions * 8
    strategy = Decomposition(
        size,
        jnp.zeros(3),
        TASKS,
        algorithm="SimpleGA",
        objectives=objectives,
        directions=directions,
    )
    params, key = strategy.default_params, jax.random.key(0)
    corners = jnp.eye(4, 3)[:objectives]

    def costs_of(genes):
        return ((genes[:, None] - 0.8 * corners) ** 2).sum(-1)

    @jax.jit
    def run(key):
        genes = jax.random.uniform(key, (size, 3))
        start = strategy.init(key, genes, costs_of(genes), params)

        def generation(state, key):
            genes, state = strategy.ask(key, state, params)
            return strategy.tell(key, genes, costs_of(genes), state, params)[0], None

        return start, jax.lax.scan(generation, start, jax.random.split(key, 10))[0]

    start, end = run(key)
    assert end.fitness.shape == (size, objectives)
    assert (end.ideal <= start.ideal).all() and (end.ideal < start.ideal).any()


SOLUTIONS = {
    "dict": {"a": jnp.zeros(2), "b": {"c": jnp.zeros(())}},
    "tuple": (jnp.zeros((2, 2)), jnp.zeros(1)),
    "float16": jnp.zeros(3, jnp.float16),
    "mixed": {"real": jnp.zeros(2), "bit": jnp.zeros(3, bool), "whole": jnp.zeros((), jnp.int32)},
}


@pytest.mark.parametrize("kind", SOLUTIONS)
def test_any_solution_makes_the_round_and_keeps_its_structure_and_dtype(kind):
    solution = SOLUTIONS[kind]
    bounds = (0, 5) if kind == "mixed" else None
    strategy = Decomposition(8, solution, 2, algorithm="SNES", bounds=bounds)
    params, key = strategy.default_params, jax.random.key(0)
    population = jax.tree.map(lambda leaf: jnp.zeros((8, *leaf.shape), leaf.dtype), solution)
    sampled = strategy.sample(key)
    assert jax.tree.structure(sampled) == jax.tree.structure(population)
    for one, other in zip(jax.tree.leaves(sampled), jax.tree.leaves(population), strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
    fitness = jax.random.uniform(key, (8, 2))
    state = strategy.init(key, population, fitness, params)
    children, asked = strategy.ask(key, state, params)
    told, metrics = strategy.tell(key, children, fitness.at[0].set(jnp.nan), asked, params)
    assert metrics["generation_counter"] == 1
    assert metrics["finite_children"] == 7
    for rows in (children, strategy.get_population(told)):
        assert jax.tree.structure(rows) == jax.tree.structure(population)
        pairs = zip(jax.tree.leaves(rows), jax.tree.leaves(population), strict=True)
        assert all(one.shape == two.shape and one.dtype == two.dtype for one, two in pairs)
    types = [[(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(s)] for s in (state, told)]
    assert types[0] == types[1]
    assert isinstance(state.subproblems, Subproblem)


def test_attributes_say_who_works_on_what():
    strategy = made("CMA_ES")
    assert strategy.population_size == SIZE and strategy.tasks == TASKS
    assert strategy.num_dims == GENES
    assert strategy.skill_factors.tolist() == [0] * 16 + [1] * 16
    assert strategy.skill_factors.dtype == jnp.int32
    np.testing.assert_allclose(strategy.directions, [[0, 1], [1, 0]])
    assert strategy.default_params.transfer == pytest.approx(0.1)


ERRORS = {
    "uneven": (
        {"population_size": 30},
        "`population_size` must be a multiple of 2 tasks x 2 directions with at least 2 for each, "
        "got 30.",
    ),
    "too few": (
        {"population_size": 4},
        "`population_size` must be a multiple of 2 tasks x 2 directions with at least 2 for each, "
        "got 4.",
    ),
    "an odd share": (
        {"population_size": 12, "algorithm": "ARS"},
        "`algorithm` ARS cannot search 8 genes with 3 rows: Population size must be even.",
    ),
    "no tasks": ({"tasks": 0}, "`tasks` must be a whole number at least 1, got 0."),
    "no directions": ({"directions": 0}, "`directions` must be a whole number at least 1, got 0."),
    "no objectives": ({"objectives": 0}, "`objectives` must be a whole number at least 1, got 0."),
    "one objective": (
        {"objectives": 1},
        "`directions` must be 1 where there is one objective, got 2.",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_built_is_refused(case):
    changes, text = ERRORS[case]
    given = {"population_size": SIZE, "tasks": TASKS, "algorithm": "SNES", "directions": 2}
    with pytest.raises(InputError) as caught:
        Decomposition(solution=jnp.zeros(GENES), **(given | changes))
    assert str(caught.value) == text


def test_rows_and_costs_of_another_number_are_refused():
    strategy, key = made("SNES"), jax.random.key(0)
    params, genes = strategy.default_params, jnp.zeros((SIZE, GENES))
    with pytest.raises(InputError) as caught:
        strategy.init(key, genes, jnp.zeros((SIZE, 3)), params)
    assert str(caught.value) == "`fitness` must have the shape (32, 2), got (32, 3)."
    with pytest.raises(InputError) as caught:
        strategy.init(key, genes[:6], jnp.zeros((SIZE, 2)), params)
    assert str(caught.value) == "`population` must have 32 rows, got 6."
