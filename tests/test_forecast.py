"""What recovery will make of a sub-network: the forecast, and who is sought by it."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import TASKS, found, make_data, network
from pymoo.indicators.hv import HV
from scipy.linalg import cho_factor, cho_solve

from sosjax import Environment
from sosjax.pareto import nondominated
from sosjax.recover._forecast import LEVEL, covariance, forecast, steadied
from sosjax.recover._promise import LEAST, MARGIN, better_within, promising
from sosjax.recover._seeking import STEEP, aimed, genes_of, ratios_of, seek, traits_of
from sosjax.search._found import settings_of
from sosjax.search._problem import Problem

KEY = jax.random.key(0)


def drawn(count=40, genes=3, tasks=2, seed=0):
    """Draw genes, tasks, errors that fall with the first gene, losses and counts of examples."""
    rng = np.random.default_rng(seed)
    rows = rng.random((count, genes))
    numbers = np.arange(count) % tasks
    errors = 0.5 * np.exp(-2 * rows[:, 0]) * (1 + 0.3 * numbers)
    return rows, numbers, errors, 3 * errors**2, np.full(count, 1000)


def test_mean_and_deviation_are_those_of_a_gaussian_process():
    """By Cholesky in float64, with the covariance written out entry by entry."""
    rows, numbers, errors, losses, examples = drawn()
    found = forecast(rows, numbers, errors, losses, examples, 2)
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
    logs, noise = steadied(numbers, errors, losses, examples)
    levels = np.array([logs[numbers == task].mean() for task in (0, 1)])
    factor = cho_factor(full + np.diag(noise + 1e-4))
    new = np.random.default_rng(1).random((5, 3))
    for task in (0, 1):
        toward = np.array(
            [[between(one, rows[j], numbers[j] == task) for j in range(count)] for one in new]
        )
        mean = toward @ cho_solve(factor, logs - levels[numbers])
        own = np.array([between(one, one, True) for one in new])
        variance = own - (toward * cho_solve(factor, toward.T).T).sum(1)
        told, deviation = found(jnp.asarray(new, jnp.float32), task)
        np.testing.assert_allclose(told, mean + levels[task], atol=2e-3)
        np.testing.assert_allclose(deviation, np.sqrt(variance), atol=5e-3)


def test_half_of_what_is_learnt_from_is_the_loss():
    """A line through the logarithms of a task turns losses into errors."""
    _, numbers, errors, _, examples = drawn()
    noise = np.random.default_rng(3).normal(size=(2, 40))
    noisy, losses = errors * np.exp(0.1 * noise[0]), 2 * errors**1.5 * np.exp(0.05 * noise[1])
    logs, variance = steadied(numbers, noisy, losses, examples)
    shares = noisy + 0.5 / examples
    np.testing.assert_allclose(variance, (1 - shares) / shares / 1000)
    for task in (0, 1):
        own = numbers == task
        said = np.polyval(np.polyfit(np.log(losses[own]), np.log(shares[own]), 1), np.log(losses))
        np.testing.assert_allclose(logs[own], (np.log(shares) + said)[own] / 2, rtol=1e-6)
    truth = np.log(errors)
    assert np.abs(logs - truth).mean() < 0.75 * np.abs(np.log(noisy) - truth).mean()


def test_losses_that_are_all_alike_say_nothing():
    _, numbers, errors, _, examples = drawn()
    logs, _ = steadied(numbers, errors, np.ones(40), examples)
    assert np.isfinite(logs).all()
    assert np.corrcoef(logs, np.log(errors))[0, 1] > 0.9


def test_one_task_learns_from_another():
    """What a gene is worth was seen on the other task alone."""
    rows, _, errors, losses, examples = drawn()
    numbers = np.where(np.arange(40) < 2, 1, 0)
    found = forecast(rows, numbers, errors, losses, examples, 2)
    low, high = jnp.full((1, 3), 0.5).at[0, 0].set(0.1), jnp.full((1, 3), 0.5).at[0, 0].set(0.9)
    assert found(high, 1)[0][0] < found(low, 1)[0][0] - 0.5


def test_what_nobody_tried_is_doubtful():
    rows, numbers, errors, losses, examples = drawn()
    rows[:, 1] *= 0.1
    found = forecast(rows, numbers, errors, losses, examples, 2)
    near, far = jnp.asarray([[0.5, 0.05, 0.5]]), jnp.asarray([[0.5, 0.95, 0.5]])
    assert found(far, 0)[1][0] > 2 * found(near, 0)[1][0]


def test_a_task_without_sub_networks_is_foretold_from_the_others():
    rows, _, errors, losses, examples = drawn()
    found = forecast(rows, np.zeros(40, int), errors, losses, examples, 2)
    genes = jnp.asarray(rows, jnp.float32)
    known, other = (np.asarray(found(genes, task)[0]) for task in (0, 1))
    assert np.isfinite(other).all() and np.corrcoef(known, other)[0, 1] > 0.99


def test_no_error_at_all_is_no_infinity():
    rows, numbers, errors, losses, examples = drawn()
    found = forecast(rows, numbers, errors * 0, losses, examples, 2)
    assert all(np.isfinite(one).all() for one in found(jnp.asarray(rows, jnp.float32), 0))


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 9))
def test_covariances_are_positive(count, genes, seed):
    rng = np.random.default_rng(seed)
    rows, tasks = rng.random((count, genes)), rng.integers(0, 2, count)
    shape = forecast(*drawn(), 2).shape
    values = np.linalg.eigvalsh(covariance(np, shape, rows, rows, tasks, tasks))
    assert values.min() > -1e-9


@given(st.integers(1, 12), st.integers(1, 6), st.integers(2, 3), st.integers(0, 99))
def test_each_chosen_row_adds_most_to_those_before(count, most, objectives, seed):
    """Against pymoo's hypervolume, row by row."""
    rng = np.random.default_rng(seed)
    points, known = rng.random((count, objectives)), rng.random((4, objectives))
    rows = promising(points, known, most)
    both = np.concatenate([points, known])
    low, high = both.min(0), both.max(0)
    volume = HV(ref_point=high + MARGIN * (high - low))
    there = list(known)
    for row in rows:
        gains = [volume(np.array([*there, point])) - volume(np.array(there)) for point in points]
        assert gains[row] == pytest.approx(max(gains), abs=1e-5)
        there.append(points[row])
    assert len(set(rows)) == len(rows) <= min(count, most)
    if len(rows) < min(count, most):
        left = max(volume(np.array([*there, point])) for point in points)
        assert left - volume(np.array(there)) == pytest.approx(0, abs=1e-5)


