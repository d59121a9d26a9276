"""Texts to ids with a tiny sentencepiece model that is trained here."""

import json
import shutil
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pieces import language_folder, texts

from sosjax._errors import InputError
from sosjax.models._sentencepiece import LANGUAGES, LanguageTokenizer, load_language_tokenizer

pytest.importorskip("sentencepiece")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return language_folder(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="module")
def tokenizer(folder) -> LanguageTokenizer:
    return load_language_tokenizer(folder)


@pytest.fixture
def copied(folder, tmp_path):
    for name in ("vocab.json", "sentencepiece.bpe.model"):
        shutil.copy(folder / name, tmp_path / name)
    return tmp_path


# Ids.


def test_there_are_a_hundred_languages_after_the_vocabulary(tokenizer):
    assert len(LANGUAGES) == len(set(LANGUAGES)) == 100
    words = len(tokenizer.pieces)
    assert list(tokenizer.languages) == list(LANGUAGES)
    assert list(tokenizer.languages.values()) == list(range(words, words + 100))
    assert tokenizer.vocabulary == words + 100
    assert (tokenizer.pad, tokenizer.end) == (1, 2)


def test_a_source_is_language_tokens_end_padding(tokenizer):
    encoded = tokenizer.source(["all that is removed", ""], "cs", 30)
    ids, truncated = encoded.ids, encoded.truncated
    assert ids.dtype == np.int32 and ids.shape == (2, 30) and truncated == 0
    assert ids[1].tolist() == [tokenizer.language("cs"), tokenizer.end] + [tokenizer.pad] * 28
    row = ids[0].tolist()
    stop = row.index(tokenizer.end)
    assert row[0] == tokenizer.language("cs") and set(row[stop + 1 :]) == {tokenizer.pad}
    names = {number: name for name, number in tokenizer.pieces.items()}
    assert "".join(names[one] for one in row[1:stop]) == "▁all▁that▁is▁removed"


def test_labels_are_what_follows_the_inputs(tokenizer):
    target = tokenizer.target(texts()[:5], "de", 40)
    assert (target.inputs[:, 0] == tokenizer.end).all()
    assert (target.inputs[:, 1] == tokenizer.language("de")).all()
    for inputs, labels in zip(target.inputs.tolist(), target.labels.tolist(), strict=True):
        size = labels.index(tokenizer.end)
        assert inputs[1 : size + 1] == labels[:size]
        assert set(inputs[size + 1 :]) | set(labels[size + 1 :]) <= {tokenizer.pad}


def test_long_texts_are_cut_before_the_end_and_counted(tokenizer):
    some = ["a mask", "a mask for every group of the network, and one for each block"]
    short, whole = (tokenizer.source(some, "en", length) for length in (8, 80))
    assert (short.truncated, whole.truncated) == (1, 0) and short.ids[1, -1] == tokenizer.end
    np.testing.assert_array_equal(short.ids[1, :-1], whole.ids[1, :7])
    target = tokenizer.target(some, "en", 8)
    assert target.truncated == 1 and target.labels[1, -1] == tokenizer.end


def test_what_looks_like_a_special_token_is_text(tokenizer):
    row = tokenizer.source(["__en__ </s>"], "en", 40).ids[0].tolist()
    assert row.count(tokenizer.language("en")) == 1 and row.count(tokenizer.end) == 1


def test_letters_that_no_piece_has_are_unknown_and_left_out(tokenizer):
    ids = tokenizer.source(["the 字 mask"], "en", 20).ids
    assert tokenizer.pieces["<unk>"] in ids[0]
    assert tokenizer.decode(ids)[0].split() == ["the", "mask"]


@settings(max_examples=30)
@given(words=st.lists(st.sampled_from("the mask of a group removes units".split()), max_size=8))  # noqa: SIM905
def test_texts_come_back(tokenizer, words):
    text = " ".join(words)
    ids = tokenizer.source([text], "cs", 64).ids
    assert tokenizer.decode(ids) == [text]
    target = tokenizer.target([text], "cs", 64)
    assert tokenizer.decode(target.inputs) == tokenizer.decode(target.labels) == [text]


