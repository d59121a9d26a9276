"""The networks for images beside PyTorch on the same weights."""

import os
from pathlib import Path

import jax
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
functional_torch = torch.nn.functional


# Torchvision's names.


class TorchBlock(torch.nn.Module):
    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        wide = 4 * width if bottleneck else width
        shapes = [(channels, width, 3, stride), (width, wide, 3, 1)]
        if bottleneck:
            shapes = [(channels, width, 1, 1), (width, width, 3, stride), (width, wide, 1, 1)]
        self.number = len(shapes)
        for place, (inputs, outputs, size, step) in enumerate(shapes, 1):
            conv = torch.nn.Conv2d(inputs, outputs, size, step, size // 2, bias=False)
            setattr(self, f"conv{place}", conv)
            setattr(self, f"bn{place}", torch.nn.BatchNorm2d(outputs))
        self.downsample = None
        if stride != 1 or channels != wide:
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(channels, wide, 1, stride, bias=False), torch.nn.BatchNorm2d(wide)
            )

    def forward(self, images):
        hidden = images
        for place in range(1, self.number + 1):
            hidden = getattr(self, f"bn{place}")(getattr(self, f"conv{place}")(hidden))
            if place < self.number:
                hidden = torch.relu(hidden)
        shortcut = images if self.downsample is None else self.downsample(images)
        return torch.relu(hidden + shortcut)


class TorchResNet(torch.nn.Module):
    def __init__(self, options):
        super().__init__()
        size, stride = {"imagenet": (7, 2), "strided": (3, 2), "small": (3, 1)}[options.stem]
        self.pooled = options.stem == "imagenet"
        channels = options.widths[0]
        self.conv1 = torch.nn.Conv2d(
            options.input_shape[2], channels, size, stride, size // 2, bias=False
        )
        self.bn1 = torch.nn.BatchNorm2d(channels)
        self.number = len(options.widths)
        bottleneck = options.block == "bottleneck"
        for stage, (width, depth) in enumerate(zip(options.widths, options.depths, strict=True), 1):
            blocks = []
            for block in range(depth):
                step = 2 if stage > 1 and block == 0 else 1
                blocks.append(TorchBlock(channels, width, step, bottleneck))
                channels = 4 * width if bottleneck else width
            setattr(self, f"layer{stage}", torch.nn.Sequential(*blocks))
        self.fc = torch.nn.Linear(channels, options.classes)

    def forward(self, images):
        hidden = torch.relu(self.bn1(self.conv1(images)))
        if self.pooled:
            hidden = functional_torch.max_pool2d(hidden, 3, 2, 1)
        for stage in range(1, self.number + 1):
            hidden = getattr(self, f"layer{stage}")(hidden)
        return self.fc(hidden.mean((2, 3)))


# The names of `efficientnet_lite_pytorch`, and the padding of TensorFlow.


