"""Tasks on texts: an encoder of tokens without a classifier, tasks of unlike sizes, one search."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problem import drawn

from sosjax import (
    Dataset,
    Environment,
    InputError,
    Settings,
    Split,
    Task,
    certify,
    check_inputs,
    export,
    load_network,
    load_stablehlo,
    search,
    shrink,
    text_dataset,
)
from sosjax.models import built, jat_of
from sosjax.models._tokenizer import Encoded
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem

LENGTH = 7
WORDS = [
    "<pad>",
    "<s>",
    *[
        "the",
        "a",
        "of",
        "ball",
        "goal",
        "team",
        "vote",
        "law",
        "state",
        "star",
        "moon",
        "sky",
        "good",
        "bad",
    ],
]
ARCHITECTURE = {
    "family": "bert",
    "vocabulary": len(WORDS),
    "hidden": 8,
    "layers": 1,
    "heads": 2,
    "intermediate": 6,
    "positions": 9,
    "length": LENGTH,
}
SUBJECTS = {
    "sport": ("ball", "goal", "team"),
    "politics": ("vote", "law", "state"),
    "space": ("star", "moon", "sky"),
}
MOODS = {"bad": ("bad",), "good": ("good",)}
SETTINGS = Settings(
    fitness="recalibrated",
    population=6,
    generations=2,
    images=40,
    calibration=60,
    depth=True,
    objectives=("error", "flops"),
)


class Words:
    """A tokenizer: one token a word, after one that begins each text."""

    pad = 0

    def encode(self, texts, length):
        """Return texts as tokens."""
        ids = np.zeros((len(texts), length), np.int32)
        for row, text in zip(ids, texts, strict=True):
            found = [1, *map(WORDS.index, text.split())][:length]
            row[: len(found)] = found
        return Encoded(ids, sum(len(text.split()) >= length for text in texts))


def written(classes, count, seed):
    """Write texts of 2 to 9 words, two or more of them of the class, and their labels."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % len(classes)).astype(np.int32)
    kinds = list(classes.values())
    texts = []
    for label in labels:
        others = rng.choice(WORDS[2:], rng.integers(0, 8)).tolist()
        words = [*rng.choice(kinds[label], 2), *others]
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


def data_of(name, classes, count, seed):
    return text_dataset(name, *written(classes, count, seed), list(classes), Words(), LENGTH)


@cache
def encoder():
    return jat_of(ARCHITECTURE, drawn(built(ARCHITECTURE).shapes), name="tiny-bert")


@cache
def tasks():
    """Return a task of three classes, and one of two and fewer texts."""
    subjects = data_of("subjects", SUBJECTS, 150, 1)
    moods = data_of("moods", MOODS, 60, 2)
    return Task("subject", data=subjects), Task("mood", data=moods)


@cache
def sets():
    return search(encoder(), None, tasks(), (), SETTINGS)


def half(task):
    jack = sets().task(task).jack
    return sets().select(task, Environment("half", flops=jack.flops / 2))


def validation(task):
    (found,) = (one.data for one in tasks() if one.name == task)
    return found.validation


# The data.


def test_equal_texts_are_in_one_part_and_cut_texts_are_counted():
    texts, labels = written(SUBJECTS, 60, 3)
    data = text_dataset("twice", texts * 2, np.tile(labels, 2), list(SUBJECTS), Words(), LENGTH)
    parts = [getattr(data, part) for part in ("search", "validation", "test")]
    rows = [{row.tobytes() for row in part.inputs} for part in parts]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    cut = 2 * sum(len(text.split()) >= LENGTH for text in texts)
    assert data.notes[0] == f"{cut} of 120 texts of twice were cut at {LENGTH} tokens."
    assert all(part.inputs.dtype == np.int32 for part in parts)


def test_named_groups_are_in_one_part():
    texts, labels = written(SUBJECTS, 90, 4)
    texts = [f"{text} {WORDS[2 + row % 14]}" for row, text in enumerate(texts)]
    groups = [f"document {row // 6}" for row in range(90)]
    data = text_dataset(
        "grouped", texts, labels, list(SUBJECTS), Words(), 12, groups=groups, seed=1
    )
    of = {
        Words().encode([text], 12).ids.tobytes(): group
        for text, group in zip(texts, groups, strict=True)
    }
    parts = [
        {of[row.tobytes()] for row in part.inputs}
        for part in (data.search, data.validation, data.test)
    ]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


# The search.


def test_a_search_finds_a_set_for_each_task():
    assert not encoder().own_head
    for task, count in zip(sets().tasks, (3, 2), strict=True):
        assert task.members and task.uniform and len(task.classes) == count
        for member in task.members:
            assert member.kernel.shape == (8, count) and member.bias.shape == (count,)
        # Words of the classes are there to be seen: better than a guess.
        best = min(one.scores.validation_error for one in task.members)
        assert max(best, task.jack.validation_error) < 0.8 * (1 - 1 / count)
        assert len(task.jack.kept) == len(encoder().graph.groups) + len(encoder().graph.blocks) == 6


