"""The translation network: what can be removed from it, and what its ids mean."""

import doctest
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import assert_good, one_survivor, random_masks
from flax import nnx
from translation import LENGTH, OPTIONS, tiny_pairs, tiny_translator

from sosjax._errors import InputError
from sosjax.graph._graph import trace
from sosjax.models import _m2m100
from sosjax.models._m2m100 import M2M100, M2m100, M2m100Options, m2m100_options, sinusoids
from sosjax.models._module import functional


@pytest.fixture(scope="module")
def network():
    return tiny_translator()


# What can be removed.


def kinds(graph):
    """Return sizes of the groups by the leaves that they cut."""
    found = {}
    for group in graph.groups:
        leaves = {leaf.rsplit("/", 1)[0] for leaf, _ in group.places}
        owner = min(leaves).rsplit("/", 1)[0]
        part = sorted(leaf.rsplit("/", 1)[1] for leaf in leaves)
        found[owner, "+".join(part)] = group.size
    return found


def test_heads_their_sizes_and_inner_units_of_every_layer_are_found(network):
    wanted = {}
    sides = {
        "encoder": (OPTIONS.encoder_layers, 2, 10, ["self_attn"]),
        "decoder": (OPTIONS.decoder_layers, 3, 14, ["self_attn", "encoder_attn"]),
    }
    for side, (layers, heads, inner, attentions) in sides.items():
        for layer in range(layers):
            name = f"{side}/layers/{layer}"
            wanted[name, "fc1+fc2"] = inner
            for one in attentions:
                wanted[f"{name}/{one}", "k_proj+out_proj+q_proj+v_proj"] = heads
                wanted[f"{name}/{one}", "k_proj+q_proj"] = OPTIONS.width // heads
                wanted[f"{name}/{one}", "out_proj+v_proj"] = OPTIONS.width // heads
    assert kinds(network.graph) == wanted


def test_every_branch_is_a_block(network):
    leaves = [
        {leaf.split("/")[3] for leaf in block.leaves if "norm" not in leaf}
        for block in network.graph.blocks
    ]
    feed = {"fc1", "fc2"}
    encoder = [{"self_attn"}, feed] * OPTIONS.encoder_layers
    assert leaves == encoder + [{"self_attn"}, {"encoder_attn"}, feed] * OPTIONS.decoder_layers


def test_the_width_and_the_tied_embedding_stay_and_say_why(network):
    pinned = network.graph.pinned
    assert pinned["shared/embedding", 0].startswith("it is indexed by `gather`")
    assert "reduce_sum" in pinned["shared/embedding", 1]
    assert not [reason for reason in pinned.values() if "no rule" in reason]
    cut = {place for group in network.graph.groups for place in group.places}
    assert not cut & set(pinned)


def test_masked_is_shrunk(network):
    graph = trace(network.apply, network.shapes, tiny_pairs())
    choices = [random_masks(graph, 0), one_survivor(graph, 1)]
    assert_good(graph, network.params, (tiny_pairs(),), memory=False, choices=choices)


def test_groups_do_not_depend_on_the_number_of_tokens(network):
    example = jax.ShapeDtypeStruct((3, 2, 5), jnp.int32)
    other = trace(network.apply, network.shapes, example)
    assert [(group.name, group.size) for group in other.groups] == [
        (group.name, group.size) for group in network.graph.groups
    ]


# What ids mean.


def test_later_tokens_and_padding_change_nothing_before(network):
    ids = np.asarray(tiny_pairs())
    whole = network.logits(network.params, tiny_pairs())
    changed = ids.copy()
    changed[:, 1, 3:] = 5
    np.testing.assert_allclose(
        network.logits(network.params, jnp.asarray(changed))[:, :3], whole[:, :3]
    )
    padded = np.pad(ids, ((0, 0), (0, 0), (0, 3)), constant_values=OPTIONS.pad)
    longer = network.logits(network.params, jnp.asarray(padded))[:, :LENGTH]
    there = ids[:, 1] != OPTIONS.pad
    np.testing.assert_allclose(longer[there], whole[there], atol=1e-4)


def test_positions_count_only_what_is_not_padding(network):
    ids = np.asarray(tiny_pairs())[:1]
    shifted = np.full((1, 2, LENGTH + 3), OPTIONS.pad, np.int32)
    shifted[:, 0, 3:], shifted[:, 1, :LENGTH] = ids[:, 0], ids[:, 1]
    moved = network.logits(network.params, jnp.asarray(shifted))[:, :LENGTH]
    np.testing.assert_allclose(moved, network.logits(network.params, tiny_pairs()[:1]), atol=1e-4)


def test_a_row_of_padding_is_finite(network):
    ids = jnp.full((1, 2, LENGTH), OPTIONS.pad)
    assert np.isfinite(network.logits(network.params, ids)).all()


def test_steps_with_a_cache_are_the_whole_network(network):
    ids = tiny_pairs()
    whole = network.logits(network.params, ids)
    begin = jax.jit(lambda params, source: network.apply(params, source, LENGTH, method="begin"))
    step = jax.jit(lambda *inputs: network.apply(*inputs, method="step"))
    cache = begin(network.params, ids[:, 0])
    for place in range(LENGTH):
        logits, cache = step(network.params, cache, ids[:, 1, place], jnp.int32(place))
        there = np.asarray(ids[:, 1, place] != OPTIONS.pad)
        np.testing.assert_allclose(logits[there], whole[there, place], atol=1e-4)


