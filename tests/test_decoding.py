"""Greedy and beam search: with and without a cache, for the network and for its members."""

import doctest
from functools import partial
from itertools import pairwise, product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import random_masks
from translation import LENGTH, OPTIONS, tiny_pairs, tiny_translator

from sosjax._errors import InputError
from sosjax.models import _decoding
from sosjax.models._decoding import Decoding, beam, cached_steps, greedy, silenced, whole_steps

FIRST = jnp.array([5, 6, 7])
WHOLE_LENGTH = 9


@pytest.fixture(scope="module")
def network():
    made = tiny_translator()
    made.cached, made.whole = cached_steps(made.apply), whole_steps(made.apply)
    made.source = tiny_pairs()[:, 0]
    return made


def some(**changes):
    return Decoding(**({"length": WHOLE_LENGTH, "beams": 3, "penalty": 1.2} | changes))


def chain(table):
    """Return steps whose next token depends on the last alone, by log-probabilities [V, V]."""
    rows = jnp.log(jnp.asarray(table, jnp.float32))
    return whole_steps(lambda params, ids: rows[ids[:, 1]])


# Greedy.


def by_hand(apply, params, source, decoding, first):
    """Write greedily, one whole network after the other."""
    width = max(decoding.length, source.shape[1])
    source = jnp.pad(source, ((0, 0), (0, width - source.shape[1])), constant_values=1)
    texts = []
    for row, one in zip(source, first, strict=True):
        text = [decoding.start, int(one)]
        while len(text) < decoding.length and text[-1] != decoding.end:
            given = jnp.array(text + [decoding.pad] * (width - len(text)))
            logits = apply(params, jnp.stack([row, given])[None])
            text.append(int(logits[0, len(text) - 1].at[decoding.pad].set(-jnp.inf).argmax()))
        texts.append(text + [decoding.pad] * (decoding.length - len(text)))
    return np.array(texts)


def test_greedy_with_a_cache_is_greedy_without_and_by_hand(network):
    decoding = some()
    wanted = by_hand(network.logits, network.params, network.source, decoding, FIRST)
    for steps in (network.cached, network.whole):
        found = greedy(steps, network.params, network.source, decoding, FIRST)
        assert found.dtype == jnp.int32
        np.testing.assert_array_equal(found, wanted)
    assert len({*wanted[:, 2:].ravel()}) > 3


@pytest.mark.parametrize("length", [2, 5])
def test_texts_may_be_shorter_or_longer_than_the_source(network, length):
    decoding = some(length=length)
    one, other = (
        greedy(steps, network.params, network.source, decoding, FIRST)
        for steps in (network.cached, network.whole)
    )
    np.testing.assert_array_equal(one, other)
    longer = greedy(network.cached, network.params, network.source, some(), FIRST)
    np.testing.assert_array_equal(one, longer[:, :length])


def test_padding_of_the_source_changes_no_text(network):
    padded = jnp.pad(network.source, ((0, 0), (0, 4)), constant_values=OPTIONS.pad)
    for steps in (network.cached, network.whole):
        one, other = (
            greedy(steps, network.params, source, some(), FIRST)
            for source in (network.source, padded)
        )
        np.testing.assert_array_equal(one, other)


def test_nothing_follows_the_end_and_without_a_first_token_none_is_forced():
    # 3 is followed by 4, 4 by the end; 5 goes on for ever; the start is followed by 3.
    table = np.full((6, 6), 0.01)
    for before, after in {2: 3, 3: 4, 4: 2, 5: 5}.items():
        table[before, after] = 0.95
    source = jnp.zeros((3, 2), jnp.int32)
    decoding = some(length=6)
    found = greedy(chain(table), None, source, decoding, jnp.array([4, 5, 2]))
    assert found.tolist() == [[2, 4, 2, 1, 1, 1], [2, 5, 5, 5, 5, 5], [2, 2, 1, 1, 1, 1]]
    assert greedy(chain(table), None, source, decoding).tolist()[0] == [2, 3, 4, 2, 1, 1]


