"""The networks for images: their structure, their cuts, their training and their options."""

import json
from dataclasses import asdict
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from agreement import assert_good, examples
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from sosjax._tree import named_leaves, with_leaves
from sosjax.graph._graph import trace
from sosjax.graph._normalisation import found_statistics
from sosjax.graph._trace import trace_program
from sosjax.models._efficientnet import EFFICIENTNET, _rounded
from sosjax.models._fitted import _ours, _renamed
from sosjax.models._module import functional, params_of
from sosjax.models._resnet import RESNET
from sosjax.models._vit import VIT

BASIC = {"widths": (4, 6), "depths": (2, 1), "classes": 3, "input_shape": (16, 16, 3)}
PLAIN = BASIC | {"stem": "small", "input_shape": (7, 6, 1), "mean": 0.3, "deviation": 0.4}
BOTTLENECK = BASIC | {"depths": (2, 1), "block": "bottleneck", "stem": "strided", "padding": "same"}
LITE = {"width": 0.25, "depth": 0.3, "classes": 3, "input_shape": (32, 32, 3)}
TOKENS = {
    "hidden": 8,
    "layers": 1,
    "heads": 2,
    "intermediate": 12,
    "patch": 4,
    "classes": 3,
    "input_shape": (8, 12, 3),
}
NETWORKS = {
    "basic": (RESNET, BASIC),
    "small": (RESNET, PLAIN),
    "bottleneck": (RESNET, BOTTLENECK),
    "efficientnet": (EFFICIENTNET, LITE),
    "vit": (VIT, TOKENS),
    "fused": (VIT, TOKENS | {"fused": True, "bias": False, "activation": "relu"}),
    "encoder": (VIT, TOKENS | {"classes": 0}),
}
each_network = pytest.mark.parametrize("name", NETWORKS)


@cache
def made(name):
    """Return the function, the shapes and one example of a network."""
    family, options = NETWORKS[name]
    options = family.options(**options)
    row = family.example(options)
    return *functional(lambda: family.build(options, nnx.Rngs(0))), row


def drawn(shapes):
    """Draw parameters that keep numbers of size one through all layers."""
    rng, leaves = np.random.default_rng(0), {}
    for path, leaf in named_leaves(shapes).items():
        near_one = path.endswith(("scale", "var"))
        draw = rng.uniform(0.5, 1.5, leaf.shape) if near_one else rng.normal(size=leaf.shape)
        inputs = np.prod(leaf.shape[:-1]) if path.endswith("kernel") else 1
        leaves[path] = jnp.asarray(draw / np.sqrt(inputs), leaf.dtype)
    return with_leaves(shapes, leaves)


@cache
def traced(name):
    apply, shapes, row = made(name)
    return trace(apply, shapes, jax.ShapeDtypeStruct((1, *row.shape), row.dtype))


def images(row, number=2):
    return jnp.asarray(np.random.default_rng(1).random((number, *row.shape)), row.dtype)


# What can be removed.

