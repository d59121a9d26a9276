"""Related tasks: the dial, the fronts, and that every task is its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from sosjax._errors import InputError
from sosjax.problems import LANDSCAPES, related_tasks
from sosjax.problems._related import _drawn, _each, _turned


def distances(problem):
    """Return the distance between the optima of every two tasks."""
    optima = np.stack(problem.optima)
    first, second = np.triu_indices(len(optima), 1)
    return np.linalg.norm(optima[first] - optima[second], axis=1)


def optimal(problem, count, rng):
    """Return Pareto-optimal genotypes [T, N, D] with random positions."""
    optima = np.stack(problem.optima)
    position = rng.random((len(optima), count, problem.genes - optima.shape[1]))
    rest = np.broadcast_to(optima[:, None], (len(optima), count, optima.shape[1]))
    return np.concatenate([position, rest], -1)


def evaluated(problem, genes):
    with jax.enable_x64(True):
        return np.asarray(jax.jit(problem.evaluate)(jnp.asarray(genes)))


@given(st.integers(2, 9), st.floats(0, 1), st.integers(3, 40), st.integers(0, 2**31), st.booleans())
def test_the_distance_between_optima_falls_linearly_with_the_dial(
    tasks, relatedness, dimensions, seed, more
):
    objectives = min(3 if more else 2, dimensions - 1)
    near, far = (
        distances(related_tasks(tasks, dial, dimensions, objectives, seed))
        for dial in (relatedness, 0)
    )
    np.testing.assert_allclose(near, (1 - relatedness) * far, atol=1e-12)
    for optimum in related_tasks(tasks, relatedness, dimensions, objectives, seed).optima:
        assert optimum.shape == (dimensions - objectives + 1,)
        assert ((optimum >= 0.1) & (optimum <= 0.9)).all()


def test_unrelated_optima_are_as_far_apart_as_independent_points():
    # The squared distance of two uniform numbers of [0.1, 0.9] is 0.64 / 6 in expectation.
    far = distances(related_tasks(20, 0, 200))
    assert (far**2).mean() == pytest.approx(199 * 0.64 / 6, rel=0.05)


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("relatedness", [0.0, 0.3, 1.0])
def test_the_optimum_is_on_the_front_and_nothing_is_before_it(objectives, relatedness):
    rng = np.random.default_rng(0)
    problem = related_tasks(7, relatedness, 14, objectives)
    best = optimal(problem, 50, rng)
    moved = np.clip(best + rng.normal(size=best.shape) * rng.choice([1e-4, 0.1], (50, 1)), 0, 1)
    on, off = evaluated(problem, best), evaluated(problem, moved)
    for task in range(7):
        front = problem.front(task)
        spacing = {2: 1.7e-4, 3: 0.013, 4: 0.065}[objectives]
        assert front.shape == (10_000, objectives)
        assert cKDTree(front).query(on[task])[0].max() < spacing
        assert not (off[task][:, None] < front - 1e-9).all(-1).any()
        if objectives > 2:
            np.testing.assert_allclose(np.linalg.norm(on[task], axis=1), 1, atol=1e-12)


def test_two_objectives_go_through_three_shapes():
    problem = related_tasks(3, 0.5, 12)
    first, second = np.moveaxis(
        evaluated(problem, optimal(problem, 20, np.random.default_rng(0))), -1, 0
    )
    np.testing.assert_allclose(first[0] ** 2 + second[0] ** 2, 1)
    np.testing.assert_allclose(second[1], 1 - first[1] ** 2, atol=1e-12)
    np.testing.assert_allclose(second[2], 1 - np.sqrt(first[2]), atol=1e-12)


def test_tasks_of_one_optimum_still_differ_in_their_landscapes():
    problem = related_tasks(12, 1.0, 20, 3)
    genes = np.tile(np.random.default_rng(0).random((1, 8, 20)), (12, 1, 1))
    q = np.linalg.norm(evaluated(problem, genes), axis=-1)
    assert len(np.unique(q.round(6), axis=0)) == 12
    assert [task.split()[1] for task in problem.tasks] == [*LANDSCAPES, *LANDSCAPES]


def test_a_sphere_is_rotated_and_scaled_within_its_bounds():
    problem = related_tasks(3, 0.0, 22, 3, landscapes=["sphere"])
    genes = np.random.default_rng(0).random((3, 40, 22))
    radius = np.linalg.norm(genes[..., 2:] - np.stack(problem.optima)[:, None], axis=-1)
    g = np.linalg.norm(evaluated(problem, genes), axis=-1) - 1
    ratio = np.sqrt(g) / radius / 20
    assert (ratio > 0.5).all() and (ratio < 2).all() and ratio.std() > 0.02


def test_a_task_is_the_same_however_many_there_are_and_alone():
    few, many = related_tasks(2, 0.4, 12, seed=5), related_tasks(9, 0.4, 12, seed=5)
    genes = np.random.default_rng(0).random((9, 6, 12))
    costs = evaluated(many, genes)
    np.testing.assert_allclose(evaluated(few, genes[:2]), costs[:2])
    with jax.enable_x64(True):
        np.testing.assert_allclose(many.costs(7, jnp.asarray(genes[7])), costs[7])
    np.testing.assert_allclose(evaluated(many.only(7, 0), genes[[7, 0]]), costs[[7, 0]])
    other = related_tasks(2, 0.4, 12, seed=6)
    assert np.abs(np.stack(other.optima) - np.stack(few.optima)).max() > 0.1


def test_float32_is_near_float64_and_maps_over_seeds():
    problem = related_tasks(6, 0.5, 30)
    genes = np.random.default_rng(0).random((2, 6, 9, 30), np.float32)
    single = np.asarray(jax.jit(jax.vmap(problem.evaluate))(jnp.asarray(genes)))
    assert single.dtype == np.float32
    for seed in (0, 1):
        double = evaluated(problem, genes[seed].astype(float))
        assert double.dtype == np.float64
        scale = np.abs(double).max(-1, keepdims=True)
        assert (np.abs(single[seed] - double) / scale).max() < 1e-5


def test_the_program_does_not_grow_with_the_tasks():
    def length(tasks):
        genes = jax.ShapeDtypeStruct((tasks, 4, 20), jnp.float32)
        return len(jax.make_jaxpr(related_tasks(tasks, 0.5, 20).evaluate)(genes).eqns)

    assert length(64) == length(12)


@given(st.integers(0, 2**31), st.integers(1, 20))
def test_scaling_is_between_a_half_and_two_and_keeps_padding_apart(seed, variables):
    _, turns = _drawn(2, 0.0, variables, seed)
    scales = np.linalg.svd(turns, compute_uv=False)
    assert ((scales > 0.499) & (scales < 2.001)).all()
    if last := variables % 8:
        assert (turns[:, -1, :last, last:] == 0).all()


def test_turning_is_a_product_with_a_matrix_of_blocks():
    _, turns = _drawn(2, 0.0, 11, 3)
    x = np.random.default_rng(0).normal(size=(2, 5, 11))
    with jax.enable_x64(True):
        z = np.asarray(jax.jit(_turned)(jnp.asarray(x), jnp.asarray(turns)))
    for task in (0, 1):
        np.testing.assert_allclose(z[task, :, :8], x[task, :, :8] @ turns[task, 0].T)
        np.testing.assert_allclose(z[task, :, 8:], x[task, :, 8:] @ turns[task, 1, :3, :3].T)


def test_each_row_meets_its_own_function_in_its_own_place():
    double, negate = lambda x: 2 * x, lambda x: -x
    rows = jnp.arange(5.0)
    np.testing.assert_array_equal(
        _each([double, negate, negate, double, negate], rows), [0, -1, -2, 6, -4]
    )
    np.testing.assert_array_equal(_each([negate] * 5, rows), -rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tasks": 0}, "`tasks` must be a whole number at least 1, got 0."),
        ({"relatedness": 1.1}, "`relatedness` must be a number from 0 to 1, got 1.1."),
        ({"relatedness": np.nan}, "`relatedness` must be a number from 0 to 1, got nan."),
        ({"objectives": 1}, "`objectives` must be a whole number from 2 to 4, got 1."),
        ({"objectives": 5}, "`objectives` must be a whole number from 2 to 4, got 5."),
        (
            {"dimensions": 3, "objectives": 3},
            "`dimensions` must be a whole number at least 4, got 3.",
        ),
        ({"seed": -1}, "`seed` must be a whole number at least 0, got -1."),
        ({"landscapes": []}, "`landscapes` must name at least one landscape, got none."),
        (
            {"landscapes": ["sphere", "sphere"]},
            "`landscapes` must have different names, got twice: sphere.",
        ),
        (
            {"landscapes": ["spheres"]},
            "`landscapes` must be one of sphere, mean, rosenbrock, rastrigin, ackley, griewank, "
            "got 'spheres' (did you mean 'sphere'?).",
        ),
    ],
)
def test_what_cannot_be_used_is_named(arguments, message):
    with pytest.raises(InputError) as caught:
        related_tasks(**{"tasks": 2, "relatedness": 0.5, **arguments})
    assert str(caught.value) == message