# Beams.


def best_of_all(table, decoding, first):
    """Return the best text of all there are, and its score."""
    words = len(table)
    scored = {}
    choices = [word for word in range(words) if word != decoding.pad]
    for text in product(choices, repeat=decoding.length - 2):
        text = (first, *text)
        stop = text.index(decoding.end) + 1 if decoding.end in text else len(text)
        text = text[:stop]
        total = sum(np.log(table[before][after]) for before, after in pairwise(text))
        scored[text] = total / len(text) ** decoding.penalty
    text = max(scored, key=lambda text: scored[text])
    return [decoding.start, *text] + [decoding.pad] * (decoding.length - 1 - len(text)), scored[
        text
    ]


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_all_beams_the_best_text_of_all_is_found(seed, penalty):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.full(5, 0.5), 5)
    # The length is short enough for no text to be dropped, and no search to stop before the end.
    decoding = Decoding(length=5, beams=64, penalty=penalty, early=False)
    source = jnp.zeros((1, 2), jnp.int32)
    found, score = beam(chain(table), None, source, decoding, jnp.array([3]))
    text, wanted = best_of_all(table, decoding, 3)
    np.testing.assert_allclose(score, [wanted], rtol=1e-5)
    assert found.tolist() == [text]


def test_one_beam_is_greedy(network):
    decoding = some(beams=1)
    wanted = greedy(network.cached, network.params, network.source, decoding, FIRST)
    for steps in (network.cached, network.whole):
        found, _ = beam(steps, network.params, network.source, decoding, FIRST)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("seed", range(3))
def test_one_beam_does_not_end_by_the_second_best_token(seed):
    table = np.random.default_rng(seed).dirichlet(np.full(7, 0.8), 7)
    table[:, 2] += 0.25  # the end is often near the best, and sometimes the best
    steps, source = chain(table), jnp.zeros((7, 2), jnp.int32)
    decoding, first = some(beams=1), jnp.arange(7)
    wanted = greedy(steps, None, source, decoding, first)
    np.testing.assert_array_equal(beam(steps, None, source, decoding, first)[0], wanted)


@pytest.mark.parametrize(("early", "first"), [(True, FIRST), (False, None)])
def test_beams_with_a_cache_are_beams_without(network, early, first):
    decoding = some(early=early)
    one, other = (
        beam(steps, network.params, network.source, decoding, first)
        for steps in (network.cached, network.whole)
    )
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_allclose(one[1], other[1], rtol=1e-4)


def test_the_score_is_the_log_probability_by_the_length(network):
    decoding = some()
    texts, scores = beam(network.cached, network.params, network.source, decoding, FIRST)
    width = WHOLE_LENGTH - LENGTH
    source = jnp.pad(network.source, ((0, 0), (0, width)), constant_values=OPTIONS.pad)
    logits = network.logits(network.params, jnp.stack([source, texts], 1))
    chances = jax.nn.log_softmax(logits)
    for row, text in enumerate(np.asarray(texts)):
        size = int((text != OPTIONS.pad).sum())
        total = sum(float(chances[row, place, text[place + 1]]) for place in range(1, size - 1))
        np.testing.assert_allclose(scores[row], total / (size - 1) ** 1.2, rtol=1e-4)


def test_more_beams_find_texts_that_greedy_does_not(network):
    scores = []
    for seed in range(5):
        source = tiny_pairs(seed=seed)[:, 0]
        for decoding in (some(beams=1), some()):
            scores.append(beam(network.cached, network.params, source, decoding, FIRST)[1])
    one, more = np.array(scores[::2]), np.array(scores[1::2])
    assert (more > one + 1e-3).any() and more.mean() > one.mean()


def test_rows_do_not_depend_on_each_other(network):
    texts, scores = beam(network.cached, network.params, network.source, some(), FIRST)
    for row in range(3):
        others = jnp.arange(3) != row
        source = jnp.where(others[:, None], 9, network.source)
        first = jnp.where(others, 4, FIRST)
        found, score = beam(network.cached, network.params, source, some(), first)
        np.testing.assert_array_equal(found[row], texts[row])
        np.testing.assert_allclose(score[row], scores[row], rtol=1e-5)


