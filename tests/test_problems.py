"""The CEC2017 suite against its definitions in NumPy, true fronts, and what a problem refuses."""

from functools import cache, partial
from importlib import resources

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from sosjax._errors import InputError
from sosjax.problems import CEC17, MultitaskProblem, cec17
from sosjax.problems import _distance as distance
from sosjax.problems import _front as fronts
from sosjax.problems import _shape as shape

with (
    resources.as_file(resources.files("sosjax") / "data" / "cec17") as folder,
    np.load(folder / "cec17_mtmo.npz") as file,
):
    CONSTANTS = {name: file[name] for name in file.files}

# The suite's definitions, written out once more, plainly, in float64.
G = {
    "sphere": lambda z: np.sum(z**2, 1),
    "mean": lambda z: 9 * np.sum(np.abs(z), 1) / z.shape[1],
    "rosenbrock": lambda z: np.sum(
        100 * (z[:, :-1] ** 2 - z[:, 1:]) ** 2 + (1 - z[:, :-1]) ** 2, 1
    ),
    "rastrigin": lambda z: np.sum(z**2 - 10 * np.cos(2 * np.pi * z) + 10, 1),
    "ackley": lambda z: (
        20
        + np.e
        - 20 * np.exp(-0.2 * np.sqrt(np.mean(z**2, 1)))
        - np.exp(np.mean(np.cos(2 * np.pi * z), 1))
    ),
    "griewank": lambda z: (
        1 + np.sum(z**2, 1) / 4000 - np.prod(np.cos(z / np.sqrt(np.arange(1, z.shape[1] + 1))), 1)
    ),
}


def circle(x, q):
    angle = np.pi * x[:, 0] / 2
    return np.stack([q * np.cos(angle), q * np.sin(angle)], 1)


def concave(x, q):
    return np.stack([x.mean(1), q * (1 - (x.mean(1) / q) ** 2)], 1)


def convex(x, q):
    return np.stack([x.mean(1), q * (1 - np.sqrt(x.mean(1) / q))], 1)


def sphere(x, q):
    one, two = np.pi * x.T / 2
    return np.stack(
        [q * np.cos(one) * np.cos(two), q * np.cos(one) * np.sin(two), q * np.sin(one)], 1
    )


# D, k, low, high, g, shape; a shift or a matrix is known by its name.
DEFINED = {
    ("CIHS", 0): (50, 1, -100, 100, "sphere", circle),
    ("CIHS", 1): (50, 1, -100, 100, "mean", concave),
    ("CIMS", 0): (10, 1, -5, 5, "rosenbrock", concave),
    ("CIMS", 1): (10, 1, -5, 5, "mean", circle),
    ("CILS", 0): (50, 1, -2, 2, "rastrigin", circle),
    ("CILS", 1): (50, 1, -1, 1, "ackley", convex),
    ("PIHS", 0): (50, 1, -100, 100, "sphere", convex),
    ("PIHS", 1): (50, 1, -100, 100, "rastrigin", convex),
    ("PIMS", 0): (50, 1, 0, 1, "sphere", circle),
    ("PIMS", 1): (50, 1, 0, 1, "rastrigin", concave),
    ("PILS", 0): (50, 1, -50, 50, "griewank", circle),
    ("PILS", 1): (50, 1, -100, 100, "ackley", circle),
    ("NIHS", 0): (50, 1, -80, 80, "rosenbrock", circle),
    ("NIHS", 1): (50, 1, -80, 80, "sphere", convex),
    ("NIMS", 0): (20, 2, -20, 20, "rosenbrock", sphere),
    ("NIMS", 1): (20, 2, -20, 20, "sphere", concave),
    ("NILS", 0): (25, 2, -50, 50, "griewank", sphere),
    ("NILS", 1): (50, 2, -100, 100, "ackley", concave),
}
ROWS = 300
each_task = pytest.mark.parametrize(("name", "task"), DEFINED)
each_problem = pytest.mark.parametrize("name", CEC17)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def defined(name, task, genes):
    """Return the costs of genotypes by the definitions above."""
    _, k, low, high, g, shaped = DEFINED[name, task]
    z = low + genes[:, k:] * (high - low)
    z = z - CONSTANTS.get(f"S_{name}_{task + 1}", 0)
    z = z @ CONSTANTS.get(f"M_{name}_{task + 1}", np.eye(z.shape[1])).T
    return shaped(genes[:, :k], 1 + G[g](z))


