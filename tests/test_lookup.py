"""Tables that inputs pick rows of: which rows, the network without the others, and training it."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import members
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax import Dataset, Head, Jat, Recovery, Settings, Split, Task, search
from sosjax._tree import named_leaves
from sosjax.graph._lookup import rows_read, with_fewer_rows
from sosjax.recover import _fine_tune, _trimmed
from sosjax.recover._case import Case
from sosjax.recover._course import course_of
from sosjax.recover._fine_tune import fine_tune
from sosjax.search._problem import Problem

WORDS, LENGTH, WIDTH = 60, 5, 6


def apply(params, tokens):
    """Words, their places, and a table of kinds that is multiplied with as well."""
    kinds = params["kinds"][tokens % 3]
    rows = params["words"][tokens] + params["places"][jnp.arange(LENGTH)] + kinds
    rows = rows * (tokens != 0)[..., None]
    hidden = jax.nn.gelu(rows.mean(1) @ params["up"] @ params["down"])
    hidden = hidden + 0.1 * (hidden @ params["kinds"].T) @ params["kinds"]
    return hidden @ params["head"]["kernel"] + params["head"]["bias"]


def make_jat(function=apply):
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return rng.normal(size=shape).astype(np.float32) / 2

    params = {
        "words": drawn(WORDS, WIDTH),
        "places": drawn(LENGTH, WIDTH),
        "kinds": drawn(3, WIDTH),
        "up": drawn(WIDTH, 8),
        "down": drawn(8, WIDTH),
        "head": {"kernel": drawn(WIDTH, 4), "bias": drawn(4)},
    }
    head = Head("head/kernel", "head/bias")
    shape = {"input_shape": (LENGTH,), "input_dtype": np.int32}
    return Jat(function, params, vocabulary=WORDS, head=head, **shape)


tiny = cache(make_jat)


def test_the_rows_that_examples_read():
    tokens = np.array([[[3, 3, 7, 0, 0]], [[59, 7, 1, 0, 0]]], np.int32)
    found = rows_read(tiny().graph, tokens, np.array([[5, 0, 0, 0, 0]], np.int32))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "words": [0, 1, 3, 5, 7, 59]  # neither known places nor a table that is multiplied with
    }


@pytest.mark.parametrize(
    "words",
    [
        lambda params, tokens: params["words"].at[tokens + 1].get(mode="clip"),  # beyond the end
        lambda params, tokens: params["words"][tokens] + params["words"].sum(0),
        lambda params, tokens: (2 * params["words"])[tokens],
        lambda params, tokens: params["words"][tokens, :3].repeat(2, -1),
        lambda params, tokens: params["words"][tokens + (params["up"].sum() > 9)],
        lambda params, tokens: jax.nn.one_hot(tokens, WORDS) @ params["words"],
    ],
)
def test_tables_that_stay_whole(words):
    def other(params, tokens):
        rows = words(params, tokens).mean(1)
        return (
            rows @ params["up"] @ params["down"] @ params["head"]["kernel"] + params["head"]["bias"]
        )

    jat = make_jat(other)
    assert rows_read(jat.graph, np.full((2, LENGTH), WORDS - 1, np.int32)) == {}


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), most=st.integers(1, WORDS))
def test_fewer_rows_give_the_same_outputs(seed, most):
    jat = tiny()
    rng = np.random.default_rng(seed)
    tokens = rng.choice(rng.choice(WORDS, most, replace=False), (3, LENGTH)).astype(np.int32)
    rows = rows_read(jat.graph, tokens)
    small = with_fewer_rows(jat.graph, rows)
    assert (small.groups, small.blocks) == (jat.graph.groups, jat.graph.blocks)
    assert small.head == jat.graph.head and small.statistics == jat.graph.statistics
    params = jat.params | {"words": jat.params["words"][rows["words"]]}
    assert named_leaves(small.graph.shapes)["words"].shape == params["words"].shape
    masks = [rng.random(size) < 0.6 for size in small.sizes]
    for mask in masks:
        mask[rng.integers(len(mask))] = True
    found = small.shrink(params, masks)
    wanted = jat.graph.shrink(jat.params, masks)
    np.testing.assert_array_equal(found(tokens), wanted(tokens))


def make_split(part, count):
    """A class is said by one of four words among others; no word is above the fortieth."""
    rng = np.random.default_rng(part)
    tokens, labels = rng.integers(5, 40, (count, LENGTH)), np.arange(count) % 4
    tokens[:, 0], tokens[:, 1] = 5 + part, 1 + labels  # the first word tells the splits apart
    return Split(tokens.astype(np.int32), labels.astype(np.int32))


@cache
def problem_and_cases():
    """Return a network, its members as they were found, and what they are trained on."""
    data = Dataset("words", tuple("abcd"), *map(make_split, range(3), (160, 80, 80)))
    tasks = (Task("all", tuple("abcd")), Task("some", tuple("bcd")))
    asked = Settings(population=4, generations=1, images=64, calibration=64)
    sets = search(tiny(), data, tasks, (), asked)
    problem = Problem(tiny(), data, tasks, asked)
    return problem, [Case(row, one) for row, task in enumerate(sets.tasks) for one in task.members]


@pytest.mark.parametrize("parts", ["all", "norms", "low-rank"])
def test_what_is_trained_without_rows_that_nobody_reads(parts, monkeypatch):
    problem, cases = problem_and_cases()
    recovery = Recovery(epochs=4, batch=16, rate=0.03, decay=0.01, parts=parts)
    rows = _trimmed.trim(tiny().graph, course_of(problem, recovery)).rows["words"]
    unread = np.setdiff1d(np.arange(WORDS), rows)
    assert len(unread) >= 20
    trimmed = fine_tune(problem, cases, recovery)
    monkeypatch.setattr(_trimmed, "LEAST", 2.0)  # nothing is trimmed
    changed = 0
    for case, one, other in zip(cases, trimmed, fine_tune(problem, cases, recovery), strict=True):
        assert replace(one, weights={}) == replace(other, weights={})
        own, whole = one.weights.pop("words"), other.weights.pop("words")
        assert np.array_equal(own[rows], whole[rows])
        for name, leaf in other.weights.items():
            np.testing.assert_array_equal(one.weights[name], leaf)
        before = tiny().graph.shrink(case.params(tiny()), case.masks).params["words"]
        assert np.array_equal(own[unread], before[unread])
        changed += not np.array_equal(own[rows], before[rows])
        if parts == "all" and one.epoch > 0:
            assert not np.array_equal(whole[unread], before[unread])  # they decay
    assert (changed > 0) == (parts != "norms")


def test_a_trimmed_recovery_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    problem, cases = problem_and_cases()
    recovery = Recovery(epochs=3, batch=16, rate=0.03)
    monkeypatch.setattr(_fine_tune, "SECONDS", 0.0)

    def stop(line):
        if "epoch 2" in line["event"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(problem, cases, recovery, tmp_path, stop)
    assert any(tmp_path.glob("*/00000002"))
    resumed = fine_tune(problem, cases, recovery, tmp_path)
    for one, other in zip(resumed, fine_tune(problem, cases, recovery), strict=True):
        assert replace(one, weights={}) == replace(other, weights={})
        for name, leaf in other.weights.items():
            np.testing.assert_array_equal(one.weights[name], leaf)


@pytest.mark.parametrize(
    ("family", "tables"),
    [
        ("bert", {"word": [0, 2, 5]}),  # whose places are sliced
        ("mpnet", {"word": [0, 2, 5], "position": [2, 3, 4, 5, 6, 7, 8, 9]}),
        ("m2m100", {}),  # whose words are tied to the outputs
    ],
)
def test_networks_of_families(family, tables):
    network = members.tiny(family)
    tokens = np.array([[5, 2, *[0] * (network.graph.inputs.shape[0] - 2)]], np.int32)
    found = {name: rows.tolist() for name, rows in rows_read(network.graph, tokens).items()}
    assert found == {
        f"embeddings/{name}_embeddings/embedding": rows for name, rows in tables.items()
    }
