"""A tiny sentencepiece model, trained on the spot, in a folder as M2M100 has it."""

import json
import re
from pathlib import Path

import sosjax

ROOT = Path(sosjax.__file__).parent


def texts():
    """Return sentences from the documentation of the package: a few hundred lines of English."""
    lines = []
    for path in sorted((ROOT / "graph").glob("*.py")):
        lines += [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if re.fullmatch(r"[A-Za-z ,.:;`()]{30,}", line)]


def language_folder(folder, languages=None):
    """Write `sentencepiece.bpe.model` and `vocab.json`, and the languages if they are given."""
    import sentencepiece

    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(texts()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(folder / "sentencepiece.bpe"),
        model_type="bpe",
        vocab_size=120,
        character_coverage=1.0,
        minloglevel=3,
    )
    processor = sentencepiece.SentencePieceProcessor(
        model_file=str(folder / "sentencepiece.bpe.model")
    )
    pieces = [processor.id_to_piece(number) for number in range(3, processor.get_piece_size())]
    names = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    (folder / "vocab.json").write_text(json.dumps({name: at for at, name in enumerate(names)}))
    if languages is not None:
        tokens = {"additional_special_tokens": [f"__{code}__" for code in languages]}
        (folder / "special_tokens_map.json").write_text(json.dumps(tokens))
    return folder
