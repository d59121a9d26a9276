"""The translation network, its decoding and its tokens against transformers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from pieces import language_folder, texts

from sosjax.models._decoding import Decoding, beam, cached_steps, greedy, whole_steps
from sosjax.models._fitted import fitted
from sosjax.models._m2m100 import M2M100
from sosjax.models._module import functional
from sosjax.models._sentencepiece import LANGUAGES, load_language_tokenizer

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
parity = pytest.importorskip("benchmarks.parity")
references = pytest.importorskip("benchmarks.torch_references")

CONFIGS = {
    "relu": {"activation_function": "relu"},
    "gelu": {"activation_function": "gelu", "scale_embedding": False, "encoder_layers": 1},
    "uneven": {"encoder_attention_heads": 4, "decoder_layers": 1, "decoder_ffn_dim": 13},
    "odd pad": {"activation_function": "gelu_new", "pad_token_id": 4},
    "silu": {"activation_function": "silu", "d_model": 12, "decoder_attention_heads": 3},
}


def made(seed=0, ending=0.0, **changes):
    """Return a tiny PyTorch network of random weights, and ours of the same."""
    theirs = references.translator(seed, ending, **changes)
    options = M2M100.from_huggingface(theirs.config.to_dict())
    apply, shapes = functional(lambda: M2M100.build(replace(options, length=7), nnx.Rngs(0)))
    return theirs, apply, fitted(M2M100, shapes, references.state_of(theirs)), options


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_are_those_of_transformers(name):
    theirs, apply, params, options = made(**CONFIGS[name])
    ids = parity.drawn_pairs(options)
    wanted = parity.token_logits_of(theirs, ids, options.pad)
    found = np.asarray(jax.jit(apply)(params, jnp.asarray(ids, jnp.int32)))
    difference = np.abs(found - wanted).max()
    print(f"M2M100 {name}: logits differ by {difference:.1e} of {np.abs(wanted).max():.1f}")
    assert found.dtype == np.float32 and difference < 1e-4


def test_many_positions_are_those_of_transformers():
    theirs, apply, params, options = made(max_position_embeddings=400)
    ids = parity.drawn_pairs(options, rows=1, width=300)
    wanted = parity.token_logits_of(theirs, ids, options.pad)
    found = np.asarray(jax.jit(apply)(params, jnp.asarray(ids, jnp.int32)))
    print(f"M2M100 300 tokens: logits differ by {np.abs(found - wanted).max():.1e}")
    assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "changes",
    [
        {"beams": 1},
        {"beams": 4},
        {"beams": 4, "penalty": 2.0},
        {"beams": 3, "penalty": 0.0, "early": False},
        {"beams": 5, "penalty": 0.6, "early": False, "length": 6},
    ],
    ids=str,
)
def test_texts_are_those_of_transformers(seed, changes):
    theirs, apply, params, options = made(seed, ending=1.0)
    decoding = Decoding(**({"length": 14, "start": options.start, "end": 2, "pad": 1} | changes))
    ids = parity.drawn_pairs(options, rows=6, seed=seed)[:, 0]
    with torch.no_grad():
        wanted = theirs.generate(
            torch.tensor(ids),
            attention_mask=torch.tensor(ids != options.pad),
            max_length=decoding.length,
            num_beams=decoding.beams,
            length_penalty=decoding.penalty,
            early_stopping=decoding.early,
            forced_bos_token_id=9,
            suppress_tokens=[options.pad],
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        )
    first = jnp.full(len(ids), 9)
    sequences = np.full((len(ids), decoding.length), options.pad)
    sequences[:, : wanted.sequences.shape[1]] = wanted.sequences
    for steps in (cached_steps(apply), whole_steps(apply)):
        if decoding.beams == 1:
            found = greedy(steps, params, jnp.asarray(ids), decoding, first)
        else:
            found, scores = beam(steps, params, jnp.asarray(ids), decoding, first)
            np.testing.assert_allclose(scores, wanted.sequences_scores, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found, sequences)
    print(f"texts of {(sequences != options.pad).sum(1).tolist()} tokens")


def test_tokens_are_those_of_transformers(tmp_path):
    folder = language_folder(tmp_path, LANGUAGES)
    theirs = transformers.M2M100Tokenizer.from_pretrained(folder, src_lang="cs", tgt_lang="en")
    ours = load_language_tokenizer(folder)
    assert [theirs.get_lang_id(code) for code in LANGUAGES] == list(ours.languages.values())
    assert list(ours.languages) == list(LANGUAGES)
    some = [*texts()[:20], "Žluťoučký kůň", "x ~ 字"]
    found = ours.source(some, "cs", 64)
    for row, text in zip(found.ids, some, strict=True):
        wanted = theirs(text).input_ids
        assert row[: len(wanted)].tolist() == wanted and (row[len(wanted) :] == ours.pad).all()
    cut = ours.source(some, "cs", 9)
    wanted = theirs(some, max_length=9, truncation=True, padding="max_length").input_ids
    np.testing.assert_array_equal(cut.ids, wanted)
    labels = ours.target(some, "en", 64).labels
    for row, text in zip(labels, some, strict=True):
        wanted = theirs(text_target=text).input_ids
        assert row[: len(wanted)].tolist() == wanted
    decoded = theirs.batch_decode(found.ids, skip_special_tokens=True)
    assert ours.decode(found.ids) == decoded
