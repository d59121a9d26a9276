"""Random mating probabilities that are learnt: high for related tasks, low for unrelated ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategies_table import ROWS, each, run

from sosjax.strategies._rmp import learn_rmp

learn_jit = jax.jit(learn_rmp)
GENES = [50, 1000, 20000]


def populations(genes, spots, count=20, spread=0.05):
    """Return a population [T, N, D] for each spot, the seed of its centre."""
    centres = jnp.stack([jax.random.uniform(jax.random.key(spot), (1, genes)) for spot in spots])
    noise = jax.random.normal(jax.random.key(99), (len(spots), count, genes))
    return jnp.clip(centres + spread * noise, 0, 1)


@pytest.mark.parametrize("genes", GENES)
@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_related_tasks_mate_often_and_unrelated_ones_rarely(genes, spread):
    rmp = np.asarray(learn_jit(populations(genes, [1, 1, 2], spread=spread)))
    assert rmp[0, 1] > 0.9
    assert (rmp[2, :2] < 0.15).all()
    np.testing.assert_array_equal(rmp, rmp.T)
    np.testing.assert_array_equal(np.diag(rmp), 1)


@pytest.mark.parametrize("genes", GENES)
def test_half_related_tasks_are_between(genes):
    one, other = populations(genes, [1, 2])
    mixed = jnp.concatenate([one[:, : genes // 2], other[:, genes // 2 :]], 1)
    related, half, unrelated = (
        float(learn_jit(jnp.stack([one, task]))[0, 1]) for task in (one[::-1], mixed, other)
    )
    assert related - 0.3 > half > 2 * unrelated


def test_fresh_populations_mate_often():
    fresh = jax.random.uniform(jax.random.key(0), (4, 20, 1000))
    assert (learn_jit(fresh) > 0.9).all()


def test_a_larger_sharpness_tells_tasks_apart_more_strictly():
    rows = populations(50, [1, 2], spread=0.3)
    values = [float(learn_jit(rows, sharpness)[0, 1]) for sharpness in (0.0, 0.5, 1.0, 5.0)]
    assert values[0] == 1
    assert (np.diff(values) < -0.05).all()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_genes_without_variance_are_learnt_from_without_nan(value):
    same = jnp.full((2, 6, 50), value)
    assert (learn_jit(same) > 0.99).all()
    apart = learn_jit(same.at[1].set(1 - value))
    assert apart[0, 1] > 0.99 if value == 0.5 else apart[0, 1] < 0.01
    one_alone = learn_jit(same.at[1].set(jax.random.uniform(jax.random.key(0), (6, 50))))
    assert jnp.isfinite(one_alone).all()


def test_64_tasks_find_their_relatives():
    rmp = np.asarray(learn_jit(populations(50, list(range(8)) * 8, count=4)))
    kin = np.arange(64)[:, None] % 8 == np.arange(64) % 8
    assert rmp.shape == (64, 64)
    assert rmp[kin].min() > 0.7
    assert rmp[~kin].max() < 0.2


def test_the_order_of_individuals_tells_nothing_and_that_of_tasks_moves_the_matrix():
    rows = populations(50, [1, 2, 1, 3])
    rmp = np.asarray(learn_jit(rows))
    np.testing.assert_allclose(learn_jit(rows[:, ::-1]), rmp, rtol=1e-3)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(learn_jit(rows[order]), rmp[order][:, order], rtol=1e-5)


@pytest.mark.parametrize("sharpness", [np.float32, np.float64])
def test_the_dtype_is_that_of_the_population(sharpness):
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            shape = jax.ShapeDtypeStruct((2, 4, 3), dtype)
            wanted = jax.ShapeDtypeStruct((), sharpness)
            assert jax.eval_shape(learn_rmp, shape, wanted).dtype == dtype


@each({name: ROWS[name] for name in ("MOMFEA2", "MFEA2")})
def test_runs_learn_which_tasks_share_their_optimum(row):
    strategy = row.make(120, jnp.zeros(10), tasks=3)
    spots = jnp.array([0.3, 0.3, 0.7])

    def judge(task, genes):
        distance = jnp.abs(genes[1:] - spots[task]).mean()
        costs = jnp.stack([genes[0] + 5 * distance, 1 - genes[0] + 5 * distance])
        return costs if row.objectives == 2 else 5 * distance[None]

    final, history = jax.jit(lambda key: run(strategy, key, judge, 50))(jax.random.key(0))
    rmp = np.asarray(history[-1]["rmp"])
    assert (rmp[0, 0, 1:] > 0.8).all()
    assert rmp[-1, 0, 1] > 0.95
    assert (rmp[-1, 2, :2] < 0.1).all()
    np.testing.assert_array_equal(final.memory, rmp[-1])
