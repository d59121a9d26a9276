"""Successive halving: a cheap look at all children, and a full one at the better half."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problem import SETTINGS, TASKS, contents, make_data, perceptron

from sosjax import InputError, Settings, resume, search
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem

CHILDREN = 12


def judged(halving, change=lambda batch: batch):
    """Return objectives [T, N, K] under successive halving, and those of a single look.

    A single look is at any number of the first examples.
    """
    settings = replace(SETTINGS, population=CHILDREN, halving=halving)
    problem = Problem(perceptron(), make_data(), TASKS, settings)
    evolution, batch = Evolution.of(problem), change(problem.search)
    key, shape = jax.random.key(1), (len(TASKS), CHILDREN, problem.encoding.dimensions)
    rows = jax.random.uniform(key, shape)
    asked = perceptron().params, batch, problem.rankings(), rows
    single = replace(evolution, settings=replace(evolution.settings, halving=()))

    def look(count):
        names = ["inputs", "targets"] + ["real"] * (batch.real is not None)
        first = {name: getattr(batch, name)[:, :count] for name in names}
        return np.asarray(single.judged(asked[0], batch._replace(**first), *asked[2:]))

    return np.asarray(jax.jit(evolution.judged)(*asked)), look


@pytest.mark.parametrize(("halving", "left"), [((), 12), ((12,), 6), ((12, 24), 3)])
def test_those_that_come_to_the_last_look_are_judged_on_all_examples(halving, left):
    found, look = judged(halving)
    finite = np.isfinite(found).all(-1)
    assert (finite.sum(1) == left).all() and np.isinf(found[~finite]).all()
    np.testing.assert_allclose(found[finite], look(SETTINGS.images)[finite], atol=1e-6)


def test_no_child_goes_on_in_the_place_of_one_that_dominates_it():
    found, look = judged((12,))
    for own, seen in zip(found, look(12), strict=True):
        on = np.isfinite(own).all(-1)
        for dropped in seen[~on]:
            assert not ((dropped <= seen[on]).all(1) & (dropped < seen[on]).any(1)).any()


def test_a_look_sees_the_first_examples_alone():
    def other(batch):
        return batch._replace(inputs=batch.inputs.at[:, 12:].set(batch.inputs[:, 12:, ::-1]))

    one, two = (np.isfinite(judged((12,), change)[0]) for change in (lambda batch: batch, other))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, np.isfinite(judged((24,), other)[0]))


def test_padding_is_no_example_in_a_look():
    settings = replace(SETTINGS, images=400)
    batch = Problem(perceptron(), make_data(), TASKS, settings).search
    assert batch.real is not None
    short = int(batch.real.sum(1).min())
    first = batch.first(short + 1)
    assert first.inputs.shape[1] == short + 1 and first.jack is None
    assert np.array_equal(first.real, batch.real[:, : short + 1]) and first.real.min() == 0
    assert jnp.array_equal(first.scale, batch.scale)


def test_a_search_resumes_to_the_same_result(tmp_path):
    settings = replace(SETTINGS, halving=(16,))
    run = partial(search, perceptron(), make_data(), TASKS, (), settings)
    wanted = contents(run())

    def stop(line):
        if line.get("generation") == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder=tmp_path / "run", progress=stop)
    again = resume(perceptron(), make_data(), TASKS, (), settings, folder=tmp_path / "run")
    assert contents(again) == wanted


@pytest.mark.parametrize(
    ("halving", "sentence"),
    [
        (
            range(64, 65),
            "`search.halving` must be a list of numbers of examples, got range(64, 65).",
        ),
        ((1,), "`search.halving` must be a whole number at least 2, got 1."),
        (
            (128, 64),
            "`search.halving` must rise to less than the 256 of `search.images`, got [128, 64].",
        ),
        (
            [256],
            "`search.halving` must rise to less than the 256 of `search.images`, got [256].",
        ),
    ],
)
def test_looks_that_do_not_grow_are_refused(halving, sentence):
    with pytest.raises(InputError) as caught:
        Settings(halving=halving)
    assert str(caught.value) == sentence


def test_a_look_too_short_for_a_head_is_refused():
    with pytest.raises(InputError) as caught:
        search(perceptron(), make_data(), TASKS, (), replace(SETTINGS, halving=(5, 16)))
    assert str(caught.value) == (
        "`search.halving` must be at least 6 for a head in closed form, 2 for each of the 3 "
        "outputs of 'legs', got 5."
    )
