"""One battery over networks of many families and module libraries: a new network is a new row."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from agreement import narrowed_outputs
from zoo import Network, attention, convolutional, eqx, haiku, linen, nnx, plain, recurrent

import sosjax

# A third of the time to compile.
# From 0.12 on JAX has no such option any more.
OPTIONS = {} if jax.__version_info__ >= (0, 12) else {"xla_cpu_use_fusion_emitters": False}
compiled = partial(jax.jit, compiler_options=OPTIONS)


@dataclass(frozen=True)
class Row:
    """A network and what an expert would remove from it.

    `groups` are the sizes of the groups in any order, all of them; `blocks` is the number of
    residual branches.
    `slopes` says whether gradients are compared: not where JAX has none or another row is alike.
    """

    name: str
    make: Callable[[], Network]
    groups: tuple[int, ...]
    blocks: int = 0
    slopes: bool = True


def _fused(layout: str, *groups: int, slopes: bool = False) -> Row:
    return Row(f"fused_{layout}", attention.fused(layout), groups, 2, slopes)


TABLE = [
    # Perceptrons and mixtures.
    Row("mlp", plain.mlp, (8, 6)),  # two hidden layers
    Row("transposed_mlp", plain.transposed_mlp, (7,)),  # the hidden layer
    Row("siamese", plain.siamese, (8, 6)),  # two layers, each used twice
    Row("swiglu", plain.swiglu, (8, 9), 2),  # two hidden widths; the trunk is normalised
    Row("fused_glu", plain.fused_glu, (7,)),  # the hidden width, cut from both halves
    Row("experts", plain.experts, (7,)),  # one hidden width for all experts
    Row("routed_experts", plain.routed_experts, (7, 4)),  # hidden width, width of the output
    Row("mixer", plain.mixer, (5, 9), 2),  # hidden widths over places and over channels
    Row("stacked_layers", plain.stacked_layers, (9,)),  # one hidden width in all three layers
    Row("autoencoder", plain.autoencoder, (4,)),  # the code
    Row("messages", plain.messages, (4, 5, 6, 7)),  # messages and nodes of two rounds
    Row("bag_of_words", plain.bag_of_words, (6,)),  # the width of both embeddings
    Row("two_towers", plain.two_towers, (5, 6)),  # embedding of things, the common width
    Row("modulated", plain.modulated, (4, 7)),  # the code, the modulated layer
    # Convolutional networks.
    Row("resnet_basic", convolutional.resnet_basic, (6, 4, 5, 7, 8), 2),  # 6, 8: trunks
    Row("resnet_bottleneck", convolutional.resnet_bottleneck, (8, 3, 4, 5, 6), 2),  # 8: trunk
    # 6, 7: trunks; expanded widths 10, 12 with squeezed widths 3, 4
    Row("mbconv", convolutional.mbconv, (6, 10, 3, 12, 4, 7), 1),
    Row("resnext", convolutional.resnext, (7, 3, 4, 5), 1),  # trunk, groups, each's in and out
    # a shuffle ties the groups: only what every group has before and after it is left
    Row("shuffled", convolutional.shuffled, (2, 4)),
    # stem, transition, bottlenecks 6, 7, 9, growths 3, 4, 2
    Row("densenet", convolutional.densenet, (5, 8, 6, 3, 7, 4, 9, 2)),
    Row("unet", convolutional.unet, (4, 6, 7, 5, 8, 3)),  # 3: channels of shuffled pixels
    Row("resized_unet", convolutional.resized_unet, (4, 6), 2),  # the fine width, the coarse
    Row("convnext", convolutional.convnext, (9, 10), 2),  # hidden widths; the trunk is normalised
    Row("inception", convolutional.inception, (2, 4, 3, 5, 6)),  # 6: behind the flattening
    Row("wavenet", convolutional.wavenet, (5, 6, 7, 4), 1),  # trunk, gated widths, skip
    # Transformers: heads, size of queries and keys, size of values, hidden width.
    Row("bert", attention.bert, (3, 4, 5, 9, 2, 3, 7, 10, 8), 4),  # 8: pooler
    # One reshape for q, k and v: one head size for all.
    _fused("three_heads_size", 2, 4, 9, slopes=True),
    _fused("heads_three_size", 2, 4, 9),
    _fused("heads_size_three", 2, 4, 9),
    _fused("thirds", 2, 4, 4, 9),
    _fused("slices", 2, 4, 5, 9, slopes=True),
    _fused("inner_thirds", 2, 4, 4, 9),
    # keys' heads, queries of each, pairs that are rotated, values, gated width
    Row("grouped_queries", attention.grouped_queries, (2, 3, 4, 5, 9), 2),
    Row("repeated_keys", attention.repeated_keys, (2, 3, 4, 5, 9), 2, slopes=False),
    # keys' heads, queries of each, their size, size of values, hidden width
    Row("library", attention.library, (3, 2, 4, 4, 9), 2),
    # encoder, decoder on itself, decoder on the encoder
    Row("encoder_decoder", attention.encoder_decoder, (2, 3, 4, 7, 3, 4, 5, 8, 2, 5, 3), 5),
    # the same, and the one width of both trunks and of the tied embedding
    Row("unnormalised", attention.unnormalised, (2, 3, 4, 7, 3, 4, 5, 8, 2, 5, 3, 6), 5, False),
    Row("vit", attention.vit, (3, 4, 5, 9), 2),
    Row("performer", attention.performer, (2, 4, 5), 1),
    # one key for three queries; a layer whose weights are used twice is no block
    Row("parallel", attention.parallel, (3, 4, 5, 9, 3, 2, 6, 7), 2),
    Row("decoder", attention.decoder, (7, 2, 3, 4, 3, 2, 5), 2),  # 7: the encoded source
    Row("windows", attention.windows, (2, 4, 4, 8), 1),  # 8: behind the merging of patches
    # Recurrent networks.
    Row("lstm", recurrent.lstm, (6, 5, 7)),  # embedding, the states of two layers
    Row("gru", recurrent.gru, (5, 6)),  # what is read, the state
    Row("state_space", recurrent.state_space, (6, 5), 1),  # channels, states of each
    Row("selective", recurrent.selective, (6, 5), 1),
    # the fixed point, the branches' width
    Row("searched", recurrent.searched, (6, 5), slopes=False),
    # Flax linen.
    Row("linen_encoder", linen.encoder, (3, 4, 4, 9), 2),
    Row("linen_convolutional", linen.convolutional, (4, 5), 1),  # normalised groups, inner width
    Row("linen_stacked", linen.stacked, (9,), slopes=False),
    Row("linen_recurrent", linen.recurrent, (5, 7, 6), slopes=False),
    Row("linen_separable", linen.separable, (6, 7, 5)),  # 4 channels are normalised over
    # Flax nnx.
    Row("nnx_resnet", nnx.resnet, (6, 4, 5), 2, slopes=False),
    Row("nnx_transformer", nnx.transformer, (3, 4, 4, 9), 2),
    Row("nnx_recurrent", nnx.recurrent, (6, 5), slopes=False),
    Row("nnx_low_rank", nnx.low_rank, (2, 4)),  # the rank, normalised groups
    # Equinox.
    Row("eqx_mlp", eqx.mlp, (8, 8), slopes=False),
    Row("eqx_convolutional", eqx.convolutional, (4, 6, 5), 1),  # 4: normalised groups
    Row("eqx_transformer", eqx.transformer, (3, 4, 5, 9), 2),
    Row("eqx_recurrent", eqx.recurrent, (6, 5), slopes=False),
    # Haiku.
    Row("haiku_resnet", haiku.resnet, (6, 5), 1),
    Row("haiku_transformer", haiku.transformer, (3, 4, 5, 9), 2, slopes=False),
    Row("haiku_recurrent", haiku.recurrent, (6, 5), slopes=False),
]
every_network = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)


@cache
def traced(row: Row) -> SimpleNamespace:
    """Return a row's network, its graph, inputs of two examples and its masked function."""
    network = row.make()
    inputs = network.inputs(2)
    graph = sosjax.trace(network.apply, network.params, *inputs)
    return SimpleNamespace(
        apply=network.apply,
        params=network.params,
        draw=network.inputs,
        inputs=inputs,
        graph=graph,
        masked=compiled(graph.masked),
    )


