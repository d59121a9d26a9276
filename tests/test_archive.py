"""The archive: different rows, the best first."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sosjax.strategies._archive import best_distinct, fingerprint, repeated

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, -0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0])),
    min_size=8,
    max_size=8,
)


@given(ROWS)
def test_repeated_rows_are_those_equal_to_an_earlier_one(rows):
    expected = [row in rows[:index] for index, row in enumerate(rows)]
    assert np.asarray(repeated(jnp.array(rows))).tolist() == expected


def test_fingerprints_of_bits_differ():
    bits = (np.arange(2**12)[:, None] >> np.arange(12)) & 1
    prints = np.asarray(fingerprint(jnp.asarray(bits, jnp.float32), 12345))
    assert len(np.unique(prints)) > 2**12 - 10


def test_the_best_rows_come_first_twins_late_and_failures_last():
    rows = jnp.arange(7.0)[:, None] * jnp.array([1.0, 0.0]) + jnp.array([0.0, 1.0])
    rows = rows.at[3].set(rows[0])
    costs = jnp.array([[0, 3], [3, 0], [1, 1], [0, 3], [jnp.nan, 0], [4, 4], [1.5, 0.5]])
    kept, found, front = best_distinct(rows, costs, 7)
    np.testing.assert_array_equal(kept[:, 0], [0, 1, 2, 6, 5, 0, 4])
    assert front[:5].tolist() == [0, 0, 0, 0, 1]
    np.testing.assert_array_equal(found[-1], [np.inf, np.inf])
    assert np.isfinite(np.asarray(found)[:-1]).all()
