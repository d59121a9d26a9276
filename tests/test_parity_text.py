"""BERT, MPNet and LSTM against PyTorch on the same weights, random and real ones."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sosjax.models._bert import BERT
from sosjax.models._checkpoint import read_config
from sosjax.models._lstm import LSTM, LstmOptions
from sosjax.models._mpnet import MPNET, distance_buckets
from sosjax.models._tokenizer import load_tokenizer, require_vocabulary

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
parity = pytest.importorskip("benchmarks.parity")
references = pytest.importorskip("benchmarks.torch_references")


def assert_parity(name, found, wanted):
    compared = parity.Compared(name, "", "PyTorch", found, wanted)
    print(
        f"{name}: largest difference {compared.difference:.1e} of values up to "
        f"{compared.largest:.2g}"
    )
    assert found.shape == wanted.shape and compared.difference <= parity.TOLERANCE


# Random weights.


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_a_tiny_bert_is_that_of_transformers(pooling, activation):
    torch.manual_seed(0)
    config = transformers.BertConfig(
        **parity.TINY, hidden_act=activation, max_position_embeddings=16
    )
    module = transformers.BertModel(config)
    references.moved(module)
    options = replace(BERT.from_huggingface(config.to_dict()), pooling=pooling)
    ids = parity.drawn_texts(50, 0, (16, 9, 3, 1))
    found, mask = parity.hidden_of(module, ids, 0)
    wanted = {
        "mean": parity.mean_of(found, mask),
        "cls": found.last_hidden_state[:, 0].numpy(),
        "pooler": found.pooler_output.numpy(),
    }[pooling]
    # The pooler is read where it is used, and else known not to be needed.
    family = replace(BERT, ignored=()) if pooling == "pooler" else BERT
    ours = parity.outputs(family, options, references.state_of(module), ids)
    assert_parity(f"tiny BERT, {pooling}, {activation}", ours, wanted)


def test_a_bert_below_a_classifier_is_read_from_its_own_names():
    config = transformers.BertConfig(**parity.TINY, max_position_embeddings=16)
    module = transformers.BertForMaskedLM(config)
    ids = parity.drawn_texts(50, 0, (8, 5))
    found, mask = parity.hidden_of(module.bert, ids, 0)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for name, array in references.state_of(module).items()
    }
    options = BERT.from_huggingface(config.to_dict())
    ours = parity.outputs(BERT, options, old, ids)
    assert_parity("tiny BERT of a masked language model", ours, parity.mean_of(found, mask))


@pytest.mark.parametrize("length", [16, 300])
def test_a_tiny_mpnet_is_that_of_transformers(length):
    torch.manual_seed(0)
    config = transformers.MPNetConfig(**parity.TINY, max_position_embeddings=length + 2)
    module = transformers.MPNetModel(config)
    references.moved(module)
    ids = parity.drawn_texts(50, 1, (length, 9, 3, 1))
    found, mask = parity.hidden_of(module, ids, 1)
    ours = parity.outputs(
        MPNET, MPNET.from_huggingface(config.to_dict()), references.state_of(module), ids
    )
    assert_parity(f"tiny MPNet, {length} tokens", ours, parity.mean_of(found, mask))


def test_buckets_of_distances_are_those_of_transformers():
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-2000, 2001)
    # The network in transformers has no other number than 32, whatever its configuration says.
    wanted = MPNetEncoder.relative_position_bucket(torch.tensor(distances), 32)
    np.testing.assert_array_equal(distance_buckets(distances, 32), wanted.numpy())


@pytest.mark.parametrize("layers", [1, 3])
def test_an_lstm_is_that_of_torch(layers):
    torch.manual_seed(0)
    module = references.Regressor(5, 12, layers, 2)
    inputs = np.random.default_rng(0).normal(size=(4, 50, 5)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.tensor(inputs)).numpy()
    options = LstmOptions(channels=5, outputs=2, hidden=12, layers=layers, length=50)
    ours = parity.outputs(LSTM, options, references.state_of(module), inputs)
    assert_parity(f"LSTM of {layers} layers", ours, wanted)


# Real weights.


def folder(name):
    root = os.environ.get("SOSJAX_WEIGHTS", "")
    path = Path(root) / name
    if not root or not path.is_dir():
        pytest.skip(f"the environment's SOSJAX_WEIGHTS names no folder with {name}")
    return path


@pytest.mark.parametrize("name", parity.ENCODERS)
def test_real_sentences_have_the_features_of_transformers(name):
    path = folder(name)
    options = parity.ENCODERS[name][0].from_huggingface(read_config(path))
    tokenizer = load_tokenizer(path)
    require_vocabulary(tokenizer, options.vocabulary, options.pad)
    assert tokenizer.pad == options.pad
    assert tokenizer.encode(parity.SENTENCES, 32).truncated == 0
    found = parity.real_encoder(path)
    assert_parity(name, found.ours, found.theirs)


@pytest.mark.parametrize("name", parity.ENCODERS)
def test_real_tokens_are_those_of_transformers(name):
    path = folder(name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    for length in (4, 12, 64):
        wanted = tokenizer(
            list(parity.SENTENCES), padding="max_length", truncation=True, max_length=length
        )["input_ids"]
        found = load_tokenizer(path).encode(parity.SENTENCES, length)
        assert found.ids.tolist() == wanted
        assert found.truncated == sum(
            len(one) > length for one in tokenizer(list(parity.SENTENCES))["input_ids"]
        )