GROUPS = {
    "basic": {
        "stages/0/0/conv1": 4,
        "stages/0/0/conv2": 4,
        "stages/0/1/conv1": 4,
        "stages/1/0/conv1": 6,
        "stages/1/0/conv2": 6,
    },
    "bottleneck": {
        "stem": 4,
        "stages/0/0/conv1": 4,
        "stages/0/0/conv2": 4,
        "stages/0/0/conv3": 16,
        "stages/0/1/conv1": 4,
        "stages/0/1/conv2": 4,
        "stages/1/0/conv1": 6,
        "stages/1/0/conv2": 6,
        "stages/1/0/conv3": 24,
    },
    "efficientnet": {
        "blocks/0/depthwise": 32,
        "blocks/0/project": 8,
        "blocks/1/depthwise": 48,
        "blocks/1/project": 8,
        "blocks/2/depthwise": 48,
        "blocks/2/project": 16,
        "blocks/3/depthwise": 96,
        "blocks/3/project": 24,
        "blocks/4/depthwise": 144,
        "blocks/4/project": 32,
        "blocks/5/depthwise": 192,
        "blocks/5/project": 48,
        "blocks/6/depthwise": 288,
        "blocks/7/depthwise": 288,
        "blocks/7/project": 80,
        "features": 1280,
    },
    "vit": {
        "layers/0/attention/key.0": 2,
        "layers/0/attention/key.1": 4,
        "layers/0/attention": 4,
        "layers/0/mlp/fc1": 12,
    },
    "fused": {
        "layers/0/attention/qkv.0": 2,
        "layers/0/attention/qkv.1": 4,
        "layers/0/attention/qkv.2": 4,
        "layers/0/mlp/fc1": 12,
    },
}
BLOCKS = {
    "basic": ("stages/0/0", "stages/0/1"),
    "bottleneck": ("stages/0/1",),
    "efficientnet": ("blocks/6",),
    "vit": ("layers/0/attention", "layers/0/mlp"),
    "fused": ("layers/0/attention", "layers/0/mlp"),
}
REASONS = (
    "it is a spatial axis",
    "it is an axis of the inputs",
    "it is an axis of the outputs",
    "its units are mixed by `reduce_sum`",  # the LayerNorms of a transformer
    "it has size one",
)


@pytest.mark.parametrize("name", GROUPS)
def test_groups_and_blocks_are_those_of_the_architecture(name):
    graph = traced(name)
    assert {group.name: group.size for group in graph.groups} == GROUPS[name]
    assert {block.name for block in graph.blocks} == set(BLOCKS[name])


def test_one_group_of_a_stem_and_its_stage_spans_all_that_is_added_up():
    places = {group.name: set(group.places) for group in traced("basic").groups}
    trunk = places["stages/0/0/conv2"]
    assert {("stem/kernel", 3), ("stages/0/1/conv2/kernel", 3)} <= trunk
    assert {("stages/1/0/conv1/kernel", 2), ("stages/1/0/project/kernel", 2)} <= trunk


@each_network
def test_nothing_is_kept_whole_without_a_good_reason(name):
    for place, reason in traced(name).pinned.items():
        assert reason.startswith(REASONS), (place, reason)
        mixed = reason.startswith(REASONS[3])
        assert not mixed or NETWORKS[name][0] is VIT


@each_network
def test_masked_networks_are_the_shrunk_ones(name):
    apply, shapes, row = made(name)
    params = drawn(shapes)
    inputs = images(row)
    assert_good(trace(apply, shapes, inputs), params, (inputs,))


@pytest.mark.parametrize("name", ["basic", "vit", "encoder"])
def test_outputs_have_a_row_for_each_image_whatever_the_others_are(name):
    apply, shapes, row = made(name)
    params, inputs = drawn(shapes), images(row)
    outputs, swapped = jax.jit(apply)(params, inputs), jax.jit(apply)(params, inputs[::-1])
    assert outputs.shape == (2, NETWORKS[name][1]["classes"] or 8)
    assert outputs.dtype == jnp.float32
    np.testing.assert_allclose(outputs, swapped[::-1], rtol=1e-5, atol=1e-5)
    assert float(jnp.abs(outputs[0] - outputs[1]).max()) > 1e-3


@pytest.mark.parametrize("name", ["basic", "efficientnet", "vit"])
def test_the_head_is_the_last_operation(name):
    apply, shapes, row = made(name)
    *_, contraction, shaped, added = jax.make_jaxpr(apply)(shapes, images(row)).eqns
    names = [equation.primitive.name for equation in (contraction, shaped, added)]
    assert names == ["dot_general", "reshape", "add"]
    assert named_leaves(shapes)["head/kernel"].shape == contraction.invars[1].aval.shape


def test_an_encoder_has_no_head():
    assert "head" not in made("encoder")[1]