@cache
def jitted(problem, task):
    return jax.jit(partial(problem.costs, task))


def costs_of(problem, task, genes):
    """Return the costs of NumPy genotypes in their own precision, with the dtype JAX gave."""
    rows = np.pad(genes, ((0, ROWS - len(genes)), (0, 0)))  # one shape compiles once
    with jax.enable_x64(True):
        costs = jitted(problem, task)(jnp.asarray(rows))
        return np.asarray(costs, float)[: len(genes)], costs.dtype


def optimal(problem, task, count, rng):
    """Return Pareto-optimal genotypes with random positions, both ends of each among them."""
    optimum = problem.optima[task]
    position = rng.random((count, problem.dimensions[task] - len(optimum)))
    position[:2] = [[0.0], [1.0]]
    return np.concatenate([position, np.tile(optimum, (count, 1))], 1)


def sentence(function, *arguments):
    with pytest.raises(InputError) as caught:
        function(*arguments)
    return str(caught.value)


def test_the_nine_problems_are_there_with_their_sizes():
    assert len(CEC17) == 9
    assert {(name, task) for name in CEC17 for task in (0, 1)} == set(DEFINED)
    for (name, task), (dimensions, k, low, high, _, shaped) in DEFINED.items():
        problem = cec17(name)
        assert (problem.name, problem.tasks[task]) == (name, f"{name} {task + 1}")
        assert problem.dimensions[task] == dimensions
        assert problem.objectives[task] == (3 if shaped is sphere else 2)
        box = problem.boxes[task]
        assert (box[:, :k] == [[0], [1]]).all() and (box[:, k:] == [[low], [high]]).all()


@each_dtype
@each_task
def test_costs_are_those_of_the_definitions(name, task, dtype):
    rng = np.random.default_rng(0)
    problem = cec17(name)
    genes = rng.random((ROWS, problem.dimensions[task]))
    genes[:3] = [[0.0], [0.5], [1.0]]
    near = optimal(problem, task, 100, rng)
    genes[200:] = np.clip(near + 1e-3 * (genes[200:] - 0.5), 0, 1)
    genes = genes.astype(dtype)
    costs, given = costs_of(problem, task, genes)
    wanted = defined(name, task, genes.astype(float))
    assert given == dtype
    scale = np.abs(wanted).max(1, keepdims=True) + 1
    # A float32 gene is a variable rounded to its box: Rosenbrock cancels the most.
    limit = 1e-12 if dtype == np.float64 else 5e-5
    assert (np.abs(costs - wanted) / scale).max() < limit


@each_dtype
@each_task
def test_the_optimum_is_on_the_front(name, task, dtype):
    problem = cec17(name)
    genes = optimal(problem, task, 200, np.random.default_rng(1)).astype(dtype)
    costs, _ = costs_of(problem, task, genes)
    if problem.objectives[task] == 3 or DEFINED[name, task][5] is circle:
        distance = np.linalg.norm(costs, axis=1) - 1
    else:
        first, second = costs.T
        concave_task = DEFINED[name, task][5] is concave
        distance = second - (1 - first**2 if concave_task else 1 - np.sqrt(first))
    # A float32 gene misses the optimum by up to 6e-6 of a box of 200, where these are steepest.
    coarse = 3e-5 if DEFINED[name, task][4] in ("ackley", "mean") else 1e-6
    assert np.abs(distance).max() < (1e-12 if dtype == np.float64 else coarse)