def same(layer, images):
    """Pad as TensorFlow does, more at the end, and convolve."""
    size, step = layer.kernel_size[0], layer.stride[0]
    pads = []
    for edge in (images.shape[3], images.shape[2]):
        total = max((-(-edge // step) - 1) * step + size - edge, 0)
        pads += [total // 2, total - total // 2]
    return layer(functional_torch.pad(images, pads))


class TorchInverted(torch.nn.Module):
    def __init__(self, channels, width, size, stride, expansion):
        super().__init__()
        wide = channels * expansion
        self.residual = stride == 1 and channels == width
        self.expanded = expansion > 1
        if self.expanded:
            self._expand_conv = torch.nn.Conv2d(channels, wide, 1, bias=False)
            self._bn0 = torch.nn.BatchNorm2d(wide, eps=1e-3)
        self._depthwise_conv = torch.nn.Conv2d(wide, wide, size, stride, groups=wide, bias=False)
        self._bn1 = torch.nn.BatchNorm2d(wide, eps=1e-3)
        self._project_conv = torch.nn.Conv2d(wide, width, 1, bias=False)
        self._bn2 = torch.nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, images):
        hidden = images
        if self.expanded:
            hidden = functional_torch.relu6(self._bn0(self._expand_conv(hidden)))
        hidden = functional_torch.relu6(self._bn1(same(self._depthwise_conv, hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return hidden + images if self.residual else hidden


# Channels of every block of the published Lite networks, written out: (width, size, stride,
# expansion), each with its repeats.
LITE0 = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)
LITE2 = (
    (1, 16, 3, 1, 1),
    (3, 24, 3, 2, 6),
    (3, 48, 5, 2, 6),
    (4, 88, 3, 2, 6),
    (4, 120, 5, 1, 6),
    (5, 208, 5, 2, 6),
    (1, 352, 3, 1, 6),
)


class TorchLite(torch.nn.Module):
    def __init__(self, stages, classes=1000):
        super().__init__()
        self._conv_stem = torch.nn.Conv2d(3, 32, 3, 2, bias=False)
        self._bn0 = torch.nn.BatchNorm2d(32, eps=1e-3)
        channels, blocks = 32, []
        for repeats, width, size, stride, expansion in stages:
            for block in range(repeats):
                step = 1 if block else stride
                blocks.append(TorchInverted(channels, width, size, step, expansion))
                channels = width
        self._blocks = torch.nn.ModuleList(blocks)
        self._conv_head = torch.nn.Conv2d(channels, 1280, 1, bias=False)
        self._bn1 = torch.nn.BatchNorm2d(1280, eps=1e-3)
        self._fc = torch.nn.Linear(1280, classes)

    def forward(self, images):
        hidden = functional_torch.relu6(self._bn0(same(self._conv_stem, images)))
        for block in self._blocks:
            hidden = block(hidden)
        hidden = functional_torch.relu6(self._bn1(self._conv_head(hidden)))
        return self._fc(hidden.mean((2, 3)))


# The names of timm.


class TimmAttention(torch.nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.qkv = torch.nn.Linear(size, 3 * size)
        self.proj = torch.nn.Linear(size, size)

    def forward(self, tokens):
        batch, length, size = tokens.shape
        parts = self.qkv(tokens).reshape(batch, length, 3, self.heads, size // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional_torch.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, size))


class TimmBlock(torch.nn.Module):
    def __init__(self, size, heads, inner):
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(size, eps=1e-6)
        self.attn = TimmAttention(size, heads)
        self.norm2 = torch.nn.LayerNorm(size, eps=1e-6)
        self.mlp = torch.nn.Module()
        self.mlp.fc1 = torch.nn.Linear(size, inner)
        self.mlp.fc2 = torch.nn.Linear(inner, size)

    def forward(self, tokens):
        tokens = tokens + self.attn(self.norm1(tokens))
        inner = functional_torch.gelu(self.mlp.fc1(self.norm2(tokens)))
        return tokens + self.mlp.fc2(inner)


class TimmViT(torch.nn.Module):
    def __init__(self, options):
        super().__init__()
        size, patch = options.hidden, options.patch
        height, width, channels = options.input_shape
        self.patch_embed = torch.nn.Module()
        self.patch_embed.proj = torch.nn.Conv2d(channels, size, patch, patch)
        self.cls_token = torch.nn.Parameter(torch.randn(1, 1, size))
        positions = (height // patch) * (width // patch) + 1
        self.pos_embed = torch.nn.Parameter(torch.randn(1, positions, size))
        self.blocks = torch.nn.ModuleList(
            TimmBlock(size, options.heads, options.intermediate) for _ in range(options.layers)
        )
        self.norm = torch.nn.LayerNorm(size, eps=1e-6)
        self.head = torch.nn.Linear(size, options.classes)

    def forward(self, images):
        patches = self.patch_embed.proj(images).flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat((first, patches), 1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


# The comparison.


def shaken(module, variances=(0.05, 0.5)):
    """Move the parameters of a module that are ones or zeros when it is made, and its moments.

    Variances below one make up for the small weights that PyTorch draws.
    """
    generator = torch.Generator().manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
            layer.weight.data.uniform_(0.5, 1.5, generator=generator)
            layer.bias.data.normal_(0, 0.3, generator=generator)
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3, generator=generator)
            layer.running_var.uniform_(*variances, generator=generator)
    return module.eval()


def difference(family, options, module, images):
    """Return the largest difference between a module's logits and ours, and both of them."""
    apply, shapes = functional(lambda: family.build(options, nnx.Rngs(0)))
    state = {name: array.numpy() for name, array in module.state_dict().items()}
    ours = np.asarray(jax.jit(apply)(fitted(family, shapes, state), images))
    mean, deviation = (np.asarray(one, np.float32) for one in (options.mean, options.deviation))
    turned = ((images - mean) / deviation).transpose(0, 3, 1, 2).copy()
    with torch.no_grad():
        theirs = module(torch.tensor(turned))
    theirs = getattr(theirs, "logits", theirs)
    theirs = theirs.numpy() if isinstance(theirs, torch.Tensor) else theirs
    return float(np.abs(ours - theirs).max()), ours, theirs


def photographs(shape, number=3):
    return np.random.default_rng(0).random((number, *shape), np.float32)


def assert_near(found, record_property):
    largest, ours, theirs = found
    record_property("largest_difference", largest)
    print(f"largest difference {largest:.1e} of logits up to {np.abs(theirs).max():.2f}")
    assert np.abs(theirs).max() > 0.05 and largest <= 1e-4
    np.testing.assert_array_equal(ours.argmax(-1), theirs.argmax(-1))


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
    module = shaken(TorchResNet(options))
    assert_near(
        difference(RESNET, options, module, photographs(options.input_shape)), record_property
    )


def test_a_whole_resnet18_of_torchvision(record_property):
    options = ResNetOptions(input_shape=(64, 64, 3))
    torch.manual_seed(0)
    module = shaken(TorchResNet(options))
    assert_near(
        difference(RESNET, options, module, photographs(options.input_shape)), record_property
    )


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
    module = shaken(transformers.ResNetForImageClassification(config), (0.5, 1.5))
    options = RESNET.from_huggingface(config.to_dict())
    assert options.classes == 5
    assert_near(difference(RESNET, options, module, photographs((32, 32, 3))), record_property)


@pytest.mark.parametrize(("width", "depth", "stages"), [(1.0, 1.0, LITE0), (1.1, 1.2, LITE2)])
def test_an_efficientnet_lite(width, depth, stages, record_property):
    options = EfficientNetOptions(width, depth, classes=9, input_shape=(65, 64, 3))
    torch.manual_seed(0)
    module = shaken(TorchLite(stages, 9))
    assert_near(
        difference(EFFICIENTNET, options, module, photographs(options.input_shape)),
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
    module = shaken(transformers.ViTForImageClassification(config))
    options = VIT.from_huggingface(config.to_dict())
    assert options.classes == 6
    assert_near(difference(VIT, options, module, photographs((24, 24, 3))), record_property)


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
    module = shaken(transformers.ViTModel(config))

    class First(torch.nn.Module):
        def state_dict(self):
            return module.state_dict()

        def forward(self, images):
            return module(images).last_hidden_state[:, 0]

    options = VIT.from_huggingface(config.to_dict())
    assert_near(difference(VIT, options, First(), photographs((16, 24, 3))), record_property)


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
    module = shaken(TimmViT(options))
    assert_near(difference(VIT, options, module, photographs(options.input_shape)), record_property)


# Real weights.


def real_weights(name):
    """Return a file below the folder of the environment variable, or skip."""
    folder = os.environ.get("SOSJAX_WEIGHTS")
    if not folder:
        pytest.skip("SOSJAX_WEIGHTS names no folder of real weights")
    found = sorted(Path(folder).rglob(name))
    if not found:
        pytest.skip(f"there is no {name} below {folder}")
    return found[0]


def test_efficientnet_lite0_with_its_real_weights(record_property):
    state = torch.load(real_weights("efficientnet-lite0-*.pth"), weights_only=True)
    module = TorchLite(LITE0).eval()
    module.load_state_dict(state)
    options = EfficientNetOptions(**EFFICIENTNET.sizes["efficientnet-lite0"])
    coarse = np.random.default_rng(0).random((24, 8, 8, 3), np.float32)
    images = np.concatenate(
        (
            np.asarray(jax.image.resize(coarse, (24, 224, 224, 3), "linear")),
            photographs((224, 224, 3), 8),
        )
    )
    assert_near(difference(EFFICIENTNET, options, module, images), record_property)