def test_positions_are_sines_and_cosines_with_a_zero_row_for_padding():
    table = sinusoids(6, 7, 1)
    assert table.dtype == np.float32 and (table[1] == 0).all() and (table[:, 6] == 0).all()
    np.testing.assert_allclose(table[3, 0], np.sin(3.0), rtol=1e-6)
    np.testing.assert_allclose(table[3, 2], np.sin(3e-4), rtol=1e-5)
    np.testing.assert_allclose(table[3, 3], np.cos(3.0), rtol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "silu"])
def test_other_activations_give_other_logits(activation, network):
    options = M2m100Options(**(OPTIONS.__dict__ | {"activation": activation}))
    apply, _ = functional(lambda: M2m100(options, nnx.Rngs(0)))
    ids = tiny_pairs()
    other = jax.jit(apply)(network.params, ids)
    assert np.abs(other - network.logits(network.params, ids)).max() > 1e-3


# Options and names.


def test_the_family_builds_what_its_example_says():
    options = M2m100Options(
        vocabulary=9, width=4, encoder_layers=1, decoder_layers=1, encoder_heads=1,
        decoder_heads=2, encoder_inner=3, decoder_inner=2, length=4,
    )  # fmt: skip
    apply, shapes = functional(lambda: M2M100.build(options, nnx.Rngs(0)))
    example = M2M100.example(options)
    assert example.shape == (2, 4) and example.dtype == jnp.int32
    logits = jax.eval_shape(apply, shapes, jax.ShapeDtypeStruct((3, 2, 4), jnp.int32))
    assert logits.shape == (3, 4, 9) and logits.dtype == jnp.float32
    assert M2M100.head is None


SIZES = {
    "model_type": "m2m_100",
    "vocab_size": 50,
    "d_model": 16,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 24,
}


def test_options_are_read_from_a_config():
    config = SIZES | {
        "max_position_embeddings": 64,
        "pad_token_id": 1,
        "decoder_start_token_id": 2,
        "eos_token_id": 2,
        "activation_function": "gelu",
        "scale_embedding": False,
    }
    assert m2m100_options(config) == M2m100Options(
        50, 16, 3, 2, 4, 2, 20, 24, length=64, positions=64, activation="gelu", scaled=False
    )
    assert m2m100_options(SIZES) == M2m100Options(50, 16, 3, 2, 4, 2, 20, 24)


def test_foreign_names_become_ours_or_are_known():
    def ours(name):
        for pattern, replacement in M2M100.renames:
            name = re.sub(pattern, replacement, name)
        return name

    name = "model.decoder.layers.0.encoder_attn.q_proj.weight"
    assert ours(name) == "decoder.layers.0.encoder_attn.q_proj.weight"
    known = ["lm_head.weight", "model.encoder.embed_tokens.weight"]
    known += ["model.decoder.embed_positions.weights"]
    for name in known:
        assert any(re.search(pattern, name) for pattern in M2M100.ignored)
    needed = ["model.shared.weight", "model.encoder.layers.0.fc1.bias"]
    assert not [name for name in needed if any(re.search(p, name) for p in M2M100.ignored)]


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("vocabulary", 1, "`model.vocabulary` must be a whole number at least 2, got 1."),
        ("width", 18, "`model.width` must be a multiple of the heads, got 18 for 16."),
        ("encoder_layers", 0, "`model.encoder_layers` must be a whole number at least 1, got 0."),
        ("decoder_heads", 0, "`model.decoder_heads` must be a whole number at least 1, got 0."),
        ("decoder_inner", -1, "`model.decoder_inner` must be a whole number at least 1, got -1."),
        ("pad", -1, "`model.pad` must be a whole number from 0 to 128111, got -1."),
        ("length", 1025, "`model.length` must be a whole number from 1 to 1024, got 1025."),
        ("positions", 0, "`model.positions` must be a whole number at least 1, got 0."),
        ("end", 128112, "`model.end` must be a whole number from 0 to 128111, got 128112."),
        (
            "activation",
            "rely",
            "`model.activation` must be one of relu, gelu, gelu_new, silu, got 'rely' "
            "(did you mean 'relu'?).",
        ),
    ],
)
def test_bad_options_are_refused(option, value, sentence):
    with pytest.raises(InputError) as caught:
        M2m100Options(**{option: value})
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"tie_word_embeddings": False},
            "`config.json` must have `tie_word_embeddings` true for M2M100, got false.",
        ),
        (
            {"max_position_embeddings": None},
            "`max_position_embeddings` of `config.json` must be such as 1024, got null.",
        ),
        (
            {"eos_token_id": [2, 3]},
            "`eos_token_id` of `config.json` must be such as 2, got [2, 3].",
        ),
    ],
)
def test_bad_configs_are_refused(config, sentence):
    with pytest.raises(InputError) as caught:
        m2m100_options(SIZES | config)
    assert str(caught.value) == sentence


def test_a_config_without_sizes_is_refused():
    with pytest.raises(InputError) as caught:
        m2m100_options({"vocab_size": 50, "decoder_layers": 2})
    assert str(caught.value) == (
        "`config.json` must hold the sizes of the network, got none for d_model, encoder_layers, "
        "encoder_attention_heads, decoder_attention_heads, encoder_ffn_dim, decoder_ffn_dim."
    )


def test_examples_run():
    assert doctest.testmod(_m2m100).failed == 0
