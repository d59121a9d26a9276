"""The networks for images beside PyTorch on the same weights."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from sosjax.models._efficientnet import EFFICIENTNET, EfficientNetOptions
from sosjax.models._fitted import fitted
from sosjax.models._module import functional
from sosjax.models._resnet import RESNET, ResNetOptions
from sosjax.models._vit import VIT, ViTOptions

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
parity = pytest.importorskip("benchmarks.parity")
references = pytest.importorskip("benchmarks.torch_references")


def assert_near(found, record_property):
    record_property("largest_difference", found.difference)
    print(f"largest difference {found.difference:.1e} of logits up to {found.largest:.2f}")
    assert found.largest > 0.05 and found.difference <= parity.TOLERANCE
    np.testing.assert_array_equal(found.ours.argmax(-1), found.theirs.argmax(-1))


def compared(family, options, module):
    return parity.images_compared(family.name, "PyTorch", family, options, module)


@pytest.mark.parametrize("stem", ["imagenet", "strided", "small"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("edge", [32, 37])
def test_a_resnet_of_torchvision(stem, block, edge, record_property):
    options = ResNetOptions(
        widths=(8, 12, 16, 20),
        depths=(2, 1, 2, 1),
        block=block,
        stem=stem,
        classes=7,
        input_shape=(edge, 32, 3),
    )
    torch.manual_seed(0)
    module = references.shaken(references.TorchResNet(options))
    assert_near(compared(RESNET, options, module), record_property)


def test_a_whole_resnet18_of_torchvision(record_property):
    options = ResNetOptions(input_shape=(64, 64, 3))
    torch.manual_seed(0)
    module = references.shaken(references.TorchResNet(options))
    assert_near(compared(RESNET, options, module), record_property)


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_resnet_of_hugging_face(block, record_property):
    transformers = pytest.importorskip("transformers")
    wide = 4 if block == "bottleneck" else 1
    config = transformers.ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8 * wide, 12 * wide],
        depths=[1, 2],
        layer_type=block,
        num_labels=5,
    )
    torch.manual_seed(0)
    module = references.shaken(transformers.ResNetForImageClassification(config), (0.5, 1.5))
    options = RESNET.from_huggingface(config.to_dict())
    assert options.classes == 5
    options = replace(options, input_shape=(32, 32, 3))
    assert_near(compared(RESNET, options, module), record_property)


@pytest.mark.parametrize(
    ("width", "depth", "stages"), [(1.0, 1.0, references.LITE0), (1.1, 1.2, references.LITE2)]
)
def test_an_efficientnet_lite(width, depth, stages, record_property):
    options = EfficientNetOptions(width, depth, classes=9, input_shape=(65, 64, 3))
    torch.manual_seed(0)
    module = references.shaken(references.TorchLite(stages, 9))
    assert_near(
        compared(EFFICIENTNET, options, module),
        record_property,
    )


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_vit_of_hugging_face(activation, bias, record_property):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=24,
        patch_size=8,
        hidden_act=activation,
        qkv_bias=bias,
        num_labels=6,
        initializer_range=0.2,
        architectures=["ViTForImageClassification"],
    )
    torch.manual_seed(0)
    module = references.shaken(transformers.ViTForImageClassification(config))
    options = VIT.from_huggingface(config.to_dict())
    assert options.classes == 6
    assert_near(compared(VIT, options, module), record_property)


def test_a_vit_of_hugging_face_without_a_head_ends_in_its_class_token(record_property):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=[16, 24],
        patch_size=8,
        architectures=["ViTModel"],
    )
    torch.manual_seed(0)
    module = references.shaken(transformers.ViTModel(config))

    class First(torch.nn.Module):
        def state_dict(self):
            return module.state_dict()

        def forward(self, images):
            return module(images).last_hidden_state[:, 0]

    options = VIT.from_huggingface(config.to_dict())
    assert_near(compared(VIT, options, First()), record_property)


def test_the_names_that_hugging_face_writes_are_understood(tmp_path):
    transformers = pytest.importorskip("transformers")
    from safetensors.numpy import load_file

    config = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        image_size=8,
        patch_size=4,
    )
    module = transformers.ViTForImageClassification(config)
    module.save_pretrained(tmp_path)
    config = {**module.config.to_dict(), "architectures": ["ViTForImageClassification"]}
    options = VIT.from_huggingface(config)
    _, shapes = functional(lambda: VIT.build(options, nnx.Rngs(0)))
    params = fitted(VIT, shapes, load_file(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(params["cls_token"], module.vit.embeddings.cls_token.detach())


def test_a_vit_of_timm(record_property):
    options = ViTOptions(
        hidden=32,
        layers=2,
        heads=4,
        intermediate=48,
        patch=8,
        epsilon=1e-6,
        fused=True,
        classes=5,
        input_shape=(16, 24, 3),
    )
    torch.manual_seed(0)
    module = references.shaken(references.TimmViT(options))
    assert_near(compared(VIT, options, module), record_property)


# Real weights.


def test_efficientnet_lite0_with_its_real_weights(record_property):
    folder = os.environ.get("SOSJAX_WEIGHTS")
    if not folder:
        pytest.skip("SOSJAX_WEIGHTS names no folder of real weights")
    path = parity.file_below(Path(folder), parity.LITE0_FILE)
    if path is None:
        pytest.skip(f"there is no {parity.LITE0_FILE} below {folder}")
    assert_near(parity.real_lite0(path, smooth=24, noise=8), record_property)