# Padding.


@cache
def problems():
    """Return the smaller task alone and after the larger one, with all examples, and its place."""
    subject, mood = tasks()
    every = replace(SETTINGS, images=1000, calibration=1000)
    found = [Problem(encoder(), None, order, every) for order in ((mood,), (subject, mood))]
    return [(problem, place, problem.rankings()) for place, problem in enumerate(found)]


@cache
def judged(number):
    """Return a function of genotypes [N, D] to the smaller task's objectives."""
    problem, place, _ = problems()[number]
    _, _, alone = problems()[0]
    # Both judge by one ranking: rounding may swap two units that matter alike.
    rankings = [jnp.tile(row, (len(problem.tasks), 1)) for row in alone]

    def objectives(genotypes):
        rows = jnp.tile(genotypes[None], (len(problem.tasks), 1, 1))
        judged = Evolution.of(problem).objectives
        return judged(encoder().params, problem.search, rankings, rows)[place]

    return jax.jit(objectives)


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_padding_never_changes_a_cost(seed):
    genotypes = problems()[0][0].encoding.sample(jax.random.key(seed), 4, 0.3, 1.0)
    alone, beside = np.asarray(judged(0)(genotypes)), np.asarray(judged(1)(genotypes))
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(beside, alone, rtol=1e-6, atol=1e-6)


def test_padding_changes_no_ranking_and_no_head():
    (alone, _, rankings), (beside, place, found) = problems()
    assert alone.search.real is None and float(beside.search.real[place].min()) == 0
    for (one,), other in zip(rankings, found, strict=True):
        np.testing.assert_array_equal(one, other[place])
    kernel = np.asarray(beside.search.solved.kernel)[place]
    np.testing.assert_allclose(
        kernel[:, :2], np.asarray(alone.search.solved.kernel)[0], rtol=1e-3, atol=1e-5
    )
    assert not kernel[:, 2:].any()


# Members.


@pytest.mark.parametrize("task", ["subject", "mood"])
def test_a_shrunk_member_errs_as_it_was_judged(task):
    member, split = half(task), validation(task)
    network = shrink(encoder(), member)
    wrong = np.asarray(network(split.inputs)).argmax(1) != split.labels
    assert wrong.mean() == pytest.approx(member.scores.validation_error, abs=1e-5)
    assert network.parameters() == member.scores.parameters
    assert network.flops((LENGTH,), np.int32) == member.scores.flops


def test_a_member_is_certified_on_tokens():
    inputs = check_inputs(encoder())
    assert inputs.dtype == np.int32 and inputs.shape == (8, LENGTH)
    assert 0 <= inputs.min() and inputs.max() < len(WORDS)
    assert certify(encoder(), half("subject")).holds
    assert certify(encoder(), half("mood"), validation("mood").inputs).holds


def test_an_exported_member_reads_tokens(tmp_path):
    member = half("mood")
    export(encoder(), member, tmp_path / "out")
    inputs = validation("mood").inputs[:5]
    wanted = np.asarray(shrink(encoder(), member)(inputs))
    for loaded in (load_network(tmp_path / "out"), load_stablehlo(tmp_path / "out")):
        np.testing.assert_allclose(np.asarray(loaded(inputs)), wanted, rtol=1e-4, atol=1e-5)


# What is refused.


def other(data, change):
    """Return the data with other inputs in all parts."""
    parts = (data.search, data.validation, data.test)
    changed = [Split(change(part.inputs), part.labels) for part in parts]
    return Dataset(data.name, data.classes, *changed)


WRONG = {
    "tokens of another vocabulary": (
        lambda ids: ids + 3,
        r"`search.inputs` of moods must be tokens in \[0, 16\), got 3 to 18: are tokenizer and "
        r"model of one kind\?",
    ),
    "negative tokens": (lambda ids: ids - 1, r"tokens in \[0, 16\), got -1 to 14"),
    "other lengths": (
        lambda ids: ids[:, :5],
        r"`data` must have int32 inputs of shape \[B, 7\] for the network, got int32 of \[B, 5\] "
        r"in moods",
    ),
    "no tokens": (
        lambda ids: ids.astype(np.float32),
        r"`data` must have int32 inputs of shape \[B, 7\] for the network, got float32",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_input_of_the_encoder_is_refused(name):
    change, message = WRONG[name]
    subject, mood = tasks()
    with pytest.raises(InputError, match=message):
        search(encoder(), None, (subject, replace(mood, data=other(mood.data, change))))


def test_a_task_without_data_is_refused():
    with pytest.raises(InputError, match="`tasks` lost.data must be given"):
        search(encoder(), None, (*tasks(), Task("lost", ("a", "b"))), (), SETTINGS)
