"""A multitask strategy with one task is its single-task self; what random search draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies_table import ROWS, SOLUTION, run, zdt

from sosjax.strategies._adaptive_de import AdaptiveDE
from sosjax.strategies._mfea import MFEA
from sosjax.strategies._mfea2 import MFEA2
from sosjax.strategies._mo_mfea import MOMFEA
from sosjax.strategies._mo_mfea2 import MOMFEA2
from sosjax.strategies._nsga2 import NSGA2
from sosjax.strategies._params import Fixed
from sosjax.strategies._random import RandomSearch


def spheres(task, genes):
    """Return two objectives of three genes."""
    return jnp.stack([jnp.square(genes - 0.3).sum(), jnp.square(genes - 0.8).sum()])


def test_momfea_of_one_task_is_nsga2_bit_for_bit():
    nsga2, momfea = (ROWS[name].strategy(20, tasks=1) for name in ("NSGA2", "MOMFEA"))
    numbers = nsga2.default_params
    given = Fixed(**vars(numbers), mated_mutation_rate=numbers.mutation_rate, rmp=jnp.zeros((1, 1)))
    one, two = (
        jax.jit(lambda key, params, strategy=strategy: run(strategy, key, zdt, 10, params))(
            jax.random.key(0), params
        )
        for strategy, params in ((nsga2, numbers), (momfea, given))
    )
    for left, right in zip(*map(jax.tree.leaves, (one, two)), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(
    ("make", "name"),
    [(MOMFEA, "rmp"), (MFEA, "rmp"), (MOMFEA2, "sharpness"), (MFEA2, "sharpness")],
)
def test_one_task_does_not_depend_on_how_tasks_mate(make, name):
    strategy = make(12, jnp.zeros(3))
    params = strategy.default_params

    def judge(task, genes):
        costs = spheres(task, genes)
        return costs if make in (MOMFEA, MOMFEA2) else costs[:1]

    def go(number):
        given = params.replace(**{name: getattr(params, name) * number})
        state, _ = run(strategy, jax.random.key(0), judge, 10, given)
        return state.population, state.fitness

    for leaf in jax.jit(jax.vmap(go))(jnp.array([0.0, 1.0, 2.5])):
        np.testing.assert_array_equal(leaf[0], leaf[1])
        np.testing.assert_array_equal(leaf[0], leaf[2])


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_nsga2_of_several_objectives_finds_what_lies_between_their_optima(objectives):
    strategy = NSGA2(40, jnp.zeros(objectives + 1))
    corners = 0.2 + 0.6 * jnp.eye(objectives, objectives + 1)

    def judge(task, genes):
        return jnp.square(genes - corners).sum(-1)

    state, _ = jax.jit(lambda key: run(strategy, key, judge, 60))(jax.random.key(0))
    genes = state.population
    # The Pareto set is the simplex of the corners: the last gene is 0.2, the others sum to
    # 0.6 + 0.2 K.
    assert float(jnp.abs(genes[:, -1] - 0.2).mean()) < 0.05
    assert float(jnp.abs(genes[:, :-1].sum(1) - 0.6 - 0.2 * objectives).mean()) < 0.3
    assert strategy.nondominated(state).mean() > 0.9
    assert (state.fitness.min(0) < 0.05).all()


def test_random_search_draws_as_it_is_told_whatever_the_order_of_skill_factors():
    def draw(key, count):
        number = jnp.arange(count)
        return {"half": number.astype(jnp.float16) / 64, "bits": number % 2 == 0}

    solution = {"half": jnp.zeros((), jnp.float16), "bits": jnp.zeros((), bool)}
    for factors in ([0, 0, 0, 0, 1, 1, 1, 1], [0, 1] * 4):
        strategy = RandomSearch(8, solution, tasks=2, draw=draw, skill_factors=factors)
        params, key = strategy.default_params, jax.random.key(0)
        state = strategy.init(key, draw(key, 8), jnp.ones((8, 2)), params)
        children, _ = strategy.ask(key, state, params)
        # The first drawn ones are for the first task.
        order = np.argsort(factors, kind="stable")
        np.testing.assert_allclose(children["half"][order], np.arange(8) / 64, atol=1e-4)
        np.testing.assert_array_equal(children["bits"][order], np.arange(8) % 2 == 0)


def test_samples_are_uniform_over_the_bounds():
    sample = ROWS["MOMFEA"].strategy(2000).sample(jax.random.key(0))
    assert jax.tree.structure(sample) == jax.tree.structure(SOLUTION)
    wholes = np.asarray(sample["nested"]["wholes"])
    for gene, low, high in [(0, 1, 5), (1, -3, 0)]:
        share = np.bincount(wholes[:, gene] - low, minlength=high - low + 1) / 2000
        np.testing.assert_allclose(share, 1 / (high - low + 1), atol=0.05)
    assert sample["nested"]["bits"].mean() == pytest.approx(0.5, abs=0.05)
    assert np.quantile(sample["reals"], [0.25, 0.5, 0.75]) == pytest.approx([0, 1, 2], abs=0.15)


@pytest.mark.parametrize(
    ("name", "field"), [("MOMFEA", "rmp"), ("MFEA", "rmp"), ("AdaptiveDE", "transfer")]
)
def test_without_transfer_children_do_not_depend_on_other_tasks(name, field):
    row, key = ROWS[name], jax.random.key(0)
    strategy = row.make(20, jnp.zeros(3), tasks=2)
    params = strategy.default_params
    costs = jax.random.uniform(key, (20, row.objectives))
    genes = strategy.sample(key)
    state = strategy.init(key, genes, costs, params)
    elsewhere = strategy.init(key, genes.at[10:].set(genes[10:] ** 2), costs, params)

    def children(number):
        given = params.replace(**{field: jnp.full_like(getattr(params, field), number)})
        return [np.asarray(strategy.ask(key, one, given)[0][:10]) for one in (state, elsewhere)]

    alone, mixed = children(0), children(1)
    np.testing.assert_array_equal(*alone)
    assert (mixed[0] != mixed[1]).any(-1).mean() > 0.1


def test_what_an_individual_of_adaptive_de_carries_moves_with_its_genes():
    strategy, keys = AdaptiveDE(12, jnp.zeros(3), tasks=2), jax.random.split(jax.random.key(0), 4)
    params = strategy.default_params
    before, told = jax.random.uniform(keys[0], (2, 12, 2))
    state = strategy.init(keys[1], strategy.sample(keys[2]), before, params)
    children, asked = strategy.ask(keys[3], state, params)
    after, _ = strategy.tell(keys[3], children, told, asked, params)
    genes, kept = np.concatenate([state.population, children]), np.asarray(after.population)
    rows = [int(np.flatnonzero((genes == row).all(1))[0]) for row in kept]
    assert 0 < sum(row < 12 for row in rows) < 12
    memory = asked.memory
    for own, new, carried in zip(
        *map(jax.tree.leaves, (memory.traits, memory.asked, after.memory.traits)), strict=True
    ):
        both = np.concatenate([own.reshape(12), new.reshape(12)])
        np.testing.assert_array_equal(carried.reshape(12), both[rows])
