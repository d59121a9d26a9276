"""BERT, MPNet and LSTM against PyTorch on the same weights, random and real ones."""

import json
import os
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sosjax.models._bert import BERT
from sosjax.models._checkpoint import read_state
from sosjax.models._fitted import fitted
from sosjax.models._lstm import LSTM, LstmOptions
from sosjax.models._module import functional
from sosjax.models._mpnet import MPNET, distance_buckets
from sosjax.models._tokenizer import load_tokenizer, require_vocabulary

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4
REAL = {"minilm": (BERT, "BertModel"), "mpnet": (MPNET, "MPNetModel")}
TINY = {
    "vocab_size": 50,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "initializer_range": 0.4,  # the usual 0.02 would leave attention the same for all tokens
}
SENTENCES = (
    "A man is playing a guitar on the stage.",
    "The cat sat on the mat.",
    "Stocks fell sharply on Tuesday after the central bank raised interest rates by half a point.",
    "What is the capital of France?",
    "I would not recommend this phone to anyone: the battery died after two days!",
    "She sells sea shells by the sea shore.",
    "Quantum computers may one day break today's public-key cryptography.",
    "The film is a masterpiece, funny and sad at once.",
    "Rain is expected in the north, with snow on higher ground.",
    "He scored twice in the second half, and the home side won 3-1.",
    "Die Sitzung wird um 9 Uhr wieder aufgenommen.",
    "Žluťoučký kůň úpěl ďábelské ódy.",
    "The mitochondrion is the powerhouse of the cell.",
    "Please send the invoice to accounts@example.org before 31 March 2024.",
    "No.",
    "Wheat exports from the Black Sea ports rose to 1.2 million tonnes in June, traders said.",
    "How do I install a package from a local folder with pip?",
    "The orchestra tuned while the audience, still whispering, found its seats in the dark hall.",
    "Neither the plaintiff nor the defendant appeared in court.",
    "It was the best of times, it was the worst of times, it was the age of wisdom.",
)


def state_of(module):
    return {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}


