"""Indicators against pymoo, hand-computed cases and their invariants."""

import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pymoo.indicators.hv import HV
from pymoo.indicators.igd import IGD
from pymoo.indicators.igd_plus import IGDPlus

from sosjax._errors import InputError
from sosjax.pareto import (
    epsilon,
    fronts,
    hypervolume,
    igd,
    igd_plus,
    legacy_igd,
    mean_standard_score,
    nondominated,
    spread,
)

DISTANCES = {
    igd: lambda costs, front: IGD(front)(costs),
    igd_plus: lambda costs, front: IGDPlus(front)(costs),
    epsilon: lambda costs, front: moocore.epsilon_additive(costs, ref=front),
}
ALL = [*DISTANCES, legacy_igd, spread]
JITTED = {one: jax.jit(one) for one in ALL}
each = pytest.mark.parametrize("indicator", ALL)
each_distance = pytest.mark.parametrize("indicator", [*DISTANCES, legacy_igd])


def sphere(rows, objectives, seed=0):
    """Return points on the unit sphere, of which none dominates another."""
    points = np.abs(np.random.default_rng(seed).normal(size=(rows, objectives)))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def degenerate():
    """Yield costs [P, 3] of every awkward kind."""
    rng = np.random.default_rng(5)
    yield "one row", rng.random((1, 3), np.float32)
    yield "all equal", np.full((6, 3), 0.5, np.float32)
    yield "a chain", np.tile(np.arange(6, dtype=np.float32)[:, None] / 6, 3)
    yield "a constant column", np.append(rng.random((9, 2), np.float32), np.ones((9, 1)), 1)
    yield "random", rng.random((30, 3), np.float32)
    yield "a front", sphere(30, 3)


each_kind = pytest.mark.parametrize("costs", [c for _, c in degenerate()], ids=dict(degenerate()))


@each_kind
@pytest.mark.parametrize("indicator", DISTANCES)
def test_distances_are_those_of_pymoo(indicator, costs):
    costs, front = costs.astype(np.float32), sphere(50, 3, seed=1)
    wanted = DISTANCES[indicator](costs.astype(float), front.astype(float))
    assert float(JITTED[indicator](costs, front)) == pytest.approx(wanted, rel=1e-5)