def test_what_is_beaten_promises_nothing():
    known = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert promising(np.array([[1.0, 1.0], [0.5, 1.5]]), known, 3) == []
    assert promising(np.array([[1.0, 1.0], [0.5, 0.5]]), known, 3) == [1]


@cache
def problem():
    return Problem(network(), make_data(), TASKS, settings_of(found()))


def test_units_of_a_block_that_is_gone_tell_nothing():
    """As they cost nothing."""
    deep = Problem(network(), make_data(), TASKS, replace(settings_of(found()), depth=True))
    groups, blocks = len(deep.encoding.sizes), deep.encoding.blocks
    assert blocks > 0
    inside = 0
    for block in range(groups, groups + blocks):
        gone = np.array(deep.mask_sizes)
        gone[block] = 0
        for group in range(groups):
            fewer = gone.copy()
            fewer[group] = 1
            alike = np.array_equal(traits_of(deep, gone), traits_of(deep, fewer))
            assert alike == (deep.cost(0, gone) == deep.cost(0, fewer))
            inside += alike
    assert inside > 0


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
    told = forecast(rows, np.arange(60) % 2, errors, errors, np.full(60, 2000), 2)
    known = jnp.asarray(rows[:8])[None].repeat(2, 0)
    aim = aimed(problem(), told, 0.0, 1e-6)
    genotypes = seek(problem(), aim, known, 1, KEY)
    for task in (0, 1):
        kept = encoding.kept(jnp.asarray(genotypes[task]))
        best = nondominated(aim(kept, jnp.int32(task), jnp.int32(0)))
        front = np.asarray(genes_of(encoding, np.asarray(kept)))[np.asarray(best)]
        others = np.delete(front, group, 1)
        assert front[:, group].max() == 1
        assert others[front[:, group] > 0.5].mean() < 0.3