def test_moments_are_those_of_every_norm():
    apply, shapes, row = made("basic")
    program = trace_program(apply, shapes, [images(row)])
    found = [pair.mean for pair in found_statistics(program)]
    norms = ("0/0/norm1", "0/0/norm2", "0/1/norm1", "0/1/norm2", "1/0/norm1", "1/0/norm2")
    assert found == [
        *(f"stages/{norm}/mean" for norm in norms),
        "stages/1/0/project_norm/mean",
        "stem_norm/mean",
    ]


# Published sizes: the parameters that torchvision, timm and the papers count.

PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "efficientnet-lite0": 4_652_008,
    "efficientnet-lite1": 5_416_680,
    "efficientnet-lite2": 6_092_072,
    "efficientnet-lite3": 8_197_096,
    "efficientnet-lite4": 13_006_568,
    "vit-tiny-patch16": 5_717_416,
    "vit-small-patch16": 22_050_664,
    "vit-base-patch16": 86_567_656,
    "vit-base-patch32": 88_224_232,
    "vit-large-patch16": 304_326_632,
}
SIZES = {
    name: (family, options)
    for family in (RESNET, EFFICIENTNET, VIT)
    for name, options in family.sizes.items()
}


def test_every_named_size_is_counted():
    assert set(PARAMETERS) == set(SIZES)


SMALL = ("resnet18", "resnet50", "efficientnet-lite0", "efficientnet-lite2", "vit-tiny-patch16")


@pytest.mark.parametrize(
    "name",
    [name if name in SMALL else pytest.param(name, marks=pytest.mark.slow) for name in PARAMETERS],
)
def test_named_sizes_have_the_published_number_of_parameters(name):
    family, options = SIZES[name]
    options = family.options(**options)
    _, shapes = functional(lambda: family.build(options, nnx.Rngs(0)))
    sizes = {path: leaf.size for path, leaf in named_leaves(shapes).items()}
    moments = {path for path in sizes if path.endswith(("/mean", "/var"))}
    assert sum(size for path, size in sizes.items() if path not in moments) == PARAMETERS[name]


@given(st.integers(1, 2000), st.floats(0.05, 3))
@examples(50)
def test_scaled_channels_are_multiples_of_eight_and_not_much_fewer(channels, factor):
    rounded = _rounded(channels, factor)
    assert rounded % 8 == 0 and rounded >= 8
    assert 0.9 * channels * factor <= rounded <= max(channels * factor + 8, 8)


# Images are normalised inside, and windows are placed as the options say.


