"""Solutions of any pytree as rows of genes in [0, 1], and back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax._errors import InputError
from sosjax.space._genotype import MOST_LEVELS, Genotype

ROWS = jax.random.uniform(jax.random.key(0), (40, 12))
CASES = {
    "array": (jnp.zeros((2, 3)), None),
    "scalar": (0.5, (-1, 2)),
    "bits": (jnp.zeros(3, bool), None),
    "nested": ({"a": jnp.zeros(2), "b": {"c": jnp.zeros(())}}, None),
    "tuple": ((jnp.zeros((2, 2)), jnp.zeros(1)), (-1e-3, 1e6)),
    "half": ([jnp.zeros(2, jnp.float16), jnp.zeros(2, jnp.bfloat16)], (-5, 5)),
    "wholes": (jnp.zeros((2, 1), jnp.int8), (-128, 127)),
    "unsigned": (jnp.zeros(2, jnp.uint8), (0, 255)),
    "mixed": ({"bits": True, "real": 1.0, "whole": 3}, (1, 4)),
    "constant": ((jnp.zeros(2), jnp.zeros(2, int)), (7, 7)),
    "empty": ({"none": jnp.zeros((0, 2)), "some": jnp.zeros(2)}, None),
    "abstract": (jax.ShapeDtypeStruct((2,), jnp.float16), (0, 2)),
    "numpy": (np.zeros(2, np.float32), (np.array([0, -1]), np.array([1, 5]))),
}


def decoded(genotype):
    """Return forty random solutions."""
    return jax.jit(genotype.decode)(ROWS[:, : genotype.size])


@pytest.mark.parametrize("name", CASES)
def test_solutions_make_the_round_with_structure_shapes_and_dtypes(name):
    solution, bounds = CASES[name]
    genotype = Genotype(solution, bounds)
    there = decoded(genotype)
    assert jax.tree.structure(there) == jax.tree.structure(solution)
    for leaf, one in zip(jax.tree.leaves(there), jax.tree.leaves(solution), strict=True):
        assert leaf.shape == (40, *np.shape(one))
        assert leaf.dtype == jnp.result_type(one)
    again = genotype.decode(genotype.encode(there))
    for leaf, one in zip(jax.tree.leaves(there), jax.tree.leaves(again), strict=True):
        exact = not jnp.issubdtype(leaf.dtype, jnp.floating)
        gap = 0 if exact else 4 * float(jnp.finfo(leaf.dtype).eps)
        left, right = (np.asarray(array, np.float64) for array in (leaf, one))
        np.testing.assert_allclose(left, right, rtol=gap, atol=gap * (name == "tuple"))


@pytest.mark.parametrize("name", CASES)
def test_solutions_lie_within_their_bounds(name):
    solution, bounds = CASES[name]
    low, high = bounds or (0, 1)
    genotype = Genotype(solution, bounds)
    for rows in (
        ROWS[:, : genotype.size],
        jnp.zeros((1, genotype.size)),
        jnp.ones((1, genotype.size)),
    ):
        for leaf in jax.tree.leaves(genotype.decode(rows)):
            if leaf.dtype != bool and leaf.size:
                assert (leaf >= jnp.asarray(low, leaf.dtype)).all()
                assert (leaf <= jnp.asarray(high, leaf.dtype)).all()


@given(st.data())
def test_rows_of_ends_stand_for_the_bounds(data):
    numbers = st.floats(-1e6, 1e6, width=32)
    pair = data.draw(hnp.arrays(np.float32, (2, 5), elements=numbers))
    low, high = pair.min(0), pair.max(0)
    genotype = Genotype(jnp.zeros(5), (low, high))
    ends = np.asarray(genotype.decode(jnp.array([[0.0] * 5, [1.0] * 5])))
    scale = np.abs(pair).max() * 1e-6 + 1e-30
    np.testing.assert_allclose(ends, [low, high], atol=scale)
    rows = genotype.encode(jnp.stack([low, high]))
    np.testing.assert_allclose(rows[0], 0, atol=1e-6)
    np.testing.assert_allclose(rows[1], np.where(low < high, 1, 0), atol=1e-5)


@pytest.mark.parametrize(("dtype", "low", "high"), [(bool, 0, 1), (int, -2, 4), (jnp.uint8, 3, 3)])
def test_every_value_stands_for_an_interval_of_the_same_length(dtype, low, high):
    genotype = Genotype(jnp.zeros((), dtype), (low, high))
    count = high - low + 1
    rows = (jnp.arange(20 * count) + 0.5)[:, None] / (20 * count)
    values = np.asarray(genotype.decode(rows))
    np.testing.assert_array_equal(values, low + np.arange(20 * count) // 20)
    assert genotype.levels.tolist() == [count]


@pytest.mark.parametrize("low", [0, -(2**19), 2**24 - MOST_LEVELS + 1])
def test_as_many_whole_numbers_as_rows_can_tell_apart(low):
    genotype = Genotype(jnp.zeros(3, int), (low, low + MOST_LEVELS - 1))
    values = jnp.arange(low, low + MOST_LEVELS, 1009)[:, None] * jnp.ones(3, int)
    np.testing.assert_array_equal(genotype.decode(genotype.encode(values)), values)


def test_bounds_between_whole_numbers_leave_those_within():
    genotype = Genotype(jnp.zeros((), int), (0.5, 3.5))
    assert np.unique(genotype.decode(ROWS[:, :1])).tolist() == [1, 2, 3]


def test_each_leaf_has_its_bounds_and_bits_have_none():
    solution = {"a": jnp.zeros(2), "b": jnp.zeros(1, bool), "c": jnp.zeros(2, int)}
    bounds = ({"a": -1, "b": 5, "c": [0, 10]}, {"a": [1, 2], "b": 9, "c": 10})
    ends = Genotype(solution, bounds).decode(jnp.array([[0.0] * 5, [1.0] * 5]))
    assert ends["a"].tolist() == [[-1, -1], [1, 2]]
    assert ends["b"].tolist() == [[False], [True]]
    assert ends["c"].tolist() == [[0, 10], [10, 10]]


def test_values_outside_the_bounds_are_clipped_and_nan_is_the_middle():
    genotype = Genotype(jnp.zeros(4), (2, 4))
    rows = genotype.encode(jnp.array([[-jnp.inf, 1, 9, jnp.nan]]))
    assert rows.tolist() == [[0, 0, 1, 0.5]]
    unit = Genotype(jnp.zeros(4)).encode(jnp.array([[-1, 0.25, jnp.inf, jnp.nan]]))
    assert unit.tolist() == [[0, 0.25, 1, 0.5]]
    whole = Genotype(jnp.zeros(2, int), (0, 3))
    assert whole.decode(whole.encode(jnp.array([[-7, 99]]))).tolist() == [[0, 3]]


def test_rows_are_double_where_a_leaf_is():
    with jax.enable_x64(True):
        genotype = Genotype({"a": jnp.zeros(2), "b": jnp.zeros(1, jnp.float32)}, (0, 3))
        values = {"a": jnp.array([[1 / 3, 2.0]]), "b": jnp.array([[1.5]], jnp.float32)}
        rows = genotype.encode(values)
        assert genotype.dtype == rows.dtype == jnp.float64
        np.testing.assert_allclose(genotype.decode(rows)["a"], values["a"], rtol=1e-15)
        big = Genotype(jnp.zeros((), jnp.int64), (2**24 - 5, 2**24))
        assert big.dtype == jnp.float32
        assert int(big.decode(jnp.ones((1, 1)))[0]) == 2**24


def refused(solution, bounds, message):
    with pytest.raises(InputError) as caught:
        Genotype(solution, bounds)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("solution", "came"),
    [("text", "'text'"), ({"a": b"x"}, "b'x'"), (1j, "complex64"), (jax.random.key(0), "key<fry>")],
)
def test_leaves_that_are_no_genes(solution, came):
    refused(
        solution,
        None,
        f"`solution` must have leaves of floats, booleans or whole numbers, got {came}.",
    )


@pytest.mark.parametrize(
    ("solution", "wanted"),
    [
        ({}, "leaf"),
        (None, "leaf"),
        ([], "leaf"),
        (jnp.zeros(0), "gene"),
        (jnp.zeros((3, 0)), "gene"),
    ],
)
def test_a_solution_of_nothing(solution, wanted):
    refused(solution, None, f"`solution` must have at least one {wanted}, got none.")


REALS, TREE = jnp.zeros(3), {"a": jnp.zeros(1), "b": jnp.zeros(1)}


@pytest.mark.parametrize(
    ("solution", "bounds", "message"),
    [
        (jnp.zeros(1, int), None, "be given for leaves of whole numbers, got None."),
        (REALS, 3, "be a pair (low, high), got 3."),
        (REALS, (0, 1, 2), "be a pair (low, high), got (0, 1, 2)."),
        (REALS, (1, 0), "be finite with low <= high, got 1 and 0 for gene 0."),
        (REALS, (0, [1, 1, -1]), "be finite with low <= high, got 0 and -1 for gene 2."),
        (REALS, (0, np.inf), "be finite with low <= high, got 0 and inf for gene 0."),
        (REALS, (np.nan, 1), "be finite with low <= high, got nan and 1 for gene 0."),
        (jnp.zeros(1, int), (0.2, 0.8), "be finite with low <= high, got 1 and 0 for gene 0."),
        (REALS, ([0, 0], 1), "be numbers that broadcast to leaves of shape [3], got [0, 0]."),
        (REALS, ("low", 1), "be numbers that broadcast to leaves of shape [3], got 'low'."),
        (
            REALS,
            (-3e38, 3e38),
            "lie from -1.7014117e+38 to 1.7014117e+38 for float32, got -3e+38 and 3e+38 for "
            "gene 0.",
        ),
        (
            jnp.zeros(1, jnp.float16),
            (0, 1e6),
            "lie from -65504 to 65504 for float16, got 0 and 1e+06 for gene 0.",
        ),
        (jnp.zeros(1, jnp.uint8), (-1, 9), "lie from 0 to 255 for uint8, got -1 and 9 for gene 0."),
        (
            jnp.zeros(1, jnp.int32),
            (0, 1e9),
            "lie from -16777216 to 16777216 for int32, got 0 and 1e+09 for gene 0.",
        ),
        (
            jnp.zeros(1, jnp.int32),
            (0, MOST_LEVELS),
            f"leave whole numbers at most {MOST_LEVELS} values, got {MOST_LEVELS + 1}.",
        ),
        (
            TREE,
            ({"a": 0, "c": 0}, 1),
            "be numbers or of the solution's structure PyTreeDef({'a': *, 'b': *}), "
            "got PyTreeDef({'a': *, 'c': *}).",
        ),
    ],
)
def test_bounds_that_do_not_fit(solution, bounds, message):
    refused(solution, bounds, f"`bounds` must {message}")