def test_caution_and_sizes_that_are_worth_nothing():
    encoding = ratios_of(problem())
    rng = np.random.default_rng(0)
    rows = rng.random((30, encoding.dimensions))
    errors = rng.random(30) / 2
    told = forecast(rows, np.arange(30) % 2, errors, errors, np.full(30, 2000), 2)
    kept = encoding.kept(jnp.asarray(rng.random((9, encoding.dimensions)), jnp.float32))
    for task in (0, 1):
        mean, deviation = told(genes_of(encoding, kept, jnp), task)
        found = aimed(problem(), told, 2.0, 0.5)(kept, jnp.int32(task), jnp.int32(0))
        np.testing.assert_allclose(found[:, 0], mean + 2 * deviation, rtol=1e-5)
        exact = problem().cost(task, np.asarray(kept).astype(int))
        costs = np.stack([exact[name] for name in problem().settings.costs], -1)
        least = 0.5 * problem().dense[task]
        np.testing.assert_allclose(found[:, 1:], np.log10(np.maximum(costs, least)), rtol=1e-5)
        assert (costs < least).any() and (costs > least).any()


def test_what_an_environment_takes_is_as_large_as_it_allows():
    """Where every group lowers the error; in the other places as if it were not there."""
    encoding = ratios_of(problem())
    rows = np.random.default_rng(0).random((60, encoding.dimensions))
    errors = 0.5 * np.exp(-2 * rows.mean(1))
    told = forecast(rows, np.arange(60) % 2, errors, errors, np.full(60, 2000), 2)
    whole = problem().whole[0]
    places = [
        Environment("small", flops=0.2 * whole["flops"]),
        Environment("both", parameters=0.5 * whole["parameters"], flops=0.4 * whole["flops"]),
    ]
    aim = aimed(problem(), told, 0.0, 1e-6, places)
    known = jnp.asarray(rows[:8])[None].repeat(2, 0)
    genotypes = np.split(seek(problem(), aim, known, 3, KEY), 3, axis=1)
    assert np.array_equal(
        genotypes[0], seek(problem(), aimed(problem(), told, 0.0, 1e-6), known, 1, KEY)
    )
    for task in (0, 1):
        for number, one in enumerate(places, 1):
            kept = encoding.kept(jnp.asarray(genotypes[number][task]))
            costs = problem().cost(task, np.asarray(kept).astype(int))
            beyond = one.excess(one.each_costs(costs, kept, 0, np), np)
            found = np.asarray(aim(kept, jnp.int32(task), jnp.int32(number)))
            mean, _ = told(genes_of(encoding, kept, jnp), task)
            np.testing.assert_allclose(found[:, 0], mean + STEEP * beyond, atol=1e-4)
            assert not found[:, 1:].any() and (beyond == 0).any()
            used = [max(costs[name][beyond == 0]) / limit for name, limit in one.limits.items()]
            assert max(used) > 0.9


@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**16))
def test_each_chosen_row_betters_an_environment_most(places, count, most, seed):
    """Where no other chosen before it does as well; and none is left that betters any."""
    rng = np.random.default_rng(seed)
    points, known = rng.normal(size=(places, count)), rng.normal(size=(places, 3))
    points[rng.random(points.shape) < 0.3] = np.inf
    known[rng.random(known.shape) < 0.3] = np.inf
    rows = better_within(points, known, most)
    assert len(set(rows)) == len(rows) <= most
    least = known.min(1)
    for row in rows:
        best = points.min(1)
        with np.errstate(invalid="ignore"):
            gains = np.where(best < least - LEAST, least - best, 0)
        place = int(gains.argmax())
        assert gains[place] > 0 and points[place, row] == points[place].min()
        least = np.minimum(least, points[:, row])
    assert len(rows) == most or (points.min(1) >= least - LEAST).all()


def test_without_environments_none_is_bettered():
    assert better_within(np.zeros((0, 3)), np.zeros((0, 2)), 4) == []
    assert better_within(np.zeros((2, 0)), np.zeros((2, 2)), 4) == []