def fill(module, seed):
    """Draw norms and biases too, which a new network has at ones and zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)


def outputs(family, options, state, inputs):
    apply, shapes = functional(lambda: family.build(options, nnx.Rngs(0)))
    return np.asarray(jax.jit(apply)(fitted(family, shapes, state), jnp.asarray(inputs)))


def texts(vocabulary, pad, lengths):
    """Draw texts of these lengths, filled up with padding."""
    rng = np.random.default_rng(0)
    ids = rng.integers(2, vocabulary, (len(lengths), max(lengths)))
    for row, length in enumerate(lengths):
        ids[row, length:] = pad
    return ids.astype(np.int32)


def hidden(module, ids, pad):
    """Return what PyTorch makes of tokens, and which of them are no padding."""
    mask = torch.tensor(ids != pad)
    with torch.no_grad():
        found = module.eval()(input_ids=torch.tensor(ids).long(), attention_mask=mask.long())
    return found, mask


def mean(found, mask):
    """Return the mean over tokens as sentence-transformers takes it."""
    weights = mask[..., None].float()
    return ((found.last_hidden_state * weights).sum(1) / weights.sum(1)).numpy()


def assert_parity(name, found, wanted):
    largest = float(np.abs(found - wanted).max())
    print(f"{name}: largest difference {largest:.1e} of values up to {np.abs(wanted).max():.2g}")
    assert found.shape == wanted.shape and largest <= TOLERANCE


# Random weights.


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_a_tiny_bert_is_that_of_transformers(pooling, activation):
    torch.manual_seed(0)
    config = transformers.BertConfig(**TINY, hidden_act=activation, max_position_embeddings=16)
    module = transformers.BertModel(config)
    fill(module, 0)
    options = replace(BERT.from_huggingface(config.to_dict()), pooling=pooling)
    ids = texts(50, 0, (16, 9, 3, 1))
    found, mask = hidden(module, ids, 0)
    wanted = {
        "mean": mean(found, mask),
        "cls": found.last_hidden_state[:, 0].numpy(),
        "pooler": found.pooler_output.numpy(),
    }[pooling]
    # The pooler is read where it is used, and else known not to be needed.
    family = replace(BERT, ignored=()) if pooling == "pooler" else BERT
    ours = outputs(family, options, state_of(module), ids)
    assert_parity(f"tiny BERT, {pooling}, {activation}", ours, wanted)


def test_a_bert_below_a_classifier_is_read_from_its_own_names():
    config = transformers.BertConfig(**TINY, max_position_embeddings=16)
    module = transformers.BertForMaskedLM(config)
    ids = texts(50, 0, (8, 5))
    found, mask = hidden(module.bert, ids, 0)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): array
        for name, array in state_of(module).items()
    }
    options = BERT.from_huggingface(config.to_dict())
    ours = outputs(BERT, options, old, ids)
    assert_parity("tiny BERT of a masked language model", ours, mean(found, mask))


@pytest.mark.parametrize("length", [16, 300])
def test_a_tiny_mpnet_is_that_of_transformers(length):
    torch.manual_seed(0)
    config = transformers.MPNetConfig(**TINY, max_position_embeddings=length + 2)
    module = transformers.MPNetModel(config)
    fill(module, 0)
    ids = texts(50, 1, (length, 9, 3, 1))
    found, mask = hidden(module, ids, 1)
    ours = outputs(MPNET, MPNET.from_huggingface(config.to_dict()), state_of(module), ids)
    assert_parity(f"tiny MPNet, {length} tokens", ours, mean(found, mask))


def test_buckets_of_distances_are_those_of_transformers():
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = np.arange(-2000, 2001)
    # The network in transformers has no other number than 32, whatever its configuration says.
    wanted = MPNetEncoder.relative_position_bucket(torch.tensor(distances), 32)
    np.testing.assert_array_equal(distance_buckets(distances, 32), wanted.numpy())


class Regressor(torch.nn.Module):
    """A stacked LSTM and a linear layer on its last step."""

    def __init__(self, channels, hidden, layers, outputs):
        super().__init__()
        self.lstm = torch.nn.LSTM(channels, hidden, layers, batch_first=True)
        self.fc = torch.nn.Linear(hidden, outputs)

    def forward(self, series):
        return self.fc(self.lstm(series)[0][:, -1])


@pytest.mark.parametrize("layers", [1, 3])
def test_an_lstm_is_that_of_torch(layers):
    torch.manual_seed(0)
    module = Regressor(5, 12, layers, 2)
    inputs = np.random.default_rng(0).normal(size=(4, 50, 5)).astype(np.float32)
    with torch.no_grad():
        wanted = module(torch.tensor(inputs)).numpy()
    options = LstmOptions(channels=5, outputs=2, hidden=12, layers=layers, length=50)
    ours = outputs(LSTM, options, state_of(module), inputs)
    assert_parity(f"LSTM of {layers} layers", ours, wanted)


# Real weights.


def folder(name):
    root = os.environ.get("SOSJAX_WEIGHTS", "")
    path = Path(root) / name
    if not root or not path.is_dir():
        pytest.skip(f"the environment's SOSJAX_WEIGHTS names no folder with {name}")
    return path


@pytest.mark.parametrize("name", REAL)
def test_real_sentences_have_the_features_of_transformers(name):
    path, (family, theirs) = folder(name), REAL[name]
    options = family.from_huggingface(json.loads((path / "config.json").read_text()))
    tokenizer = load_tokenizer(path)
    require_vocabulary(tokenizer, options.vocabulary, options.pad)
    encoded = tokenizer.encode(SENTENCES, 32)
    assert encoded.truncated == 0
    module = getattr(transformers, theirs).from_pretrained(path)
    found, mask = hidden(module, encoded.ids, tokenizer.pad)
    ours = outputs(family, options, read_state(path), encoded.ids)
    assert_parity(name, ours, mean(found, mask))


@pytest.mark.parametrize("name", REAL)
def test_real_tokens_are_those_of_transformers(name):
    path = folder(name)
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    for length in (4, 12, 64):
        wanted = tokenizer(
            list(SENTENCES), padding="max_length", truncation=True, max_length=length
        )["input_ids"]
        found = load_tokenizer(path).encode(SENTENCES, length)
        assert found.ids.tolist() == wanted
        assert found.truncated == sum(
            len(one) > length for one in tokenizer(list(SENTENCES))["input_ids"]
        )