def drawn_masks(graph, kind):
    """Draw masks: about half of units and blocks, one unit of each group, or of no block too."""
    rng = np.random.default_rng(len(graph.groups))
    masks = []
    for size in graph.sizes:
        sure = np.arange(size) == rng.integers(size)
        masks.append(sure | (rng.random(size) < 0.5) if kind == "half" else sure)
    share = {"half": 0.5, "one": 1.0, "bare": 0.0}[kind]
    return [*masks, *(rng.random((len(graph.blocks), 1)) < share)]


@cache
def shrunk(row, kind):
    """Return a shrunk network and the masks it was shrunk by."""
    net = traced(row)
    masks = drawn_masks(net.graph, kind)
    kept = np.array([mask.sum() for mask in masks])
    return SimpleNamespace(network=net.graph.shrink(net.params, masks), masks=masks, kept=kept)


@cache
def shrunk_outputs(row, kind):
    small = shrunk(row, kind).network
    return compiled(small.apply)(small.params, *traced(row).inputs)


def close(one, other, rtol=1e-5):
    """Compare trees of finite arrays, relative to the largest number in them."""
    one, other = ([np.asarray(leaf) for leaf in jax.tree.leaves(tree)] for tree in (one, other))
    scale = max(np.abs(leaf).max(initial=0) for leaf in other) + 1e-6
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * scale)


