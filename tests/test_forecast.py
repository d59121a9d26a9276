"""What recovery will make of a sub-network: the forecast, and who is sought by it."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import TASKS, found, make_data, network
from scipy.linalg import cho_factor, cho_solve

from sosjax.recover._forecast import LEVEL, covariance, forecast
from sosjax.recover._recover import settings_of
from sosjax.recover._seeking import genes_of, ratios_of, seek, spread
from sosjax.search._problem import Problem


def drawn(count=40, genes=3, tasks=2, seed=0):
    """Draw genes, tasks and errors that fall with the first gene."""
    rng = np.random.default_rng(seed)
    rows = rng.random((count, genes))
    numbers = np.arange(count) % tasks
    errors = 0.5 * np.exp(-2 * rows[:, 0]) * (1 + 0.3 * numbers)
    return rows, numbers, errors, np.full(count, 1000)


def test_mean_and_deviation_are_those_of_a_gaussian_process():
    """By Cholesky in float64, with the covariance written out entry by entry."""
    rows, numbers, errors, examples = drawn()
    found = forecast(rows, numbers, errors, examples)
    shape = found.shape

    def between(one, other, same):
        near = shape.bend * np.exp(-((one - other) ** 2).mean() / (2 * shape.length**2))
        likeness = near + shape.slope * (one * other).mean()
        return likeness * (1 if same else shape.common) + LEVEL * same

    count = len(rows)
    full = np.array(
        [
            [between(rows[i], rows[j], numbers[i] == numbers[j]) for j in range(count)]
            for i in range(count)
        ]
    )
    shares = errors + 0.5 / examples
    noise = (1 - shares) / (shares * examples) + 1e-4
    levels = np.array([np.log(shares)[numbers == task].mean() for task in (0, 1)])
    factor = cho_factor(full + np.diag(noise))
    new = np.random.default_rng(1).random((5, 3))
    for task in (0, 1):
        toward = np.array(
            [[between(one, rows[j], numbers[j] == task) for j in range(count)] for one in new]
        )
        mean = toward @ cho_solve(factor, np.log(shares) - levels[numbers])
        own = np.array([between(one, one, True) for one in new])
        variance = own - (toward * cho_solve(factor, toward.T).T).sum(1)
        told, deviation = found(jnp.asarray(new, jnp.float32), task)
        np.testing.assert_allclose(told, mean + levels[task], atol=2e-3)
        np.testing.assert_allclose(deviation, np.sqrt(variance), atol=5e-3)


def test_one_task_learns_from_another():
    """What a gene is worth was seen on the other task alone."""
    rows, _, errors, examples = drawn()
    numbers = np.where(np.arange(40) < 2, 1, 0)
    found = forecast(rows, numbers, errors, examples)
    low, high = jnp.full((1, 3), 0.5).at[0, 0].set(0.1), jnp.full((1, 3), 0.5).at[0, 0].set(0.9)
    assert found(high, 1)[0][0] < found(low, 1)[0][0] - 0.5


def test_what_nobody_tried_is_doubtful():
    rows, numbers, errors, examples = drawn()
    rows[:, 1] *= 0.1
    found = forecast(rows, numbers, errors, examples)
    near, far = jnp.asarray([[0.5, 0.05, 0.5]]), jnp.asarray([[0.5, 0.95, 0.5]])
    assert found(far, 0)[1][0] > 2 * found(near, 0)[1][0]


def test_no_error_at_all_is_no_infinity():
    rows, numbers, errors, examples = drawn()
    found = forecast(rows, numbers, errors * 0, examples)
    assert all(np.isfinite(one).all() for one in found(jnp.asarray(rows, jnp.float32), 0))


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 9))
def test_covariances_are_positive(count, genes, seed):
    rng = np.random.default_rng(seed)
    rows, tasks = rng.random((count, genes)), rng.integers(0, 2, count)
    shape = forecast(*drawn()).shape
    values = np.linalg.eigvalsh(covariance(np, shape, rows, rows, tasks, tasks))
    assert values.min() > -1e-9


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=20), st.integers(1, 25))
def test_spread_chooses_different_rows_with_the_ends(costs, count):
    rows = spread(np.array(costs), count)
    assert len(set(rows)) == len(rows) == min(count, len(costs))
    assert costs[rows[0]] == min(costs)
    if len(rows) > 1:
        assert max(costs) in [costs[row] for row in rows]


@cache
def problem():
    return Problem(network(), make_data(), TASKS, settings_of(found()))


def test_genes_and_counts_are_each_other():
    encoding = ratios_of(problem())
    kept = np.stack([np.ones(len(encoding.sizes)), np.array(encoding.sizes)]).astype(int)
    again = encoding.kept(jnp.asarray(genes_of(encoding, kept)))
    assert np.array_equal(again, kept)


@pytest.mark.parametrize("group", [0, 1])
def test_what_matters_is_kept(group):
    """Where the error depends on one group alone, the front keeps little of the others."""
    encoding = ratios_of(problem())
    rng = np.random.default_rng(0)
    rows = rng.random((60, encoding.dimensions))
    errors = 0.5 * np.exp(-3 * rows[:, group])
    told = forecast(rows, np.arange(60) % 2, errors, np.full(60, 2000))
    genotypes, best = seek(problem(), told, jnp.asarray(rows[:8])[None].repeat(2, 0), 0.0, 0)
    for task in (0, 1):
        front = np.asarray(
            genes_of(encoding, np.asarray(encoding.kept(jnp.asarray(genotypes[task]))))
        )
        front = front[best[task]]
        others = np.delete(front, group, 1)
        assert front[:, group].max() == 1
        assert others[front[:, group] > 0.5].mean() < 0.3
