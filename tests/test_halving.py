"""Successive halving: a cheap look at all children, and a full one at the better half."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problem import SETTINGS, TASKS, contents, make_data, perceptron

from sosjax import InputError, Settings, resume, search
from sosjax.recover._fidelity import judges_of
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem

CHILDREN = 12


def judged(halving, change=lambda batch: batch, **more):
    """Return objectives [T, N, K] under successive halving, and those of a single look.

    A single look is at any number of the first examples.
    """
    settings = replace(SETTINGS, population=CHILDREN, halving=halving, **more)
    problem = Problem(perceptron(), make_data(), TASKS, settings)
    evolution, batch = Evolution.of(problem), change(problem.search)
    key, shape = jax.random.key(1), (len(TASKS), CHILDREN, problem.encoding.dimensions)
    rows = jax.random.uniform(key, shape)
    asked = perceptron().params, batch, problem.rankings(), rows
    single = replace(evolution, settings=replace(evolution.settings, halving=()))

    def look(count):
        parts = {name: getattr(batch, name) for name in ("inputs", "targets", "real", "jack")}
        first = {name: leaf[:, :count] for name, leaf in parts.items() if leaf is not None}
        return np.asarray(single.judged(asked[0], batch._replace(**first), *asked[2:]))

    return np.asarray(jax.jit(evolution.judged)(*asked)), look


@pytest.mark.parametrize(("halving", "left"), [((), 12), ((12,), 6), ((12, 24), 3)])
def test_those_that_come_to_the_last_look_are_judged_on_all_examples(halving, left):
    found, look = judged(halving)
    finite = np.isfinite(found).all(-1)
    assert (finite.sum(1) == left).all() and np.isinf(found[~finite]).all()
    np.testing.assert_allclose(found[finite], look(SETTINGS.images)[finite], atol=1e-6)


def test_a_look_compares_with_what_the_jack_says_of_the_same_examples():
    found, look = judged((12,), objectives=("error", "divergence", "flops"))
    finite = np.isfinite(found).all(-1)
    assert (finite.sum(1) == 6).all() and (found[finite][:, 1] > 0).any()
    np.testing.assert_allclose(found[finite], look(SETTINGS.images)[finite], atol=1e-6)
    assert not np.allclose(look(12)[finite], found[finite], atol=1e-3)


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
            (2, 4, 8, 16, 32, 64),
            "`search.halving` must leave two of `search.population` 40, got 6 looks that halve it.",
        ),
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


def test_evosax_algorithms_rank_their_own_rows():
    with pytest.raises(InputError) as caught:
        Settings(strategy="SNES", halving=(64,))
    assert str(caught.value) == (
        "`search.halving` must be empty with an evosax algorithm, which ranks the rows of each "
        "direction itself, got [64] with 'SNES'."
    )


@pytest.mark.parametrize("fitness", ["raw", "recalibrated"])
def test_a_look_at_all_there_is_is_refused(fitness):
    settings = replace(SETTINGS, fitness=fitness, images=500, halving=(16, 300))
    with pytest.raises(InputError) as caught:
        search(perceptron(), make_data(), TASKS, (), settings)
    assert str(caught.value) == (
        "`search.halving` must be less than the 60 search examples of 'legs', got [16, 300]."
    )


def test_fidelity_looks_once():
    settings = replace(SETTINGS, fitness="raw", halving=(5,))
    assert all(own.halving == () for own, _ in judges_of(settings).values())


def test_a_look_too_short_for_a_head_is_refused():
    with pytest.raises(InputError) as caught:
        search(perceptron(), make_data(), TASKS, (), replace(SETTINGS, halving=(5, 16)))
    assert str(caught.value) == (
        "`search.halving` must be at least 6 for a head in closed form, 2 for each of the 3 "
        "outputs of 'legs', got 5."
    )