def test_nothing_is_read_after_the_end(tokenizer):
    word = tokenizer.pieces["▁the"]
    end, pad = tokenizer.end, tokenizer.pad
    row = [end, tokenizer.language("cs"), word, end, word, pad, tokenizer.vocabulary + 5]
    assert tokenizer.decode([row]) == ["the"]
    assert tokenizer.decode([[word, tokenizer.vocabulary + 5]]) == ["the"]
    assert tokenizer.decode(np.zeros((0, 3), np.int32)) == []


# Where the ids of languages come from.


def test_a_list_of_special_tokens_gives_the_order(copied):
    words = len(json.loads((copied / "vocab.json").read_text()))
    listed = ["__en__", "__cs__", "<mask>", {"content": "__ast__"}]
    config = {"additional_special_tokens": listed}
    (copied / "tokenizer_config.json").write_text(json.dumps(config))
    languages = load_language_tokenizer(copied).languages
    assert languages == {"en": words, "cs": words + 1, "ast": words + 2}
    (copied / "special_tokens_map.json").write_text(
        json.dumps({"additional_special_tokens": ["__de__"]})
    )
    assert load_language_tokenizer(copied).languages == {"de": words}


def test_files_may_give_ids_themselves(copied):
    (copied / "added_tokens.json").write_text(json.dumps({"__cs__": 900, "<mask>": 901}))
    tokenizer = load_language_tokenizer(copied)
    assert tokenizer.languages == {"cs": 900} and tokenizer.vocabulary == 901
    path = copied / "vocab.json"
    vocabulary = json.loads(path.read_text()) | {"__de__": 700}
    path.write_text(json.dumps(vocabulary))
    tokenizer = load_language_tokenizer(copied)
    assert tokenizer.languages == {"de": 700, "cs": 900} and "__de__" not in tokenizer.pieces


# Bad input.


def refused(run):
    with pytest.raises(InputError) as caught:
        run()
    return str(caught.value)


def test_unknown_languages_are_refused(tokenizer):
    sentence = refused(lambda: tokenizer.source(["a"], "cz", 9))
    assert sentence.startswith("`language` must be one of af, am, ") and "got 'cz'" in sentence


@pytest.mark.parametrize(
    ("texts", "length", "sentence"),
    [
        ("text", 9, "`texts` must be a sequence of texts, got a single one."),
        (["a", None], 9, "`texts` must be a sequence of texts, got NoneType among them."),
        (
            ["a"],
            2,
            "`length` must be at least 3, one more than the tokens that go with every text, got 2.",
        ),
        (["\ud800"], 9, "`texts` must be texts that UTF-8 can write, got one that it cannot: "),
    ],
)
def test_what_cannot_be_encoded_is_refused(tokenizer, texts, length, sentence):
    for encode in (tokenizer.source, tokenizer.target):
        assert refused(lambda encode=encode: encode(texts, "cs", length)).startswith(sentence)


@pytest.mark.parametrize("name", ["vocab.json", "sentencepiece.bpe.model"])
def test_missing_files_are_refused(copied, name):
    (copied / name).unlink()
    sentence = refused(lambda: load_language_tokenizer(copied))
    assert name in sentence and sentence.endswith("got no such file.")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "must be a JSON file, got a damaged one: "),
        ("[1]", "must hold a JSON object, got a list."),
        ("{}", "must give whole numbers from 0 to tokens, got none."),
        ('{"a": "b"}', "must give whole numbers from 0 to tokens, got 'b' for 'a'."),
        ('{"a": -1}', "must give whole numbers from 0 to tokens, got -1 for 'a'."),
        ('{"<s>": 0, "</s>": 2}', "must hold <pad>, <unk>, got no such tokens."),
    ],
)
def test_bad_vocabularies_are_refused(copied, content, sentence):
    path = copied / "vocab.json"
    path.write_text(content)
    found = refused(lambda: load_language_tokenizer(copied))
    assert found.startswith(f"{path} {sentence}")


def test_damaged_models_are_refused(copied):
    path = copied / "sentencepiece.bpe.model"
    path.write_bytes(b"no model at all")
    found = refused(lambda: load_language_tokenizer(copied))
    assert found.startswith(f"{path} must be a sentencepiece model, got a damaged one or another")


def test_without_the_library_the_way_to_it_is_named(copied, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    assert refused(lambda: load_language_tokenizer(copied)) == (
        "`sentencepiece.bpe.model` must be read by sentencepiece, which is not installed: "
        "pip install 'sosjax[text]'."
    )