@each_task
def test_nothing_random_dominates_the_front_and_the_optimum_lies_among_its_points(name, task):
    rng = np.random.default_rng(2)
    problem = cec17(name)
    front = problem.front(task)
    near = optimal(problem, task, 200, rng)
    moved = np.clip(
        near + rng.normal(size=near.shape) * rng.choice([1e-4, 0.01, 0.3], (200, 1)), 0, 1
    )
    costs, _ = costs_of(problem, task, moved)
    better = (costs[:, None] < front - 1e-9).all(-1)
    assert not better.any()
    costs, _ = costs_of(problem, task, near)
    spacing = 1.7e-4 if front.shape[1] == 2 else 0.013
    assert cKDTree(front).query(costs)[0].max() < spacing


@each_task
def test_costs_are_positive_in_float32_at_the_far_ends(name, task):
    problem = cec17(name)
    genes = np.ones((2, problem.dimensions[task]), np.float32)
    genes[1, :] = 0
    costs = np.asarray(problem.costs(task, jnp.asarray(genes)))
    assert np.isfinite(costs).all() and (costs >= 0).all()


def test_the_published_bracket_changes_the_first_task_of_cims_alone():
    genes = np.random.default_rng(0).random((20, 10))
    right, published = cec17("CIMS"), cec17("CIMS", published_bracket=True)
    x = -5 + 10 * genes[:, 1:]
    q = 1 + np.sum(100 * ((x[:, :-1] ** 2 - x[:, 1:]) ** 2 + (1 - x[:, :-1]) ** 2), 1)
    np.testing.assert_allclose(costs_of(published, 0, genes)[0], concave(genes[:, :1], q))
    assert (costs_of(right, 0, genes)[0][:, 1] < costs_of(published, 0, genes)[0][:, 1]).all()
    np.testing.assert_array_equal(costs_of(right, 1, genes)[0], costs_of(published, 1, genes)[0])
    genes = np.full((1, 50), 0.3)
    for flag in (False, True):  # Rosenbrock's function is in NIHS too
        costs, _ = costs_of(cec17("NIHS", flag), 0, genes)
        np.testing.assert_allclose(costs, defined("NIHS", 0, genes))


def test_the_same_arguments_give_the_same_object():
    assert cec17("NIMS") is cec17("NIMS", False)
    assert cec17("CIMS") is not cec17("CIMS", True)
    assert len({cec17(name) for name in CEC17}) == 9


@each_problem
def test_evaluate_under_jit_and_over_seeds_holds_the_costs_padded_with_zeros(name):
    problem = cec17(name)
    genes = np.random.default_rng(0).random((3, 2, 4, problem.genes), np.float32)
    mapped = np.asarray(jax.jit(jax.vmap(problem.evaluate))(jnp.asarray(genes)))
    assert mapped.shape == (3, 2, 4, max(problem.objectives)) and mapped.dtype == np.float32
    for task in (0, 1):
        own, costs = problem.objectives[task], mapped[:, task].reshape(12, -1)
        rows = genes[:, task].reshape(12, -1)[:, : problem.dimensions[task]].astype(float)
        wanted = defined(name, task, rows)
        scale = np.abs(wanted).max(1, keepdims=True) + 1
        assert (np.abs(costs[:, :own] - wanted) / scale).max() < 5e-5
        assert (costs[:, own:] == 0).all()


def test_evaluate_follows_the_dtype():
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            genes = jax.ShapeDtypeStruct((2, 3, 50), dtype)
            for name in ("PIMS", "CILS"):
                assert jax.eval_shape(cec17(name).evaluate, genes).dtype == dtype


def test_costs_ignore_genes_behind_the_tasks_own():
    problem = cec17("NILS")
    genes = jax.random.uniform(jax.random.key(0), (4, 50))
    np.testing.assert_array_equal(
        *(jax.jit(partial(problem.costs, 0))(rows) for rows in (genes, genes[:, :25]))
    )
    changed = genes.at[:, 25:].set(0.9)
    both = (jnp.stack([rows, rows]) for rows in (genes, changed))
    evaluate = jax.jit(problem.evaluate)
    first, second = (evaluate(rows) for rows in both)
    np.testing.assert_array_equal(first[0], second[0])
    assert (first[1, :, 1] != second[1, :, 1]).all()


