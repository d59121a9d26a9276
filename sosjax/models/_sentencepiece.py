"""Tokens of M2M100: sentencepiece, a vocabulary and one token for each language."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from .._errors import InputError, require, require_known
from .._types import Int
from ._hub import local
from ._tokenizer import Encoded

PIECES = "sentencepiece.bpe.model"
VOCABULARY = "vocab.json"
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")

# As in the published M2M100 (Fan et al., 2021, https://arxiv.org/abs/2010.11125), in the order of
# its ids, which follow those of the vocabulary.
_CODES = """
    af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha
    he hi hr ht hu hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne
    nl no ns oc or pa pl ps pt ro ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo
    xh yi yo zh zu
"""
LANGUAGES = tuple(_CODES.split())


@final
@dataclass(frozen=True)
class Target:
    """Texts that are to be written.

    Attributes:
      inputs: int32 [B, S], what the decoder is given: end, language, tokens, padding.
      labels: int32 [B, S], what it should say: language, tokens, end, padding.
      truncated: how many texts were longer and lost their last tokens.
    """

    inputs: Int[np.ndarray, "B S"]
    labels: Int[np.ndarray, "B S"]
    truncated: int


@final
@dataclass(frozen=True, eq=False)
class LanguageTokenizer:
    """Texts of many languages to ids and back.

    Attributes:
      processor: cuts a text into pieces and joins them: a `SentencePieceProcessor`.
      pieces: the id of each piece.
      languages: the id of each language's token, by its code, such as `cs`.
    """

    processor: Any
    pieces: Mapping[str, int]
    languages: Mapping[str, int]

    @property
    def vocabulary(self) -> int:
        """One more than the largest id; the network's vocabulary must not be smaller."""
        return max(*self.pieces.values(), *self.languages.values()) + 1

    @property
    def pad(self) -> int:
        """Id of padding."""
        return self.pieces["<pad>"]

    @property
    def end(self) -> int:
        """Id that ends a text, and that decoding starts with."""
        return self.pieces["</s>"]

    def language(self, code: str) -> int:
        """Return the id of a language's token.

        Raises:
          InputError: the language is not known.
        """
        require_known("language", code, self.languages)
        return self.languages[code]

    def source(self, texts: Sequence[Any], language: str, length: int) -> Encoded:
        """Return what the encoder reads: language, tokens, end, padding.

        Args:
          texts: in the language. What looks like a special token in them is text like any other.
          language: its code.
          length: tokens of each row, 3 or more; longer texts lose their last tokens, never the end.

        Raises:
          InputError: the language is not known, one is no text or a broken one, or `length` leaves
            none but special tokens.
        """
        rows, truncated = self._rows(texts, length - 2)
        first = self.language(language)
        return Encoded(self._padded([[first, *row, self.end] for row in rows], length), truncated)

    def target(self, texts: Sequence[Any], language: str, length: int) -> Target:
        """Return what the decoder is given and what it should say; see `source`."""
        rows, truncated = self._rows(texts, length - 2)
        first = self.language(language)
        inputs = self._padded([[self.end, first, *row] for row in rows], length)
        labels = self._padded([[first, *row, self.end] for row in rows], length)
        return Target(inputs, labels, truncated)

    def decode(self, ids: Any) -> list[str]:
        """Return texts of ids [N, S]: special tokens and unknown ids are left out.

        What stands after the end of a text is no part of it; an end that stands first begins it.
        """
        names = {number: piece for piece, number in self.pieces.items()}
        texts = []
        for row in np.asarray(ids).tolist():
            stop = next((at for at, one in enumerate(row) if at and one == self.end), len(row))
            kept = [names[one] for one in row[:stop] if names.get(one, "<pad>") not in _SPECIAL]
            texts.append(self.processor.decode(kept).strip())
        return texts

    def _rows(self, texts: Sequence[Any], room: int) -> tuple[list[list[int]], int]:
        """Return the ids of texts, cut to what there is room for, and how many were cut."""
        wrong = [text for text in texts if not isinstance(text, str)]
        require(
            not isinstance(texts, str) and not wrong,
            "`texts` must be a sequence of texts, got "
            + (f"{type(wrong[0]).__name__} among them." if wrong else "a single one."),
        )
        require(
            room >= 1,
            "`length` must be at least 3, one more than the tokens that go with every text, got "
            f"{room + 2}.",
        )
        try:
            "".join(texts).encode()
        except UnicodeError as error:  # half of a pair, as `json` lets through
            raise InputError(
                f"`texts` must be texts that UTF-8 can write, got one that it cannot: {error}."
            ) from None
        unknown = self.pieces["<unk>"]
        cut = self.processor.encode(list(texts), out_type=str)
        rows = [[self.pieces.get(piece, unknown) for piece in row] for row in cut]
        return [row[:room] for row in rows], sum(len(row) > room for row in rows)

    def _padded(self, rows: list[list[int]], length: int) -> np.ndarray:
        ids = np.full((len(rows), length), self.pad, np.int32)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        return ids