@each_kind
def test_hypervolume_is_that_of_pymoo_on_degenerate_fronts(costs):
    costs, reference = costs.astype(np.float32), np.full(3, 1.25, np.float32)
    wanted = HV(ref_point=reference)(costs)
    assert float(jax.jit(hypervolume)(costs, reference)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_of_a_batch_is_that_of_each(objectives):
    costs = np.random.default_rng(6).random((3, 9, objectives), np.float32)
    costs[1, 4:] = np.inf
    costs[2] = 2
    reference = jnp.ones(objectives)
    batch = jax.jit(jax.vmap(hypervolume, (0, None)))(costs, reference)
    each = [HV(ref_point=np.ones(objectives))(one[np.isfinite(one).all(1)]) for one in costs]
    np.testing.assert_allclose(batch, each, rtol=1e-5)


@given(hnp.arrays(np.float32, (7, 3), elements=st.integers(0, 3).map(float)))
def test_only_the_first_front_has_volume(costs):
    reference = jnp.full(3, 4.0)
    best = jnp.where(jax.jit(nondominated)(costs)[:, None], costs, jnp.nan)
    volume = jax.jit(hypervolume)
    assert float(volume(best, reference)) == pytest.approx(float(volume(costs, reference)))


@pytest.mark.parametrize(("objectives", "columns"), [(5, 5), (0, 0)])
def test_hypervolume_refuses_other_numbers_of_objectives(objectives, columns):
    with pytest.raises(InputError, match=f"`costs` must have 1 to 4 columns .* got {objectives}"):
        hypervolume(jnp.zeros((2, objectives)), jnp.ones(columns))


def test_hypervolume_wants_a_reference_of_the_same_length():
    with pytest.raises(InputError, match=r"`reference` must have one number for each of 2 costs"):
        hypervolume(jnp.zeros((2, 2)), jnp.ones(3))


@each
def test_a_front_of_other_columns_is_refused(indicator):
    with pytest.raises(InputError, match=r"`front` must have the columns of `costs`"):
        indicator(jnp.zeros((2, 2)), jnp.zeros((2, 3)))


def test_legacy_igd_is_the_root_of_the_sum_over_the_number():
    costs, front = sphere(5, 2), sphere(40, 2, seed=1)
    nearest = np.linalg.norm(front[:, None] - costs, axis=-1).min(1)
    wanted = np.sqrt((nearest**2).sum()) / 40
    assert float(JITTED[legacy_igd](costs, front)) == pytest.approx(wanted, rel=1e-5)


@each
@pytest.mark.parametrize("objectives", [2, 3])
def test_padding_and_failed_rows_change_nothing(indicator, objectives):
    costs, front = sphere(8, objectives), sphere(20, objectives, seed=1)
    padding = np.full((3, objectives), np.inf, np.float32)
    padding[0, 0], padding[1, 1] = np.nan, 0.1
    wanted = JITTED[indicator](costs, front)
    padded = JITTED[indicator](np.append(costs, padding, 0), np.append(padding, front, 0))
    np.testing.assert_allclose(padded, wanted, rtol=1e-6)


@each
@pytest.mark.parametrize("objectives", [2, 3])
def test_nothing_finite_is_infinitely_far(indicator, objectives):
    nothing, front = jnp.full((3, objectives), jnp.nan), jnp.asarray(sphere(4, objectives))
    assert JITTED[indicator](nothing, front) == np.inf
    assert JITTED[indicator](front, nothing) == np.inf


@each_distance
@given(hnp.arrays(np.float32, (6, 3), elements=st.floats(0, 9, width=32)))
def test_a_front_is_nowhere_from_itself(indicator, front):
    assert JITTED[indicator](front, front) == 0


@each_distance
@given(st.permutations(range(6)), st.integers(0, 9))
def test_the_order_and_copies_of_rows_do_not_matter(indicator, permutation, seed):
    costs, front = sphere(6, 2, seed), sphere(9, 2, seed + 1)
    copied = np.append(costs, costs[:2], 0)[np.array([*permutation, 6, 7])]
    one, other = JITTED[indicator](costs, front), JITTED[indicator](copied, front)
    np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("indicator", [igd_plus, epsilon])
@given(
    hnp.arrays(np.float32, (5, 2), elements=st.floats(0, 2, width=32)),
    hnp.arrays(np.float32, (5, 2), elements=st.floats(0, 1, width=32)),
)
def test_worse_rows_are_never_better(indicator, costs, more):
    front = sphere(9, 2)
    assert JITTED[indicator](costs + more, front) >= JITTED[indicator](costs, front) - 1e-6


def test_a_batch_of_runs_is_each_run():
    costs = np.stack([sphere(7, 2, seed) for seed in range(3)])
    front = sphere(600, 2, seed=9)
    for indicator in ALL:
        batch = jax.jit(jax.vmap(indicator, (0, None)))(costs, front)
        np.testing.assert_allclose(
            batch, [JITTED[indicator](one, front) for one in costs], rtol=1e-5
        )


LINE = [[0, 4], [1, 3], [2, 2], [3, 1], [4, 0]]


@pytest.mark.parametrize(
    ("costs", "front", "wanted"),
    [
        (LINE, LINE, 0),
        (LINE[::-1], LINE, 0),
        # Both ends are one step away, and the two gaps within are equal: 2 / (2 + 2).
        (LINE[1:4], LINE, 0.5),
        # Gaps of 1 and 3 steps, mean 2: (1 + 1) / 4.
        ([LINE[0], LINE[1], LINE[4]], LINE, 0.5),
        ([LINE[2]], LINE, 1),
        ([LINE[2]], [LINE[2]], 0),
        # Every row is sqrt(2) from the nearest, and the ends are met.
        (np.eye(3), np.eye(3), 0),
        ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.eye(3) * 2, 3 / (3 + 3 * 2**0.5)),
        ([[1, 0, 0]], np.eye(3), 1),
    ],
)
def test_spread_by_hand(costs, front, wanted):
    found = JITTED[spread](np.array(costs, np.float32), np.array(front, np.float32))
    assert float(found) == pytest.approx(wanted, abs=1e-6)


def test_spread_needs_two_objectives():
    with pytest.raises(InputError, match="at least 2, got 1 and 1"):
        spread(jnp.zeros((2, 1)), jnp.zeros((2, 1)))


def test_mean_standard_score_is_a_z_score_by_task():
    scores = np.random.default_rng(0).random((4, 5, 3)).astype(np.float32) * [1, 100, 1e-3]
    scores = scores.astype(np.float32)
    standard = (scores - scores.mean((0, 1))) / scores.std((0, 1))
    found = jax.jit(mean_standard_score)(scores)
    np.testing.assert_allclose(found, standard.mean((1, 2)), rtol=1e-4, atol=1e-6)
    assert float(found.sum()) == pytest.approx(0, abs=1e-5)


def test_failed_runs_cost_an_algorithm_its_score_but_not_the_others():
    scores = np.array([[[1, 5]], [[3, 5]], [[np.inf, 5]]], np.float32)
    assert jax.jit(mean_standard_score)(scores).tolist() == [-0.5, 0.5, np.inf]


def test_fronts_and_indicators_agree_on_the_front():
    costs = jnp.asarray(np.random.default_rng(3).random((40, 2), np.float32))
    best = jnp.where((jax.jit(fronts)(costs) == 0)[:, None], costs, jnp.inf)
    assert JITTED[epsilon](best, costs) == 0
    assert JITTED[igd_plus](best, costs) == 0