def test_a_failed_genotype_fails_alone():
    problem = cec17("CILS")
    genes = jnp.full((2, 3, 50), 0.4).at[0, 1, 7].set(jnp.nan)
    failed = ~np.isfinite(np.asarray(problem.evaluate(genes))).all(-1)
    assert failed.tolist() == [[False, True, False], [False, False, False]]


@each_problem
def test_decoding_reaches_both_ends_of_the_boxes(name):
    problem = cec17(name)
    for task, box in enumerate(problem.boxes):
        ends = jnp.tile(jnp.array([[0.0], [1.0]]), problem.genes)
        np.testing.assert_allclose(problem.decode(task, ends), box, rtol=1e-6)


def test_decoding_keeps_the_precision_of_genes_near_zero():
    genes = jnp.concatenate([jnp.full((1, 1), 1e-20), jnp.full((1, 49), 0.5 + 2**-24)], 1)
    decoded = np.asarray(cec17("CIHS").decode(0, genes))[0]
    assert decoded[0] == np.float32(1e-20)
    np.testing.assert_allclose(decoded[1:], 200 * (genes[0, 1:] - 0.5), rtol=1e-6)


def test_a_part_of_the_tasks_is_a_problem():
    problem = cec17("NILS")
    genes = jax.random.uniform(jax.random.key(0), (2, 5, 50))
    whole = jax.jit(problem.evaluate)(genes)
    first, swapped = problem.only(0), problem.only(1, 0)
    assert (first.tasks, first.genes, first.objectives) == (("NILS 1",), 25, (3,))
    np.testing.assert_allclose(jax.jit(first.evaluate)(genes[:1, :, :25]), whole[:1], rtol=1e-5)
    np.testing.assert_allclose(jax.jit(swapped.evaluate)(genes[::-1]), whole[::-1], rtol=1e-5)
    np.testing.assert_array_equal(swapped.front(0), problem.front(1))
    np.testing.assert_array_equal(swapped.optima[1], problem.optima[0])
    assert jax.eval_shape(problem.only(1).evaluate, genes[1:]).shape == (1, 5, 2)


@pytest.mark.parametrize("of", [shape.sphere, shape.concave, shape.convex])
def test_points_of_a_front_of_two_objectives_are_at_equal_distances_from_end_to_end(of):
    points = fronts.front(of, 2)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert len(points) == 10_000 and points.dtype == np.float64
    assert steps.max() / steps.min() < 1 + 1e-6
    assert sorted(np.round(points[[0, -1]], 12).tolist()) == [[0, 1], [1, 0]]
    assert not points.flags.writeable


@pytest.mark.parametrize(("objectives", "uneven", "gap"), [(3, 0.02, 1.1), (4, 0.1, 1.4)])
def test_points_of_a_sphere_are_evenly_spread_over_its_octant(objectives, uneven, gap):
    points = fronts.front(shape.sphere, objectives)
    np.testing.assert_allclose((points**2).sum(1), 1)
    assert points.shape == (10_000, objectives) and (points >= 0).all()
    tree = cKDTree(points)
    nearest = tree.query(points, 2)[0][:, 1]
    assert nearest.std() < uneven * nearest.mean()
    # Equal areas: moments are those of the uniform distribution, and no place is left out.
    uniform = np.abs(np.random.default_rng(0).normal(size=(20_000, objectives)))
    uniform /= np.linalg.norm(uniform, axis=1, keepdims=True)
    np.testing.assert_allclose(points.mean(0), uniform.mean(0), rtol=0.02)
    np.testing.assert_allclose((points**2).mean(0), 1 / objectives, rtol=1e-3)
    assert tree.query(uniform)[0].max() < gap * nearest.mean()


@jax.jit
def all_distances(z):
    return jnp.stack([getattr(distance, name)(z) for name in G])


