"""Any evosax algorithm on one task and direction: one battery for all of them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from evosax.algorithms import MutationFeatureEncoding, algorithms
from evosax.algorithms.distribution_based.base import DistributionBasedAlgorithm
from evosax.algorithms.distribution_based.sv.base import SV_ES

from sosjax._errors import InputError
from sosjax.strategies._evosax import BOX, REFUSED, Searcher, ran_away
from sosjax.strategies._scalarisation import View
from sosjax.strategies._subproblem import asked, started, told

GENES, SIZE, GENERATIONS = 8, 8, 12
DIRECTION = np.array([0.3, 0.7], np.float32)
RUNNING = [name for name, kind in algorithms.items() if kind not in REFUSED]

# PGPE's ClipUp, inside evosax.
pytestmark = pytest.mark.filterwarnings("ignore:optax.global_norm:DeprecationWarning")


def judge(genes):
    """Two costs of each row, in NumPy or in JAX."""
    apart = 4 * abs(genes[..., 1:] - 0.4).mean(-1)
    first = genes[..., 0]
    return first + apart, (1 - first) ** 2 + apart


def view(generation):
    """Costs are seen from nearer every generation, as on the way to a front."""
    return View(
        jnp.asarray(DIRECTION), jnp.full(2, -0.02) * generation, 3 - jnp.full(2, 0.1) * generation
    )


def spoilt(key, costs, fault):
    """Put NaN and infinities into that share of the rows."""
    row_key, kind_key = jax.random.split(key)
    bad = jax.random.uniform(row_key, (len(costs), 1)) < fault
    kinds = jax.random.choice(kind_key, jnp.array([jnp.nan, jnp.inf, -jnp.inf]), costs.shape)
    return jnp.where(bad, kinds, costs)


def recorded(searcher, traces):
    """Return a run in one scan: `(key, params, fault) -> (start, end, genes, costs)`.

    Every third generation the last row is an offer, the best there is.
    """

    def run(key, params, fault):
        traces.append(searcher)
        start_key, loop_key = jax.random.split(key)
        genes = jax.random.uniform(start_key, (SIZE, GENES))
        costs = spoilt(start_key, jnp.stack(judge(genes), -1), fault)
        start = started(searcher, start_key, genes, costs, view(0), params)

        def generation(problem, step):
            number, key = step
            ask_key, fault_key, tell_key = jax.random.split(key, 3)
            genes, problem = asked(searcher, ask_key, problem, params)
            offered = number % 3 == 2
            genes = genes.at[-1].set(jnp.where(offered, 0.4, genes[-1]))
            problem = replace(problem, offered=offered)
            costs = spoilt(fault_key, jnp.stack(judge(genes), -1), fault)
            after = told(searcher, tell_key, problem, genes, costs, view(number + 1), params)
            return after, (genes, costs)

        steps = (jnp.arange(GENERATIONS), jax.random.split(loop_key, GENERATIONS))
        end, (bred, found) = jax.lax.scan(generation, start, steps)
        return start, end, bred, jnp.concatenate([costs[None], found])

    return run


def seen(costs):
    """Return rows' numbers as the last view sees them, in NumPy."""
    ideal, nadir = -0.02 * GENERATIONS, 3 - 0.1 * GENERATIONS
    weight = (1 / DIRECTION) / (1 / DIRECTION).max()
    relative = (costs - ideal) / (nadir - ideal)
    return (weight * relative).max(-1) + 0.01 * relative.mean(-1)


def without_nan(tree):
    return not any(np.isnan(leaf).any() for leaf in jax.tree.leaves(tree))


def same(one, other):
    """Check that all leaves are equal."""
    for leaf, twin in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(leaf, twin)


def nudged(params):
    """Return other numbers of the same types."""

    def nudge(leaf):
        return jnp.asarray(np.asarray(leaf) * np.float32(1.01)) if leaf.dtype == "float32" else leaf

    return jax.tree.map(nudge, params)


@pytest.mark.parametrize("name", RUNNING)
def test_every_algorithm_keeps_the_contract(name):
    """In one compilation: jit, scan, vmap over seeds, other numbers, failures; and it improves."""
    searcher, traces = Searcher(name, SIZE, GENES), []
    run = jax.jit(jax.vmap(recorded(searcher, traces), in_axes=(0, None, None)))
    keys, params = jax.random.split(jax.random.key(0)), searcher.default_params
    start, end, genes, costs = run(keys, params, 0.0)
    numbers = seen(np.asarray(costs)).reshape(2, -1)
    assert (numbers.min(1) < numbers[:, :SIZE].min(1)).all()
    assert (np.asarray(genes[0, :, 0]) != np.asarray(genes[1, :, 0])).any()
    if searcher.keeps_rows:  # what it remembers is what its rows cost, seen from where we are now
        kept = 0.5 + np.asarray(end.search.population) / (2 * BOX)
        truth = seen(np.stack(judge(kept), -1))
        np.testing.assert_allclose(end.search.fitness, truth, rtol=1e-3, atol=1e-4)
    for fault, numbers in ((0.0, params), (0.5, nudged(params)), (1.0, params)):
        start, end, genes, _ = run(keys, numbers, fault)
        assert without_nan(start) and without_nan(end) and not ran_away(end.search)
        assert (np.asarray(genes) >= 0).all() and (np.asarray(genes) <= 1).all()
    assert len(traces) == 1


def test_all_algorithms_run_but_those_with_a_reason():
    assert len(algorithms) == 37
    assert set(algorithms) - set(RUNNING) == {"GuidedES"}


