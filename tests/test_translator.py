"""Texts that networks and their members write, and how good they are."""

import sys
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest
from pieces import language_folder
from pieces import texts as english
from problem import drawn

from sosjax import InputError, Jat, Member, Scores, Translator, text_scores, translation_dataset
from sosjax._tree import named_leaves, with_leaves
from sosjax.models import built, jat_of, load_language_tokenizer
from sosjax.models._m2m100 import M2m100Options

pytest.importorskip("sentencepiece")
pytest.importorskip("sacrebleu")
LENGTH = 12


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_language_tokenizer(language_folder(tmp_path_factory.mktemp("pieces"), ["de", "en"]))


@cache
def network(vocabulary):
    sizes = {f"{side}_{what}": 2 for side in ("encoder", "decoder") for what in ("layers", "heads")}
    sizes |= {"encoder_inner": 6, "decoder_inner": 6}
    options = M2m100Options(vocabulary=vocabulary, width=8, length=LENGTH, positions=40, **sizes)
    architecture = {"family": "m2m100", **asdict(options)}
    leaves = named_leaves(drawn(built(architecture).shapes, 3))
    # A tied embedding would have every token follow itself, were its numbers not small.
    leaves = {name: leaf * (0.1 if "embed" in name else 1) for name, leaf in leaves.items()}
    params = with_leaves(built(architecture).shapes, leaves)
    return jat_of(architecture, params, name="translator")


def member(jat, seed=0):
    rng = np.random.default_rng(seed)
    masks = [rng.random(size) < 0.9 for size in jat.graph.sizes]
    for mask in masks:
        mask[0] = True
    masks += [np.array([True])] * len(jat.graph.blocks)
    scores = Scores(tuple(int(mask.sum()) for mask in masks), 1, 4, 1, None, 0.5, 0.5)
    nothing = np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
    return Member("talk", (), scores, tuple(masks), {}, *nothing)


@pytest.mark.parametrize("beams", [1, 2])
def test_a_member_writes_what_its_masked_network_does(tokenizer, beams):
    jat, sentences = network(tokenizer.vocabulary), english()[:3]
    own, graph = member(jat), jat.graph.graph

    def masked(params, ids):
        return graph.masked(params, own.masks, ids)

    # The same, without a cache and without a family.
    alone = Jat(
        masked,
        jat.params,
        input_shape=(2, LENGTH),
        input_dtype=np.int32,
        vocabulary=tokenizer.vocabulary,
    )
    found = Translator(jat, tokenizer, beams).translate(sentences, ("de", "en"), own)
    wanted = Translator(alone, tokenizer, beams).translate(sentences, ("de", "en"))
    assert found == wanted and len(found) == 3
    assert found != Translator(jat, tokenizer, beams).translate(sentences, ("de", "en"))


def test_texts_do_not_depend_on_how_many_there_are(tokenizer):
    translator = Translator(network(tokenizer.vocabulary), tokenizer, 1)
    many = translator.translate(english()[:35], ("de", "en"))
    assert len(many) == 35
    assert translator.translate(english()[33:35], ("de", "en")) == many[33:]
    assert translator.translate([], ("de", "en")) == []


def test_scores_are_those_of_the_texts(tokenizer):
    translator = Translator(network(tokenizer.vocabulary), tokenizer, 1)
    sources = [text[:20] for text in english()[:40]]
    data = translation_dataset("talk", sources, sources, ("de", "en"), tokenizer, LENGTH)
    ids = data.test.inputs[:, 0]
    references = tokenizer.decode(np.where(data.test.labels < 0, 1, data.test.labels))
    written = translator.translate(tokenizer.decode(ids), ("de", "en"))
    assert translator.scores(data.test) == text_scores(written, references)
    assert translator.scores(data.test, limit=2) == text_scores(written[:2], references[:2])


def test_bleu_and_chrf_are_those_of_sacrebleu():
    import sacrebleu

    texts, wanted = ["the cat sat on a mat", "no"], ["the cat sat on the mat", "yes"]
    assert text_scores(texts, wanted) == {
        "BLEU": sacrebleu.corpus_bleu(texts, [wanted]).score,
        "chrF": sacrebleu.corpus_chrf(texts, [wanted]).score,
    }


def test_what_is_refused(tokenizer, monkeypatch):
    jat = network(tokenizer.vocabulary)
    with pytest.raises(InputError, match="must be of one vocabulary, got tokens up to"):
        Translator(network(tokenizer.vocabulary - 5), tokenizer)
    lstm = {"family": "lstm", "hidden": 4, "length": 5}
    series = jat_of(lstm, drawn(built(lstm).shapes), name="series")
    with pytest.raises(InputError, match="`jat` must be a network that writes texts, got 'series'"):
        Translator(series, tokenizer)
    with pytest.raises(InputError, match="`decoding.beams` must be a whole number at least 1"):
        Translator(jat, tokenizer, 0)
    with pytest.raises(InputError, match="`language` must be one of de, en, got 'cs'"):
        Translator(jat, tokenizer).translate(["a"], ("cs", "en"))
    with pytest.raises(InputError, match="must be as many, one or more, got 0 and 0."):
        text_scores([], [])
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(InputError, match=r"not installed: pip install 'sosjax\[text\]'."):
        text_scores(["a"], ["a"])