# Members.


@pytest.mark.parametrize(("write", "seed"), [(greedy, 0), (beam, 1)])
def test_a_member_writes_the_same_masked_shrunk_and_silenced(network, write, seed):
    masks = random_masks(network.graph, seed)
    small = network.graph.shrink(network.params, masks)
    quiet = silenced(network.graph, network.params, masks)
    masked = whole_steps(lambda params, ids: network.graph.masked(params, masks, ids))
    runs = [
        (whole_steps(small.apply), small.params),
        (masked, network.params),
        (network.cached, quiet),
    ]
    found = [write(steps, params, network.source, some(), FIRST) for steps, params in runs]
    texts = [one if write is greedy else one[0] for one in found]
    for other in texts[1:]:
        np.testing.assert_array_equal(other, texts[0])


def test_silenced_parameters_give_the_logits_of_masks_for_many_members_at_once(network):
    pairs = [random_masks(network.graph, seed) for seed in range(2)]
    stacked = [jnp.stack(masks) for masks in zip(*pairs, strict=True)]
    ids = tiny_pairs()

    def logits(masks):
        quiet = silenced(network.graph, network.params, masks)
        return network.apply(quiet, ids)

    found = jax.jit(jax.vmap(logits))(stacked)
    masked = jax.jit(network.graph.masked)
    for one, masks in zip(found, pairs, strict=True):
        wanted = masked(network.params, masks, ids)
        np.testing.assert_allclose(one, wanted, atol=1e-4)


def test_masks_of_ones_silence_nothing(network):
    quiet = silenced(
        network.graph, network.params, network.graph.full()[: len(network.graph.sizes)]
    )
    jax.tree.map(np.testing.assert_array_equal, quiet, network.params)


# Bad input.


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"length": 1}, "`decoding.length` must be a whole number at least 2, got 1."),
        ({"beams": 0}, "`decoding.beams` must be a whole number at least 1, got 0."),
        ({"end": -1}, "`decoding.end` must be a whole number at least 0, got -1."),
        ({"penalty": np.nan}, "`decoding.penalty` must be a number from -10 to 10, got nan."),
        ({"pad": 2}, "`decoding.pad` must be another token than `end`, got 2 for both."),
    ],
)
def test_bad_settings_are_refused(changes, sentence):
    with pytest.raises(InputError) as caught:
        Decoding(**changes)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("source", "first", "sentence"),
    [
        (jnp.zeros((2, 3, 4), int), None, "`source` must be ids [B, S], got int32[2, 3, 4]."),
        (jnp.zeros((2, 3)), None, "`source` must be ids [B, S], got float32[2, 3]."),
        (jnp.zeros((0, 3), int), None, "`source` must be ids [B, S], got int32[0, 3]."),
        (
            jnp.zeros((2, 3), int),
            jnp.zeros(3, int),
            "`first` must be 2 ids, one for each row of `source`, got int32[3].",
        ),
        (
            jnp.zeros((2, 3), int),
            jnp.zeros(2),
            "`first` must be 2 ids, one for each row of `source`, got float32[2].",
        ),
    ],
)
@pytest.mark.parametrize("write", [greedy, beam])
def test_bad_sources_are_refused(network, write, source, first, sentence):
    with pytest.raises(InputError) as caught:
        write(network.cached, network.params, source, some(), first)
    assert str(caught.value) == sentence


def test_steps_are_compiled_once(network):
    calls = []

    def counted(params, ids):
        calls.append(ids.shape)
        return network.apply(params, ids)

    steps = whole_steps(counted)
    write = partial(greedy, steps, network.params)
    write(network.source, some(), FIRST)
    before = len(calls)
    write(network.source[::-1], some(), FIRST + 1)
    assert len(calls) == before > 0


def test_examples_run():
    assert doctest.testmod(_decoding).failed == 0
