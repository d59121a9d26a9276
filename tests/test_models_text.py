"""BERT, MPNet and LSTM: what can be removed, and what must not change what they say."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from agreement import assert_good
from conftest import random_params
from flax import nnx

from sosjax._errors import InputError
from sosjax._tree import named_leaves, with_leaves
from sosjax.graph._graph import trace
from sosjax.models._bert import BERT, BertOptions
from sosjax.models._lstm import LSTM, LstmOptions
from sosjax.models._module import functional, params_of
from sosjax.models._mpnet import MPNET, MpnetOptions, distance_buckets

BERT_TINY = BertOptions(20, 12, 2, 3, 10, positions=9, length=6)
MPNET_TINY = MpnetOptions(20, 12, 2, 3, 10, positions=11, buckets=8, length=6)
LSTM_TINY = LstmOptions(3, 2, 5, 2, length=6, mean=(0.0, 1.0, 2.0), deviation=(1.0, 2.0, 3.0))
ENCODERS = {
    "bert": (BERT, BERT_TINY),
    "bert_cls_relu": (BERT, replace(BERT_TINY, pooling="cls", activation="relu")),
    "bert_pooler_tanh": (BERT, replace(BERT_TINY, pooling="pooler", activation="gelu_new")),
    "mpnet": (MPNET, MPNET_TINY),
    "mpnet_cls": (MPNET, replace(MPNET_TINY, pooling="cls")),
}
NETWORKS = ENCODERS | {"lstm": (LSTM, LSTM_TINY)}
each = pytest.mark.parametrize("name", NETWORKS)
each_encoder = pytest.mark.parametrize("name", ENCODERS)


@cache
def network(name):
    """Return family, options, function, random parameters and what can be removed."""
    family, options = NETWORKS[name]
    apply, shapes = functional(lambda: family.build(options, nnx.Rngs(0)))
    graph = trace(apply, shapes, drawn(options))
    return family, options, jax.jit(apply), random_params(shapes), graph


def drawn(options, batch=2, length=None):
    """Return random inputs; texts of different lengths, filled up with padding."""
    rng = np.random.default_rng(1)
    length = length or options.length
    if isinstance(options, LstmOptions):
        return jnp.asarray(rng.normal(size=(batch, length, options.channels)), jnp.float32)
    ids = rng.integers(2, options.vocabulary, (batch, length))
    for row in range(batch):
        ids[row, max(1, length - 2 * row) :] = options.pad
    return jnp.asarray(ids, jnp.int32)


# What can be removed.


def encoder_groups(layers):
    one = {"attention/key.0": 3, "attention/key.1": 4, "attention": 4, "intermediate": 10}
    return {f"encoder/layer/{layer}/{name}": size for layer in layers for name, size in one.items()}


@each_encoder
def test_each_layer_of_an_encoder_has_heads_their_sizes_and_units_of_its_own(name):
    *_, graph = network(name)
    assert {group.name: group.size for group in graph.groups} == encoder_groups(range(2))
    (heads,) = (one for one in graph.groups if one.name == "encoder/layer/1/attention/key.0")
    assert {place for place in heads.places if place[0].endswith("kernel")} == {
        *((f"encoder/layer/1/attention/{side}/kernel", 1) for side in ("query", "key", "value")),
        ("encoder/layer/1/attention/output/kernel", 0),
    }


@each_encoder
def test_attention_and_feed_forward_of_an_encoder_are_blocks(name):
    *_, graph = network(name)
    assert [block.name for block in graph.blocks] == [
        f"encoder/layer/{layer}{part}" for layer in range(2) for part in ("/attention", "")
    ]


def test_hidden_units_of_each_layer_of_an_lstm_are_a_group():
    *_, graph = network("lstm")
    assert [(group.name, group.size) for group in graph.groups] == [
        ("lstm/0/input", 5),
        ("lstm/1/input", 5),
    ]
    first, last = (set(group.places) for group in graph.groups)
    assert first >= {("lstm/0/input/kernel", 1), ("lstm/0/recurrent/kernel", 0)}
    assert ("lstm/1/input/kernel", 0) in first and ("head/kernel", 0) in last


@each
def test_nothing_is_pinned_for_want_of_a_rule(name):
    *_, graph = network(name)
    assert not [reason for reason in graph.pinned.values() if "no rule" in reason]
    wide = ("query", "intermediate", "value", "recurrent")
    kernels = [(leaf, axis) for leaf, axis in graph.pinned if leaf.endswith("kernel")]
    assert not [leaf for leaf, axis in kernels if axis == 1 and leaf.split("/")[-2] in wide]


@each
def test_a_masked_network_is_the_smaller_one(name):
    _, options, _, params, graph = network(name)
    assert_good(graph, params, (drawn(options),))


# What it says.


@each
def test_outputs_have_a_row_for_each_input(name):
    family, options, apply, params, _ = network(name)
    row = family.example(options)
    inputs = drawn(options, 3)
    assert (inputs.shape[1:], inputs.dtype) == (row.shape, row.dtype)
    found = jax.eval_shape(apply, params, inputs)
    wide = 2 if name == "lstm" else 12
    assert (found.shape, found.dtype) == ((3, wide), jnp.float32)


@each
def test_a_module_says_what_its_function_says(name):
    family, options, apply, *_ = network(name)
    module = family.build(options, nnx.Rngs(1))
    inputs = drawn(options)
    np.testing.assert_allclose(apply(params_of(module), inputs), module(inputs), atol=1e-5)


@each_encoder
def test_padding_does_not_change_features(name):
    _, options, apply, params, _ = network(name)
    short = drawn(options)
    longer = jnp.pad(short, ((0, 0), (0, 3)), constant_values=options.pad)
    np.testing.assert_allclose(apply(params, longer), apply(params, short), rtol=1e-5, atol=1e-5)


@each
def test_rows_do_not_see_each_other(name):
    _, options, apply, params, _ = network(name)
    inputs = drawn(options)
    other = inputs.at[1].set(inputs[0])
    np.testing.assert_array_equal(apply(params, inputs)[0], apply(params, other)[0])


@each_encoder
def test_nothing_but_padding_gives_finite_features(name):
    _, options, apply, params, _ = network(name)
    assert jnp.isfinite(apply(params, jnp.full((2, 6), options.pad, jnp.int32))).all()


@pytest.mark.parametrize(("name", "same"), [("bert", False), ("bert_cls_relu", True)])
def test_tokens_that_are_not_attended_to_count_only_in_the_mean(name, same):
    _, options, apply, params, _ = network(name)
    leaves = named_leaves(params)
    # With no values to mix, each token is told by its own row alone.
    silent = {path: 0 * leaf for path, leaf in leaves.items() if "/value/" in path}
    params = with_leaves(params, leaves | silent)
    ids = drawn(options)
    other = ids.at[0, 1].set(2 + (ids[0, 1] - 1) % 18)
    assert np.allclose(apply(params, ids), apply(params, other), atol=1e-5) == same


def test_distances_have_a_bucket_each_when_near_and_share_it_when_far():
    found = distance_buckets(np.array([0, -1, -7, -8, -127, -128, -999, 1, 7, 8, 128]), 32)
    assert found.tolist() == [0, 1, 7, 8, 15, 15, 15, 17, 23, 24, 31]
    assert found.dtype == np.int32


def test_an_lstm_normalises_its_inputs():
    _, options, apply, params, _ = network("lstm")
    plain = replace(options, mean=(), deviation=())
    bare = jax.jit(functional(lambda: LSTM.build(plain, nnx.Rngs(0)))[0])
    inputs = drawn(options)
    scaled = (inputs - jnp.array(options.mean)) / jnp.array(options.deviation)
    np.testing.assert_allclose(apply(params, inputs), bare(params, scaled), atol=1e-6)


def test_an_lstm_learns():
    """The last number of a series must be found again."""
    module = LSTM.build(LstmOptions(1, 1, hidden=6, layers=2, length=4), nnx.Rngs(0))
    module.train()
    inputs = jax.random.normal(jax.random.key(0), (32, 4, 1))
    optimizer = nnx.Optimizer(module, optax.adam(3e-2), wrt=nnx.Param)

    def loss(module):
        return ((module(inputs) - inputs[:, -1]) ** 2).mean()

    @nnx.jit
    def step(module, optimizer):
        value, slopes = nnx.value_and_grad(loss)(module)
        optimizer.update(module, slopes)
        return value

    losses = [float(step(module, optimizer)) for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]


# What is refused.


@each_encoder
def test_a_text_longer_than_the_positions_is_refused(name):
    family, options, apply, params, _ = network(name)
    longest = options.positions - (2 if family is MPNET else 0)
    with pytest.raises(InputError, match=f"at most {longest} tokens a text, .*got {longest + 1}"):
        apply(params, drawn(options, length=longest + 1))


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        (BERT_TINY, {"heads": 5}, "`model.heads` must divide `model.hidden` (12), got 5."),
        (BERT_TINY, {"layers": 0}, "`model.layers` must be a whole number at least 1, got 0."),
        (BERT_TINY, {"vocabulary": 0}, "`model.vocabulary` must be a whole number"),
        (BERT_TINY, {"epsilon": -1.0}, "`model.epsilon` must be a number from 0 to 1, got -1.0."),
        (BERT_TINY, {"activation": "swish"}, "`model.activation` must be one of gelu, gelu_new,"),
        (BERT_TINY, {"pooling": "max"}, "`model.pooling` must be one of mean, cls, pooler, got"),
        (BERT_TINY, {"pad": 20}, "`model.pad` must be a whole number from 0 to 19, got 20."),
        (BERT_TINY, {"types": 0}, "`model.types` must be a whole number at least 1, got 0."),
        (BERT_TINY, {"length": 10}, "`model.length` must be a whole number from 1 to 9, got 10."),
        (MPNET_TINY, {"length": 10}, "`model.length` must be a whole number from 1 to 9, got 10."),
        (MPNET_TINY, {"pooling": "pooler"}, "`model.pooling` must be one of mean, cls, got"),
        (MPNET_TINY, {"buckets": 6}, "`model.buckets` must be a multiple of 4, got 6."),
        (MPNET_TINY, {"positions": 2}, "`model.positions` must be a whole number at least 3"),
        (MPNET_TINY, {"pad": 0}, "`model.pad` must be 1, which MPNet counts positions from, got"),
        (LSTM_TINY, {"hidden": 0}, "`model.hidden` must be a whole number at least 1, got 0."),
        (LSTM_TINY, {"mean": (1.0,)}, "`model.mean` must hold a number for each of 3 channels or"),
        (LSTM_TINY, {"mean": (1.0, 2.0, np.nan)}, "`model.mean` must be a number"),
        (LSTM_TINY, {"deviation": (1.0, 0.0, 1.0)}, "`model.deviation` must hold numbers above 0"),
    ],
)
def test_impossible_options_are_refused(options, changes, message):
    with pytest.raises(InputError) as caught:
        replace(options, **changes)
    assert str(caught.value).startswith(message)


CONFIG = {
    "vocab_size": 20,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 10,
}


def test_options_are_read_from_a_configuration():
    more = {"max_position_embeddings": 9, "hidden_act": "relu", "layer_norm_eps": 1e-6}
    found = BERT.from_huggingface(CONFIG | more | {"pad_token_id": None, "type_vocab_size": 1})
    assert found == BertOptions(
        20, 12, 2, 3, 10, positions=9, types=1, epsilon=1e-6, activation="relu", length=9
    )
    found = BERT.from_huggingface(CONFIG | {"architectures": ["BertForSequenceClassification"]})
    assert (found.pooling, found.length, found.positions) == ("pooler", 128, 512)
    found = MPNET.from_huggingface(CONFIG | more)
    assert found == MpnetOptions(
        20, 12, 2, 3, 10, positions=9, epsilon=1e-6, activation="relu", length=7
    )


@pytest.mark.parametrize(
    ("family", "config", "message"),
    [
        (BERT, {"vocab_size": None}, "must hold the sizes of the network, got none for vocab_size"),
        (MPNET, {"hidden_size": None}, "got none for hidden_size."),
        (BERT, {"is_decoder": True}, "must describe a BERT encoder with absolute positions, got"),
        (BERT, {"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_k"),
        (BERT, {"hidden_act": "silu"}, "`model.activation` must be one of gelu"),
        (MPNET, {"pad_token_id": 0}, "`model.pad` must be 1"),
        (
            MPNET,
            {"relative_attention_num_buckets": 8},
            "num_buckets of 32, which transformers",
        ),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(family, config, message):
    with pytest.raises(InputError) as caught:
        family.from_huggingface(CONFIG | config)
    assert message in str(caught.value)
