"""Texts as rows of token numbers, by the tokenizer files of Hugging Face folders."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from .._errors import InputError, require
from .._types import Int
from ._hub import local

FILE, CONFIG, WORDS = "tokenizer.json", "tokenizer_config.json", "vocab.txt"
_PADS = ("[PAD]", "<pad>", "<PAD>")
_SPECIAL = ("[UNK]", "[SEP]", "[CLS]")  # what WordPiece cannot do without


@final
@dataclass(frozen=True)
class Encoded:
    """Texts as tokens.

    Attributes:
      ids: int32 [B, S], filled up at the end with the padding token.
      truncated: how many texts were longer and lost their end.
    """

    ids: Int[np.ndarray, "B S"]
    truncated: int


@final
@dataclass(frozen=True)
class Tokenizer:
    """Cuts texts into the tokens that a network was trained with.

    Attributes:
      vocabulary: tokens that there are: every token is below.
      pad: the token that fills up short texts.
      special: tokens added to each text, such as its begin and end.
    """

    vocabulary: int
    pad: int
    special: int
    _backend: Any

    def encode(self, texts: Sequence[Any], length: int) -> Encoded:
        """Return texts as tokens; too long ones are cut, and keep their special tokens.

        Args:
          texts: one or more, of any length.
          length: tokens of each row, special ones included.

        Raises:
          InputError: one is no text or a broken one, or `length` leaves none but special tokens.
        """
        wrong = [text for text in texts if not isinstance(text, str)]
        require(
            not isinstance(texts, str) and not wrong,
            "`texts` must be a sequence of texts, got "
            + (f"{type(wrong[0]).__name__} among them." if wrong else "a single one."),
        )
        room = length - self.special
        require(
            room >= 1,
            f"`length` must be at least {self.special + 1}, one more than the tokens that go with "
            f"every text, got {length}.",
        )
        ids = np.full((len(texts), length), self.pad, np.int32)
        truncated = 0
        try:
            encodings = self._backend.encode_batch(list(texts), add_special_tokens=False)
        except (TypeError, UnicodeError) as error:  # half of a pair, as `json` lets through
            raise InputError(
                f"`texts` must be texts that UTF-8 can write, got one that it cannot: {error}."
            ) from None
        for row, encoding in zip(ids, encodings, strict=True):
            truncated += len(encoding) > room
            encoding.truncate(room)
            whole = self._backend.post_process(encoding, None, True).ids
            row[: len(whole)] = whole
        return Encoded(ids, truncated)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a tokenizer.

    Args:
      path: a `tokenizer.json`, or a folder with one, or a folder with the `vocab.txt` of a BERT.
        `tokenizer_config.json` beside it says what it does not. `hf://OWNER/NAME` as for `load`.

    Returns:
      The tokenizer. What the file says of padding and truncation to some length is not kept.

    Raises:
      InputError: there is no such file, it is damaged, it has no padding token, or the package
        `tokenizers` is missing.
    """
    path = local(path)
    folder = path if path.is_dir() else path.parent
    file = path / FILE if path.is_dir() else path
    config = _json(folder / CONFIG) if (folder / CONFIG).exists() else {}
    words = folder / WORDS
    if file.exists():
        backend = _from_json(file)
    else:
        require(
            path.is_dir() and words.exists(),
            f"`path` must be a folder with {FILE} or {WORDS}, or such a file, got {path}.",
        )
        backend = _from_words(words, config)
    pad = _pad(backend, config, folder)
    backend.no_padding()
    backend.no_truncation()
    # Numbers need not follow one another: the highest counts, not how many there are.
    highest = max(backend.get_vocab(with_added_tokens=True).values())
    return Tokenizer(highest + 1, pad, backend.num_special_tokens_to_add(False), backend)


def require_vocabulary(tokenizer: Any, vocabulary: int, pad: int | None = None) -> None:
    """Refuse a tokenizer that is not the network's.

    Args:
      tokenizer: a `Tokenizer`, or one of many languages: it has a vocabulary and a padding token.
      vocabulary: tokens that the network knows; it may know more than the tokenizer makes.
      pad: the token that the network takes for padding, if it does.

    Raises:
      InputError: the tokenizer makes tokens that the network does not know, or pads with another.
    """
    require(
        tokenizer.vocabulary <= vocabulary,
        "`tokenizer` and model must be of one vocabulary, got tokens up to "
        f"{tokenizer.vocabulary - 1} for a model that knows {vocabulary}.",
    )
    require(
        pad is None or tokenizer.pad == pad,
        f"`tokenizer` and model must pad with the same token, got {tokenizer.pad} for a model that "
        f"takes {pad} for padding.",
    )


def _package() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError(
            "`path` must be read by the package tokenizers, got no such package: "
            "pip install 'sosjax[text]'."
        ) from None
    return tokenizers


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a JSON file, got a damaged one: {error}.") from None
    require(isinstance(content, dict), f"{path} must hold an object, got {type(content).__name__}.")
    return content


def _from_json(path: Path) -> Any:
    content = _json(path)
    package = _package()
    try:
        return package.Tokenizer.from_str(json.dumps(content))
    except Exception as error:  # the package raises no narrower one
        raise InputError(f"{path} must be a tokenizer of Hugging Face, got: {error}.") from None


def _from_words(path: Path, config: dict[str, Any]) -> Any:
    """Return BERT's WordPiece with the words of a file, one a line."""
    package = _package()
    try:
        # Not `splitlines`: characters that end lines elsewhere are words here.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a text file, got a damaged one: {error}.") from None
    words = {word: number for number, word in enumerate(lines)}
    missing = [word for word in _SPECIAL if word not in words]
    require(
        not missing,
        f"{path} must hold the words {', '.join(_SPECIAL)} of a BERT, got it without "
        f"{', '.join(missing)}: a folder with {FILE} says which others there are.",
    )
    made = package.implementations.BertWordPieceTokenizer(
        words,
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
    )
    return package.Tokenizer.from_str(made.to_str())


def _pad(backend: Any, config: dict[str, Any], folder: Path) -> int:
    """Return the padding token: of the tokenizer's own padding, by the configuration, by name."""
    if backend.padding is not None:
        return backend.padding["pad_id"]
    named = config.get("pad_token")
    name = named.get("content") if isinstance(named, dict) else named
    for one in (name, *_PADS):
        found = backend.token_to_id(one) if isinstance(one, str) else None
        if found is not None:
            return found
    raise InputError(
        f"{folder} must name a padding token, in {FILE} or as `pad_token` in {CONFIG}, got none."
    )