def test_an_algorithm_whose_numbers_ran_away_starts_again():
    searcher = Searcher("SNES", 4, 3)
    params, key = searcher.default_params, jax.random.key(0)
    rows = jnp.arange(12.0).reshape(4, 3) - 6
    state = searcher.start(key, rows, jnp.arange(4.0), params)
    state = state.replace(std=jnp.full(3, jnp.nan))
    assert ran_away(state)
    after = searcher.tell(key, rows, jnp.array([3.0, 1.0, 2.0, 4.0]), state, params)
    assert not ran_away(after)
    np.testing.assert_array_equal(after.mean, rows[1])


@pytest.mark.parametrize("name", ["CMA_ES", "HillClimbing", "SimulatedAnnealing", "SV_Open_ES"])
def test_a_moved_mean_takes_the_best_row_along_if_that_is_worse(name):
    searcher = Searcher(name, 4, 3)
    params, key = searcher.default_params, jax.random.key(0)
    rows, fitness = jnp.arange(12.0).reshape(4, 3) / 3 - 2, jnp.array([2.0, 1.0, 3.0, 4.0])
    state = searcher.tell(key, rows, fitness, searcher.start(key, rows, fitness, params), params)
    row = jnp.full(3, 0.7)
    stays = searcher.move(state, row, jnp.asarray(0.5), jnp.asarray(False))
    same(state, stays)
    moved = searcher.move(state, row, jnp.asarray(0.5), jnp.asarray(True))
    last = (lambda leaf: leaf[-1]) if name.startswith("SV") else (lambda leaf: leaf)
    np.testing.assert_array_equal(last(moved.mean), row)
    np.testing.assert_array_equal(last(moved.best_solution), row)
    assert last(moved.best_fitness) == 0.5
    worse = searcher.move(state, row, jnp.asarray(9.0), jnp.asarray(True))
    np.testing.assert_array_equal(last(worse.mean), row)
    assert last(worse.best_fitness) == last(state.best_fitness) < 9
    assert jax.tree.structure(moved) == jax.tree.structure(state)


@pytest.mark.parametrize("short", ["DES", "LES", "LGA"])
def test_an_algorithm_goes_by_its_short_name_its_class_name_and_its_class(short):
    kind = algorithms[short]
    for algorithm in (short, kind.__name__, kind):
        assert isinstance(Searcher(algorithm, 4, 3)._algorithm, kind)


def test_options_reach_the_constructor():
    assert Searcher("SV_CMA_ES", 8, 3, {"num_populations": 4})._means == 4


ERRORS = {
    "no name": (
        {"algorithm": "CMAES"},
        "`algorithm` must be one of ",
        ", got 'CMAES' (did you mean 'CMA_ES'?).",
    ),
    "no algorithm": (
        {"algorithm": object},
        "`algorithm` must be an evosax algorithm's class or name, got <class 'object'>.",
    ),
    "an enum": (
        {"algorithm": MutationFeatureEncoding},
        "`algorithm` must be an evosax algorithm's class or name, "
        "got <enum 'MutationFeatureEncoding'>.",
    ),
    "a number": (
        {"algorithm": 3},
        "`algorithm` must be an evosax algorithm's class or name, got 3.",
    ),
    "a base class": (
        {"algorithm": DistributionBasedAlgorithm},
        "`algorithm` must be an evosax algorithm's class or name, "
        f"got {DistributionBasedAlgorithm!r}.",
    ),
    "a base class of Stein": (
        {"algorithm": SV_ES},
        f"`algorithm` must be an evosax algorithm's class or name, got {SV_ES!r}.",
    ),
    "gradients": (
        {"algorithm": "GuidedES"},
        "`algorithm` cannot be GuidedES: it follows a gradient given from outside, and costs alone "
        "give none.",
    ),
    "an option": (
        {"options": {"optimiser": None}},
        "`options` must be one of fitness_shaping_fn, optimizer, got 'optimiser' (did you mean "
        "'optimizer'?).",
    ),
    "a fixed option": (
        {"options": {"solution": 3}},
        "`options` must be one of fitness_shaping_fn, optimizer, got 'solution'.",
    ),
    "an odd size": (
        {"size": 3, "algorithm": "ARS"},
        "`algorithm` ARS cannot search 8 genes with 3 rows: Population size must be even.",
    ),
    "a small size": (
        {"size": 3, "algorithm": "DifferentialEvolution"},
        "`algorithm` DifferentialEvolution cannot search 8 genes with 3 rows: DE requires "
        "population_size >= 4.",
    ),
    "another size": (
        {"size": 5, "algorithm": "ESMC"},
        "`population_size` must suit ESMC, which gives 4 rows where 5 were wanted.",
    ),
    "an uneven size": (
        {"size": 5, "algorithm": "SV_CMA_ES"},
        "`population_size` must give SV_CMA_ES at least 2 rows for each of its 2 populations and "
        "the same number to all, got 5 rows.",
    ),
    "few genes": (
        {"size": 16, "algorithm": "LM_MA_ES"},
        "`population_size` must give LM_MA_ES at most as many rows as there are genes, got 16 rows "
        "for 8 genes.",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_search_is_refused(case):
    changes, *texts = ERRORS[case]
    with pytest.raises(InputError) as caught:
        Searcher(**({"algorithm": "SNES", "size": 8, "genes": 8} | changes))
    assert str(caught.value).startswith(texts[0])
    assert str(caught.value).endswith(texts[-1])