def same(one, other):
    """Compare trees of arrays bit for bit."""
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def floats(tree):
    """Return the leaves that can be differentiated by, as a function of them needs them."""
    leaves, structure = jax.tree.flatten(tree)
    inexact = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]
    others = [None if is_float else leaf for leaf, is_float in zip(leaves, inexact, strict=True)]

    def whole(given):
        given = iter(given)
        mixed = [next(given) if leaf is None else leaf for leaf in others]
        return jax.tree.unflatten(structure, mixed)

    return [leaf for leaf, is_float in zip(leaves, inexact, strict=True) if is_float], whole


@every_network
def test_groups_and_blocks_are_those_an_expert_names(row):
    graph = traced(row).graph
    read = graph.summary()
    assert sorted(graph.sizes) == sorted(row.groups), read
    assert len(graph.blocks) == row.blocks, read


@every_network
@pytest.mark.parametrize("kind", ["half", "one"])
def test_the_masked_network_is_the_shrunk_one(row, kind):
    net = traced(row)
    masked = net.masked(net.params, shrunk(row, kind).masks, *net.inputs)
    close(shrunk_outputs(row, kind), masked)


@every_network
def test_the_network_that_does_not_compute_what_is_removed_is_the_shrunk_one(row):
    net = traced(row)
    narrow = compiled(partial(narrowed_outputs, net.graph))
    for kind in ("half", "one"):
        found = narrow(net.params, shrunk(row, kind).masks, *net.inputs)
        close(shrunk_outputs(row, kind), found)


@every_network
@pytest.mark.parametrize("kind", ["half", "one", "bare"])
def test_costs_are_those_of_the_shrunk_network(row, kind):
    net, small = traced(row), shrunk(row, kind)
    cost = net.graph.cost(small.kept)
    leaves = [
        leaf
        for leaf in jax.tree.leaves(small.network.params)
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)
    ]
    trainable = [leaf.size for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    assert cost["parameters"] == sum(trainable)
    assert cost["bytes"] == sum(leaf.nbytes for leaf in leaves)
    again = sosjax.trace(small.network.apply, small.network.params, *net.inputs)
    counted = again.cost(np.array([*again.sizes, *(1 for _ in again.blocks)]))
    assert cost["flops"] == counted["flops"]
    dropped = not small.kept[len(net.graph.groups) :].all()
    assert cost["memory"] >= counted["memory"]
    assert dropped or cost["memory"] == counted["memory"]


@every_network
def test_masks_of_ones_give_the_network_bit_for_bit(row):
    """Masks that the compiler does not know change what it fuses, and so at most a last bit."""
    net = traced(row)
    full = net.graph.full()
    known = compiled(lambda params, *inputs: net.graph.masked(params, full, *inputs))
    wanted = compiled(net.apply)(net.params, *net.inputs)
    same(known(net.params, *net.inputs), wanted)
    close(net.masked(net.params, full, *net.inputs), wanted, 1e-6)


def rows_named(*names):
    """Return a parametrisation over some rows only, for what is slow to compile."""
    rows = [row for row in TABLE if row.name in names]
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


@rows_named("mlp", "mbconv", "fused_thirds", "lstm")
def test_masks_of_ones_give_the_network_bit_for_bit_operation_by_operation(row):
    net = traced(row)
    params = jax.tree.map(jnp.asarray, net.params)
    with jax.disable_jit():
        given = net.graph.masked(params, net.graph.full(), *net.inputs)
        same(given, net.apply(params, *net.inputs))


def loss(outputs):
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(outputs))