def test_images_are_normalised_inside():
    apply, shapes, row = made("small")
    same = RESNET.options(**PLAIN | {"mean": 0, "deviation": 1})
    bare, _ = functional(lambda: RESNET.build(same, nnx.Rngs(0)))
    params, inputs = drawn(shapes), images(row)
    np.testing.assert_allclose(
        apply(params, inputs), bare(params, (inputs - 0.3) / 0.4), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize(("stem", "wanted"), [("imagenet", 3), ("strided", 5), ("small", 9)])
@pytest.mark.parametrize("padding", ["symmetric", "same"])
def test_stems_halve_images_as_often_as_they_say(stem, wanted, padding):
    options = RESNET.options(**BASIC | {"stem": stem, "padding": padding, "input_shape": (9, 9, 3)})
    apply, shapes = functional(lambda: RESNET.build(options, nnx.Rngs(0)))
    program = str(jax.make_jaxpr(apply)(shapes, jax.ShapeDtypeStruct((1, 9, 9, 3), jnp.float32)))
    assert f"f32[1,{wanted},{wanted},4]" in program
    assert ("reduce_window_max" in program) == (stem == "imagenet")


# Training.


def means(module):
    leaves = named_leaves(params_of(module))
    found = [leaf for path, leaf in leaves.items() if path.endswith("/mean")]
    assert found
    return found


@pytest.mark.parametrize("name", ["small", "vit"])
def test_a_network_can_be_trained(name):
    family, options = NETWORKS[name]
    options = family.options(**options)
    module = family.build(options, nnx.Rngs(0))
    inputs, labels = images(family.example(options), 4), jnp.array([0, 1, 2, 1])

    def loss(module):
        logits = module(inputs)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @nnx.jit
    def step(module):
        value, gradients = nnx.value_and_grad(loss)(module)
        moved = jax.tree.map(
            lambda one, by: one - 0.1 * by, nnx.state(module, nnx.Param), gradients
        )
        nnx.update(module, moved)
        return value

    module.train()
    found = [float(step(module)) for _ in range(12)]
    assert found[-1] < 0.7 * found[0]
    module.eval()
    assert np.isfinite(np.asarray(jax.jit(made(name)[0])(params_of(module), inputs))).all()


def test_batch_statistics_follow_the_data_in_training_alone():
    options = RESNET.options(**PLAIN)
    module, inputs = RESNET.build(options, nnx.Rngs(0)), images(RESNET.example(options), 4)
    run = nnx.jit(lambda module: module(inputs))
    run(module)
    assert all((leaf == 0).all() for leaf in means(module))
    module.train()
    run(module)
    assert all((leaf != 0).any() for leaf in means(module))


# Options.


@each_network
def test_options_survive_json(name):
    family, options = NETWORKS[name]
    options = family.options(**options)
    assert family.options(**json.loads(json.dumps(asdict(options)))) == options


# Foreign names.


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("basic", "conv1.weight", "stem.kernel"),
        ("basic", "bn1.running_var", "stem_norm.var"),
        ("basic", "layer1.1.bn2.weight", "stages.0.1.norm2.scale"),
        ("basic", "layer2.0.downsample.0.weight", "stages.1.0.project.kernel"),
        ("basic", "layer2.0.downsample.1.running_mean", "stages.1.0.project_norm.mean"),
        ("basic", "fc.bias", "head.bias"),
        ("bottleneck", "resnet.embedder.embedder.normalization.bias", "stem_norm.bias"),
        (
            "bottleneck",
            "resnet.encoder.stages.1.layers.0.layer.2.convolution.weight",
            "stages.1.0.conv3.kernel",
        ),
        (
            "bottleneck",
            "resnet.encoder.stages.0.layers.0.shortcut.normalization.weight",
            "stages.0.0.project_norm.scale",
        ),
        ("bottleneck", "classifier.1.weight", "head.kernel"),
        ("efficientnet", "_blocks.1._bn0.weight", "blocks.1.expand_norm.scale"),
        ("efficientnet", "_bn1.running_mean", "features_norm.mean"),
        ("vit", "vit.embeddings.cls_token", "cls_token"),
        ("vit", "embeddings.patch_embeddings.projection.bias", "patch_embeddings.bias"),
        (
            "vit",
            "vit.encoder.layer.0.attention.attention.query.weight",
            "layers.0.attention.query.kernel",
        ),
        (
            "vit",
            "vit.encoder.layer.0.attention.output.dense.bias",
            "layers.0.attention.output.bias",
        ),
        ("vit", "vit.encoder.layer.0.output.dense.weight", "layers.0.mlp.fc2.kernel"),
        ("vit", "vit.layers.0.attention.o_proj.weight", "layers.0.attention.output.kernel"),
        ("vit", "vit.layernorm.weight", "layernorm.scale"),
        ("vit", "classifier.weight", "head.kernel"),
        ("fused", "pos_embed", "position_embeddings"),
        ("fused", "blocks.0.attn.qkv.weight", "layers.0.attention.qkv.kernel"),
        ("fused", "blocks.0.norm2.weight", "layers.0.layernorm_after.scale"),
    ],
)
def test_foreign_names_find_their_places(name, theirs, ours):
    wanted = {path.replace("/", ".") for path in named_leaves(made(name)[1])}
    assert ours in wanted
    assert _ours(_renamed(NETWORKS[name][0].renames, theirs), dict.fromkeys(wanted)) == ours