@given(st.lists(st.floats(-100, 100, width=32), min_size=5, max_size=5))
def test_distance_functions_are_zero_at_the_optimum_and_never_negative(values):
    z = jnp.array([values, [0.0] * 5, [1.0] * 5])
    for name, g in zip(G, np.asarray(all_distances(z)), strict=True):
        assert (g >= -3e-7).all() and np.isfinite(g).all()
        assert g[2 if name == "rosenbrock" else 1] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: cec17("CIHX"),
            "`name` must be one of CIHS, CIMS, CILS, PIHS, PIMS, PILS, NIHS, NIMS, NILS, "
            "got 'CIHX' (did you mean 'CIHS'?).",
        ),
        (
            lambda: cec17("NILS").evaluate(jnp.zeros((2, 3, 25))),
            "`genotypes` must be of shape [2, N, 50] for NILS, got [2, 3, 25].",
        ),
        (
            lambda: cec17("CIHS").evaluate(jnp.zeros((3, 3, 50))),
            "`genotypes` must be of shape [2, N, 50] for CIHS, got [3, 3, 50].",
        ),
        (
            lambda: cec17("NILS").costs(0, jnp.zeros((3, 26))),
            "`genotypes` must be of shape [N, 25 or 50] for NILS 1, got [3, 26].",
        ),
        (
            lambda: cec17("CIHS").decode(0, jnp.zeros((3, 26))),
            "`genotypes` must be of shape [N, 50] for CIHS 1, got [3, 26].",
        ),
        (
            lambda: cec17("CIHS").costs(2, jnp.zeros((3, 50))),
            "`task` must be a whole number from 0 to 1, got 2.",
        ),
        (
            lambda: cec17("CIHS").front(-1),
            "`task` must be a whole number from 0 to 1, got -1.",
        ),
        (lambda: cec17("CIHS").only(), "`tasks` must name at least one task, got none."),
        (
            lambda: cec17("CIHS").only(0, 0),
            "`tasks` must have different names, got twice: CIHS 1.",
        ),
    ],
)
def test_what_cannot_be_used_is_named(call, message):
    assert sentence(call) == message


GOOD = {
    "name": "own",
    "tasks": ("one", "two"),
    "boxes": (np.array([[0.0, -1.0], [1.0, 1.0]]),) * 2,
    "objectives": (2, 2),
    "evaluator": lambda tasks, values: values,
    "fronts": (lambda: np.zeros((1, 2)),) * 2,
    "optima": (np.zeros(1),) * 2,
}


def test_a_problem_of_ones_own_follows_the_boxes():
    problem = MultitaskProblem(**GOOD)
    values = problem.evaluate(jnp.full((2, 1, 2), 0.75))
    np.testing.assert_array_equal(values, np.tile([0.75, 0.5], (2, 1, 1)))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("tasks", ("one", "one"), "`tasks` must have different names, got twice: one."),
        ("objectives", (2,), "`objectives` must be one for each of 2 tasks, got 1."),
        ("fronts", (), "`fronts` must be one for each of 2 tasks, got 0."),
        ("objectives", (2, 0), "`objectives of two` must be a whole number at least 1, got 0."),
        (
            "boxes",
            (np.zeros((1, 2)),) * 2,
            "`boxes` of one must be two rows, lowest and highest, got shape (1, 2).",
        ),
        (
            "boxes",
            (np.array([[0.0], [0.0]]),) * 2,
            "`boxes` of one must be finite, the lowest below the highest values.",
        ),
        (
            "optima",
            (np.zeros(3),) * 2,
            "`optima` of one must be one row of at most 2 genes, got shape (3,).",
        ),
        (
            "boxes",
            (np.array([[0.0], [np.inf]]),) * 2,
            "`boxes` of one must be finite, the lowest below the highest values.",
        ),
    ],
)
def test_a_problem_whose_parts_do_not_fit_is_refused(part, value, message):
    assert sentence(lambda: MultitaskProblem(**{**GOOD, part: value})) == message


def test_genotypes_of_whole_numbers_are_refused():
    # Below the door: there the type checks of the tests speak first.
    whole = jnp.zeros((2, 1, 50), int)
    message = "`genotypes` must be real numbers, got int32."
    assert sentence(cec17("CIHS")._costs, (0, 1), whole) == message
