"""Options of the networks for images that cannot be, and Hugging Face's configurations."""

import pytest

from sosjax._errors import InputError
from sosjax.models._efficientnet import EFFICIENTNET
from sosjax.models._resnet import RESNET
from sosjax.models._vit import VIT


@pytest.mark.parametrize(
    ("family", "options", "sentence"),
    [
        (RESNET, {"widths": []}, "`model.widths` must be a list of whole numbers, got []."),
        (
            RESNET,
            {"depths": [1, 0, 1, 1]},
            "`model.depths` must be a whole number at least 1, got 0.",
        ),
        (
            RESNET,
            {"depths": [1]},
            "`model.widths` and `model.depths` must name the same stages, "
            "got [64, 128, 256, 512] and [1].",
        ),
        (
            RESNET,
            {"block": "botleneck"},
            "`model.block` must be one of basic, bottleneck, got 'botleneck' "
            "(did you mean 'bottleneck'?).",
        ),
        (
            RESNET,
            {"stem": "tiny"},
            "`model.stem` must be one of imagenet, strided, small, got 'tiny'.",
        ),
        (
            RESNET,
            {"padding": "valid"},
            "`model.padding` must be one of symmetric, same, got 'valid'.",
        ),
        (RESNET, {"classes": 0}, "`model.classes` must be a whole number at least 1, got 0."),
        (
            RESNET,
            {"input_shape": (28, 28)},
            "`model.input_shape` must be height, width and channels, got [28, 28].",
        ),
        (
            RESNET,
            {"input_shape": (28, 28, 1)},
            "`model.mean` must be one number or one for each of the 1 channels, got 3.",
        ),
        (
            RESNET,
            {"mean": (0.1, float("nan"), 0.1)},
            "`model.mean` must be a number from -1e+06 to 1e+06, got nan.",
        ),
        (
            RESNET,
            {"deviation": 0},
            "`model.deviation` must be a number from 1e-06 to 1e+06, got 0.",
        ),
        (EFFICIENTNET, {"width": 0}, "`model.width` must be a number from 0.01 to 100, got 0."),
        (EFFICIENTNET, {"depth": 101}, "`model.depth` must be a number from 0.01 to 100, got 101."),
        (EFFICIENTNET, {"epsilon": -1}, "`model.epsilon` must be a number from 0 to 1, got -1."),
        (
            EFFICIENTNET,
            {"mean": (0.5, 0.5)},
            "`model.mean` must be one number or one for each of the 3 channels, got 2.",
        ),
        (
            VIT,
            {"hidden": 100},
            "`model.hidden` must be a multiple of `model.heads`, got 100 and 12.",
        ),
        (
            VIT,
            {"patch": 15},
            "`model.input_shape` must have a height and width that are multiples of "
            "`model.patch`, got 224 and 224 for 15.",
        ),
        (
            VIT,
            {"activation": "silu"},
            "`model.activation` must be one of gelu, gelu_new, gelu_pytorch_tanh, relu, "
            "got 'silu' (did you mean 'relu'?).",
        ),
        (VIT, {"classes": -1}, "`model.classes` must be a whole number at least 0, got -1."),
    ],
)
def test_impossible_options_are_refused(family, options, sentence):
    with pytest.raises(InputError) as caught:
        family.options(**options)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("family", "name", "value", "sentence"),
    [
        (RESNET, "widths", "abc", "`model.widths` must be a list of whole numbers, got 'abc'."),
        (EFFICIENTNET, "depth", "1", "`model.depth` must be a number from 0.01 to 100, got '1'."),
        (VIT, "fused", 1, "`model.fused` must be true or false, got 1."),
        (VIT, "mean", "0.5", "`model.mean` must be a number from -1e+06 to 1e+06, got '0.5'."),
    ],
)
def test_values_of_another_type_are_refused(family, name, value, sentence):
    options = family.options()
    object.__setattr__(options, name, value)  # past the types that tests check in constructors
    with pytest.raises(InputError) as caught:
        options.__post_init__()
    assert str(caught.value) == sentence


@pytest.mark.parametrize("family", [RESNET, VIT])
def test_the_constants_of_a_preprocessor_are_taken(family):
    options = family.from_huggingface({"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]})
    assert (options.mean, options.deviation) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_a_vit_of_a_config():
    config = {
        "architectures": ["ViTForImageClassification"],
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "patch_size": [8, 8],
        "image_size": [16, 24],
        "num_channels": 1,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-6,
        "qkv_bias": False,
        "id2label": {str(number): f"class {number}" for number in range(5)},
    }
    wanted = VIT.options(
        hidden=32,
        layers=2,
        heads=4,
        intermediate=64,
        patch=8,
        activation="gelu_new",
        epsilon=1e-6,
        bias=False,
        classes=5,
        input_shape=(16, 24, 1),
    )
    assert VIT.from_huggingface(config) == wanted
    assert VIT.from_huggingface(config | {"architectures": ["ViTModel"]}).classes == 0
    del config["id2label"]
    assert VIT.from_huggingface(config).classes == 2
    with pytest.raises(InputError, match="`patch_size` of config.json must be as high as wide"):
        VIT.from_huggingface(config | {"patch_size": [8, 16]})


def test_a_resnet_of_a_config():
    config = {"id2label": {str(number): "" for number in range(7)}}
    assert RESNET.from_huggingface(config) == RESNET.options(**RESNET.sizes["resnet50"], classes=7)
    grey = RESNET.from_huggingface(config | {"num_channels": 1})
    assert (grey.input_shape, grey.mean, grey.deviation) == ((224, 224, 1), 0, 1)
    basic = {"layer_type": "basic", "hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2]}
    assert RESNET.from_huggingface(config | basic) == RESNET.options(classes=7)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"embedding_size": 32},
            "`embedding_size` of config.json must be 64 in a ResNet of sosjax, got 32.",
        ),
        (
            {"downsample_in_bottleneck": True},
            "`downsample_in_bottleneck` of config.json must be False in a ResNet of sosjax, "
            "got True.",
        ),
        (
            {"hidden_act": "gelu"},
            "`hidden_act` of config.json must be 'relu' in a ResNet of sosjax, got 'gelu'.",
        ),
        ({"layer_type": "wide"}, "`layer_type` must be one of basic, bottleneck, got 'wide'."),
    ],
)
def test_a_config_of_another_resnet_is_refused(given, sentence):
    with pytest.raises(InputError) as caught:
        RESNET.from_huggingface(given)
    assert str(caught.value) == sentence
