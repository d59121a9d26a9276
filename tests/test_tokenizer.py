"""Texts to tokens by the files that tokenizers come in."""

import json
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosjax._errors import InputError
from sosjax.models._tokenizer import load_tokenizer, require_vocabulary

pytest.importorskip("tokenizers")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "##s", "é"]


def made(**content):
    """Return a tokenizer file: words between spaces, a begin and an end."""
    special = [
        {
            "id": WORDS.index(word),
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for word in WORDS[:4]
    ]
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    } | content


@pytest.fixture
def folder(tmp_path):
    """A folder with a tokenizer file."""
    (tmp_path / "tokenizer.json").write_text(json.dumps(made()))
    return tmp_path


@cache
def word_tokenizer():
    with TemporaryDirectory() as folder:
        (Path(folder) / "tokenizer.json").write_text(json.dumps(made()))
        return load_tokenizer(folder)


@pytest.mark.parametrize("name", ["", "tokenizer.json"])
def test_texts_are_filled_up_and_cut_with_their_begin_and_end(folder, name):
    tokenizer = load_tokenizer(folder / name)
    assert (tokenizer.vocabulary, tokenizer.pad, tokenizer.special) == (9, 0, 2)
    found = tokenizer.encode(["The cat", "", "cat dog", "the cat sat", "the cat sat the cat"], 5)
    assert found.ids.tolist() == [
        [2, 4, 5, 3, 0],
        [2, 3, 0, 0, 0],
        [2, 5, 1, 3, 0],
        [2, 4, 5, 6, 3],
        [2, 4, 5, 6, 3],
    ]
    assert found.ids.dtype == np.int32 and found.truncated == 1


@given(st.lists(st.text(alphabet="thecats é\U0001f600", max_size=30)), st.integers(3, 9))
def test_every_row_begins_ends_and_is_filled_up(texts, length):
    tokenizer = word_tokenizer()
    found = tokenizer.encode(texts, length)
    assert found.ids.shape == (len(texts), length)
    for row, text in zip(found.ids.tolist(), texts, strict=True):
        used = row.index(3) + 1
        assert row[0] == 2 and set(row[used:]) <= {0} and 0 not in row[:used]
        assert row == tokenizer.encode([text], length).ids[0].tolist()
    longer = tokenizer.encode(texts, 99)
    assert longer.truncated == 0
    assert found.truncated == sum((longer.ids != 0).sum(1) > length)


def test_no_texts_are_no_rows(folder):
    found = load_tokenizer(folder).encode([], 7)
    assert found.ids.shape == (0, 7) and found.truncated == 0


def test_what_a_file_says_of_lengths_is_not_kept(tmp_path):
    padding = {
        "strategy": {"Fixed": 9},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 8,
        "pad_type_id": 0,
        "pad_token": "é",
    }
    truncation = {"direction": "Left", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    content = made(padding=padding, truncation=truncation)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    found = load_tokenizer(tmp_path).encode(["the cat sat"], 6)
    assert found.ids.tolist() == [[2, 4, 5, 6, 3, 8]] and found.truncated == 0


@pytest.mark.parametrize("named", ["é", {"content": "é", "special": True}])
def test_padding_is_named_by_the_configuration(folder, named):
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": named}))
    assert load_tokenizer(folder).pad == 8


@pytest.mark.parametrize(("lower", "cat"), [(None, 5), (True, 5), (False, 1)])
def test_a_list_of_words_is_a_tokenizer_of_bert(tmp_path, lower, cat):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    if lower is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower}))
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.vocabulary, tokenizer.pad, tokenizer.special) == (9, 0, 2)
    assert tokenizer.encode(["the Cat", "cats"], 5).ids.tolist() == [
        [2, 4, cat, 3, 0],
        [2, 5, 7, 3, 0],
    ]


def refused(path):
    with pytest.raises(InputError) as caught:
        load_tokenizer(path)
    return str(caught.value)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    wanted = "`path` must be a folder with tokenizer.json or vocab.txt, or such a file, got "
    assert refused(tmp_path) == f"{wanted}{tmp_path}."
    assert refused(tmp_path / "absent.json") == f"{wanted}{tmp_path / 'absent.json'}."


@pytest.mark.parametrize("raw", [b'{"model": ', b"\xff\xfe\x00", b""])
def test_a_damaged_file_is_refused(folder, raw):
    file = folder / "tokenizer.json"
    file.write_bytes(raw)
    assert refused(folder).startswith(f"{file} must be a JSON file, got a damaged one: ")
    file.write_text("[]")
    assert refused(folder) == f"{file} must hold an object, got list."
    file.write_text('{"model": {"type": "Unheard"}}')
    assert refused(folder).startswith(f"{file} must be a tokenizer of Hugging Face, got: ")


def test_a_damaged_configuration_or_list_of_words_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\n")
    file = tmp_path / "vocab.txt"
    assert refused(tmp_path).startswith(f"{file} must be a text file, got a damaged one: ")
    file.write_text("<s>\n<pad>\n[UNK]\n")
    assert "got it without [SEP], [CLS]: a folder with tokenizer.json" in refused(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text("{")
    assert "tokenizer_config.json must be a JSON file" in refused(tmp_path)


def test_a_tokenizer_without_padding_is_refused(tmp_path):
    content = made(added_tokens=[], post_processor=None)
    content["model"]["vocab"] = {"[UNK]": 0, "cat": 1}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    assert refused(tmp_path) == (
        f"{tmp_path} must name a padding token, in tokenizer.json or as `pad_token` in "
        "tokenizer_config.json, got none."
    )


def test_a_missing_package_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert refused(folder).endswith("got no such package: pip install 'sosjax[text]'.")


@pytest.mark.parametrize(
    ("texts", "length", "message"),
    [
        ("the cat", 5, "`texts` must be a sequence of texts, got a single one."),
        (["cat", 3], 5, "`texts` must be a sequence of texts, got int among them."),
        (
            ["cat"],
            2,
            "`length` must be at least 3, one more than the tokens that go",
        ),
    ],
)
def test_what_is_no_text_or_has_no_room_is_refused(folder, texts, length, message):
    with pytest.raises(InputError) as caught:
        load_tokenizer(folder).encode(texts, length)
    assert str(caught.value).startswith(message)


def test_a_tokenizer_of_another_vocabulary_is_refused(folder):
    tokenizer = load_tokenizer(folder)
    require_vocabulary(tokenizer, 9, pad=0)
    require_vocabulary(tokenizer, 12)
    with pytest.raises(InputError, match="of one vocabulary, got tokens up to 8 for a model that"):
        require_vocabulary(tokenizer, 8)
    with pytest.raises(InputError, match="pad with the same token, got 0 for a model that takes 1"):
        require_vocabulary(tokenizer, 9, pad=1)
