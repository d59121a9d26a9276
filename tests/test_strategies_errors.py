"""What strategies refuse, and the sentence that says so."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies_table import ROWS, each, each_row

from sosjax._errors import InputError
from sosjax.strategies._mo_mfea import MOMFEA
from sosjax.strategies._nsga2 import NSGA2
from sosjax.strategies._random import RandomSearch

KEY = jax.random.key(0)


def refused(call, message):
    with pytest.raises(InputError) as caught:
        call()
    assert str(caught.value) == message


@each_row
@pytest.mark.parametrize(("size", "tasks"), [(9, 1), (0, 1), (1, 1), (10, 4), (15, 3), (6, 4)])
def test_a_population_that_cannot_be_shared_out(row, size, tasks):
    if tasks == 1 or row.tasks > 1:
        refused(
            lambda: row.make(size, jnp.zeros(2), tasks=tasks),
            f"`population_size` must be an even multiple of {tasks} tasks with at least 2 for "
            f"each, got {size}.",
        )


@pytest.mark.parametrize("size", [-2, True])
def test_a_population_size_that_is_no_number(size):
    refused(
        lambda: MOMFEA(size, jnp.zeros(2)),
        f"`population_size` must be a whole number at least 0, got {size!r}.",
    )


@pytest.mark.parametrize("tasks", [0, -1, True])
def test_a_number_of_tasks_that_is_none(tasks):
    refused(
        lambda: MOMFEA(4, jnp.zeros(2), tasks),
        f"`tasks` must be a whole number at least 1, got {tasks!r}.",
    )


def test_two_tasks_for_nsga2():
    refused(lambda: NSGA2(8, jnp.zeros(2), tasks=2), "`tasks` must be 1 for NSGA-II, got 2.")


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([0, 1, 0], "be 4 whole numbers, got an array of int64 of shape [3]."),
        ([[0, 1, 0, 1]], "be 4 whole numbers, got an array of int64 of shape [1, 4]."),
        ([0.0, 1, 0, 1], "be 4 whole numbers, got an array of float64 of shape [4]."),
        ("0101", "be 4 whole numbers, got an array of <U4 of shape []."),
        ([0, 1, 2, 1], "lie from 0 to 1, got 0 to 2."),
        ([0, 1, -1, 1], "lie from 0 to 1, got -1 to 1."),
        ([0, 1, 1, 1], "have each of 2 tasks 2 times, got [1, 3] times."),
        ([0, 0, 0, 0], "have each of 2 tasks 2 times, got [4, 0] times."),
    ],
)
def test_skill_factors_that_do_not_fit(factors, message):
    refused(
        lambda: MOMFEA(4, jnp.zeros(2), tasks=2, skill_factors=factors),
        f"`skill_factors` must {message}",
    )


@each_row
def test_solutions_and_bounds_are_read_at_construction(row):
    refused(
        lambda: row.make(8, "text", tasks=row.tasks),
        "`solution` must have leaves of floats, booleans or whole numbers, got 'text'.",
    )
    refused(
        lambda: row.make(8, jnp.zeros(2), tasks=row.tasks, bounds=(1, 0)),
        "`bounds` must be finite with low <= high, got 1 and 0 for gene 0.",
    )


@cache
def started(row):
    """Return a strategy of eight individuals and its state."""
    strategy = row.make(8, jnp.zeros(2), tasks=row.tasks)
    return strategy, init(strategy, jnp.zeros((8, row.objectives)))


def init(strategy, fitness, population=None):
    """Return a first state."""
    population = jnp.zeros((8, 2)) if population is None else population
    return strategy.init(KEY, population, fitness, strategy.default_params)


@each_row
@pytest.mark.parametrize("shape", [(), (7,), (7, 1), (8, 0), (8, 1, 1), (1, 8)])
def test_a_first_fitness_of_another_shape(row, shape):
    refused(
        lambda: init(started(row)[0], jnp.zeros(shape)),
        f"`fitness` must have shape [8, K], got {list(shape)}.",
    )


@each_row
def test_a_later_fitness_of_another_shape(row):
    strategy, state = started(row)
    count = row.objectives
    for shape in [
        (8, count + 1),
        (7, count),
        (8, 0),
        (8, count, 1),
        *([(8,)] if count > 1 else []),
    ]:
        refused(
            lambda shape=shape: strategy.tell(
                KEY, jnp.zeros((8, 2)), jnp.zeros(shape), state, strategy.default_params
            ),
            f"`fitness` must have shape [8, {count}], got {list(shape)}.",
        )


@each({name: row for name, row in ROWS.items() if row.objectives == 1})
def test_two_objectives_where_one_is_meant(row):
    refused(
        lambda: init(started(row)[0], jnp.zeros((8, 2))),
        "`fitness` must have one objective for a single-objective strategy, got 2.",
    )


@each_row
def test_one_objective_needs_no_second_axis(row):
    costs = np.array([3.0, 1, 2, 0, 7, 6, 5, 4], np.float32)
    genes = costs[:, None] / 8 * np.ones(2, np.float32)
    strategy = started(row)[0]
    state = init(strategy, costs, genes)
    assert state.fitness.shape == (8, 1)
    state, _ = strategy.tell(KEY, genes / 2, costs / 2, state, strategy.default_params)
    best = np.sort(np.concatenate([costs, costs / 2]).reshape(2, row.tasks, -1), -1)
    for task in range(row.tasks):
        both = np.sort(best[:, task].ravel())[: 8 // row.tasks]
        np.testing.assert_array_equal(state.fitness.reshape(row.tasks, -1)[task], both)
    np.testing.assert_allclose(state.population[:, 0], state.fitness[:, 0] / 8)


@pytest.mark.parametrize(
    ("dtype", "kept"), [(np.int32, jnp.float32), (np.float16, jnp.float32), (bool, jnp.float32)]
)
def test_costs_of_any_real_dtype_are_taken(dtype, kept):
    strategy = started(ROWS["MOMFEA"])[0]
    state = jax.eval_shape(lambda: vars(init(strategy, np.ones((8, 2), dtype))))
    assert state["fitness"].dtype == kept


@each_row
@pytest.mark.parametrize(
    ("population", "message"),
    [
        (jnp.zeros((6, 2)), "have 8 individuals, got 6."),
        (jnp.zeros((8, 3)), "have leaves of shapes [P, *solution] [(8, 2)], got [(8, 3)]."),
        (jnp.zeros(()), "have leaves of shapes [P, *solution] [(2,)], got [()]."),
        (
            {"x": jnp.zeros((8, 2))},
            "have the structure of the solution PyTreeDef(*), got PyTreeDef({'x': *}).",
        ),
    ],
)
def test_a_population_of_another_size_or_structure(row, population, message):
    strategy, state = started(row)
    costs = jnp.zeros((8, row.objectives))
    refused(lambda: init(strategy, costs, population), f"`population` must {message}")
    refused(
        lambda: strategy.tell(KEY, population, costs, state, strategy.default_params),
        f"`population` must {message}",
    )


def test_another_number_of_drawn_solutions():
    strategy = RandomSearch(8, jnp.zeros(2), draw=lambda key, count: jnp.zeros((count - 2, 2)))
    state = strategy.init(KEY, jnp.zeros((8, 2)), jnp.zeros((8, 2)), strategy.default_params)
    refused(
        lambda: strategy.ask(KEY, state, strategy.default_params),
        "`population` must have 8 individuals, got 6.",
    )
