"""What a network of texts and its members write, and how good that is: BLEU and chrF."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from .._errors import InputError, require, require_number
from .._tree import named_leaves, with_leaves
from ..models._decoding import Decoding, Steps, beam, cached_steps, greedy, silenced, whole_steps
from ..models._families import built
from ..models._jat import Jat
from ..models._sentencepiece import LanguageTokenizer
from ..models._tokenizer import require_vocabulary
from ..sets._member import Member
from ..tasks._dataset import Split

BATCH = 32
"""Texts written side by side; fewer are filled up, so that one program serves all."""


@final
class Translator:
    """Writes translations of a network and of its members, by one program for all of them.

    Example:
      `Translator(jat, tokenizer).translate(["Ein Hund schläft."], ("de", "en"), member)`
    """

    def __init__(self, jat: Jat, tokenizer: LanguageTokenizer, beams: int = 5) -> None:
        """Check that the two go together.

        Args:
          jat: a network that ends in logits of tokens.
          tokenizer: of the network, from `sosjax.models.load_language_tokenizer`.
          beams: texts that are followed at once; 1 takes the most probable token after each other.

        Raises:
          InputError: the network writes no texts, or the tokenizer is of another vocabulary.
        """
        inputs, vocabulary = jat.graph.inputs, jat.vocabulary
        require(
            vocabulary is not None and jat.graph.head is None and len(inputs.shape) == 2,
            f"`jat` must be a network that writes texts, got {jat.name!r}, which does not.",
        )
        assert vocabulary is not None
        require_vocabulary(tokenizer, vocabulary, (jat.architecture or {}).get("pad"))
        self._jat, self._tokenizer = jat, tokenizer
        end, length = tokenizer.end, inputs.shape[-1]
        self._how = Decoding(start=end, end=end, pad=tokenizer.pad, length=length, beams=beams)

    def translate(
        self, sentences: Sequence[str], languages: tuple[str, str], member: Member | None = None
    ) -> list[str]:
        """Write the translation of each sentence; what is longer than the network's texts is cut.

        Args:
          sentences: one or more.
          languages: codes of source and target, `("cs", "en")` say.
          member: of the network; `None` for the whole one.

        Raises:
          InputError: a language is not known, or a sentence is no text.
        """
        ids = self._tokenizer.source(sentences, languages[0], self._how.length).ids
        first = np.full(len(ids), self._tokenizer.language(languages[1]), np.int32)
        return self._written(ids, first, member)

    def scores(
        self, split: Split, member: Member | None = None, limit: int | None = None
    ) -> dict[str, float]:
        """Return BLEU and chrF of what is written for the sources of a split.

        The references are the split's own targets as the tokenizer reads them back: cut at the
        length of the split, and without letters that it does not know.

        Args:
          split: of `sosjax.translation_dataset`.
          member: of the network; `None` for the whole one.
          limit: of its texts the first so many; `None` for all.

        Raises:
          InputError: as `text_scores`, or `limit` is no number from 1.
        """
        if limit is not None:
            require_number("limit", limit, 1, whole=True)
        ids, labels = split.inputs[:limit, 0], split.labels[:limit]
        wanted = np.where(labels < 0, self._tokenizer.pad, labels)
        references = self._tokenizer.decode(wanted)
        return text_scores(self._written(ids, labels[:, 0], member), references)

    @cached_property
    def _steps(self) -> Steps:
        architecture = self._jat.architecture
        if architecture is None:  # a function of the user's, which has no cache
            return whole_steps(self._jat.graph.graph.apply, self._tokenizer.pad)
        return cached_steps(built(dict(architecture)).apply)

    def _written(self, ids: np.ndarray, first: np.ndarray, member: Member | None) -> list[str]:
        params, count = self._params(member), len(ids)
        rows = np.resize(np.arange(count), -(-count // BATCH) * BATCH)
        texts: list[str] = []
        for part in rows.reshape(-1, BATCH) if count else ():
            how = (self._steps, params, jnp.asarray(ids[part]), self._how, jnp.asarray(first[part]))
            tokens = greedy(*how) if self._how.beams == 1 else beam(*how)[0]
            texts += self._tokenizer.decode(np.asarray(tokens))
        return texts[:count]

    def _params(self, member: Member | None) -> Any:
        """Return full parameters that compute what the member does."""
        params, graph = self._jat.params, self._jat.graph
        if member is None:
            return params
        params = with_leaves(params, member.leaves(named_leaves(params), graph.head))
        params = graph.expanded(params, member.weights, member.masks)
        return silenced(graph.graph, params, member.masks)


def text_scores(texts: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Return BLEU and chrF of texts, from 0 to 100, as sacrebleu counts them.

    Args:
      texts: what was written.
      references: a text each that should have been.

    Raises:
      InputError: they differ in number, there are none, or sacrebleu is not installed.
    """
    require(
        0 < len(texts) == len(references),
        f"`texts` and `references` must be as many, one or more, got {len(texts)} and "
        f"{len(references)}.",
    )
    try:
        import sacrebleu
    except ImportError:
        raise InputError(
            "BLEU and chrF must be counted by sacrebleu, which is not installed: "
            "pip install 'sosjax[text]'."
        ) from None
    wanted = [list(references)]
    return {
        "BLEU": sacrebleu.corpus_bleu(list(texts), wanted).score,
        "chrF": sacrebleu.corpus_chrf(list(texts), wanted).score,
    }