def load_language_tokenizer(folder: str | Path) -> LanguageTokenizer:
    """Read the tokenizer of a folder in the layout of Hugging Face.

    It must hold `sentencepiece.bpe.model` and `vocab.json`. Ids of languages are those that
    `vocab.json` or `added_tokens.json` give; else they follow the vocabulary, in the order of the
    `additional_special_tokens` of `special_tokens_map.json` or `tokenizer_config.json`, or in that
    of the published list of 100 languages where there is neither.

    Args:
      folder: the folder, or `hf://OWNER/NAME` as for `load`.

    Raises:
      InputError: a file is missing or is not what its name says, or sentencepiece is not installed.
    """
    folder = local(folder)
    vocabulary = _ids(folder / VOCABULARY)
    missing = [name for name in _SPECIAL if name not in vocabulary]
    require(
        not missing, f"{folder / VOCABULARY} must hold {', '.join(missing)}, got no such tokens."
    )
    processor = _processor(folder / PIECES)
    pieces = {name: number for name, number in vocabulary.items() if not _code(name)}
    return LanguageTokenizer(processor, pieces, _languages(folder, vocabulary))


def _languages(folder: Path, vocabulary: dict[str, int]) -> dict[str, int]:
    added = folder / "added_tokens.json"
    known = vocabulary | (_ids(added) if added.exists() else {})
    found = {code: number for name, number in known.items() if (code := _code(name))}
    if found:
        return found
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = folder / name
        content = _json(path) if path.exists() else {}
        tokens = content.get("additional_special_tokens") or []
        # Newer files write a token as an object.
        texts = [one["content"] if isinstance(one, dict) else one for one in tokens]
        codes = [code for text in texts if (code := _code(text))]
        if codes:
            return {code: len(vocabulary) + place for place, code in enumerate(codes)}
    return {code: len(vocabulary) + place for place, code in enumerate(LANGUAGES)}


def _code(token: str) -> str | None:
    inside = token[2:-2]
    framed = token.startswith("__") and token.endswith("__")
    return inside if framed and 2 <= len(inside) <= 8 and inside.isalpha() else None


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} must be a tokenizer's file, got no such file.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} must be a JSON file, got a damaged one: {error}.") from None
    require(
        isinstance(content, dict),
        f"{path} must hold a JSON object, got a {type(content).__name__}.",
    )
    return content


def _ids(path: Path) -> dict[str, int]:
    content = _json(path)
    wrong = [name for name, number in content.items() if type(number) is not int or number < 0]
    require(
        content and not wrong,
        f"{path} must give whole numbers from 0 to tokens, got "
        + (f"{content[wrong[0]]!r} for {wrong[0]!r}." if wrong else "none."),
    )
    return content


def _processor(path: Path) -> Any:
    require(path.exists(), f"{path} must be a sentencepiece model, got no such file.")
    try:
        import sentencepiece
    except ImportError:
        raise InputError(
            f"`{path.name}` must be read by sentencepiece, which is not installed: "
            "pip install 'sosjax[text]'."
        ) from None
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise InputError(
            f"{path} must be a sentencepiece model, got a damaged one or another file: {error}."
        ) from None