def masked_slope(net, masks):
    """Return the gradient of a loss of the masked network by its floating parameters."""
    given, whole = floats(net.params)

    @compiled
    @jax.grad
    def slope(given, masks):
        return loss(net.graph.masked(whole(given), masks, *net.inputs))

    return slope(given, masks)


@rows_named(*(row.name for row in TABLE if row.slopes))
def test_gradients_are_those_of_the_network(row):
    net = traced(row)
    given, whole = floats(net.params)
    wanted = compiled(jax.grad(lambda given: loss(net.apply(whole(given), *net.inputs))))(given)
    close(masked_slope(net, [jnp.ones(mask.shape) for mask in net.graph.full()]), wanted, 2e-5)


@rows_named(
    "experts",
    "routed_experts",
    "stacked_layers",
    "mbconv",
    "densenet",
    "fused_slices",
    "grouped_queries",
    "lstm",
    "state_space",
    "linen_convolutional",
)
def test_gradients_are_finite_where_little_is_left(row):
    net = traced(row)
    for slope in masked_slope(net, drawn_masks(net.graph, "one")):
        assert np.isfinite(slope).all()


@every_network
def test_an_exported_shrunk_network_gives_the_same_outputs(row):
    net, small = traced(row), shrunk(row, "half")
    leaves, whole = floats(small.network.params)

    def flat(leaves, *inputs):
        return jax.tree.leaves(small.network.apply(whole(leaves), *inputs))

    written = jax.export.export(jax.jit(flat))(leaves, *net.inputs).serialize()
    outputs = compiled(jax.export.deserialize(written).call)(leaves, *net.inputs)
    close(outputs, jax.tree.leaves(shrunk_outputs(row, "half")), 1e-6)


@every_network
def test_another_batch_size_has_the_same_groups(row):
    net = traced(row)
    inputs = net.draw(3)
    again = sosjax.trace(net.apply, net.params, *inputs)
    assert again.groups == net.graph.groups and again.blocks == net.graph.blocks
    wanted = jax.eval_shape(net.apply, net.params, *inputs)
    assert jax.eval_shape(net.graph.masked, net.params, net.graph.full(), *inputs) == wanted


@every_network
def test_masks_may_be_vmapped(row):
    net = traced(row)
    several = [drawn_masks(net.graph, kind) for kind in ("half", "one")] + [net.graph.full()]
    stacked = [np.stack(masks) for masks in zip(*several, strict=True)]
    mapped = compiled(jax.vmap(lambda masks: net.graph.masked(net.params, masks, *net.inputs)))
    looped = [net.masked(net.params, masks, *net.inputs) for masks in several]
    close(mapped(stacked), jax.tree.map(lambda *rows: jnp.stack(rows), *looped))


@every_network
def test_shapes_are_enough_to_trace(row):
    net = traced(row)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), net.params)
    graph = sosjax.trace(net.apply, shapes, *net.inputs)
    assert graph.groups == net.graph.groups and graph.blocks == net.graph.blocks
    full = np.array([mask.sum() for mask in graph.full()])
    assert graph.cost(full) == net.graph.cost(full)
