"""Networks as PyTorch's users know them, under the names that their checkpoints have.

The other side of every comparison: torchvision's ResNet, `efficientnet_lite_pytorch`, timm's ViT
and a stacked LSTM, written again; M2M100 comes from transformers. Weights are random.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

functional = torch.nn.functional


# Torchvision's names.


class TorchBlock(torch.nn.Module):
    """One residual block."""

    def __init__(self, channels: int, width: int, stride: int, bottleneck: bool) -> None:
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

    def forward(self, images: Any) -> Any:
        """Return the block's output."""
        hidden = images
        for place in range(1, self.number + 1):
            hidden = getattr(self, f"bn{place}")(getattr(self, f"conv{place}")(hidden))
            if place < self.number:
                hidden = torch.relu(hidden)
        shortcut = images if self.downsample is None else self.downsample(images)
        return torch.relu(hidden + shortcut)


class TorchResNet(torch.nn.Module):
    """A residual network of the sizes of `ResNetOptions`."""

    def __init__(self, options: Any) -> None:
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

    def forward(self, images: Any) -> Any:
        """Return logits [B, classes]."""
        hidden = torch.relu(self.bn1(self.conv1(images)))
        if self.pooled:
            hidden = functional.max_pool2d(hidden, 3, 2, 1)
        for stage in range(1, self.number + 1):
            hidden = getattr(self, f"layer{stage}")(hidden)
        return self.fc(hidden.mean((2, 3)))


# The names of `efficientnet_lite_pytorch`, and the padding of TensorFlow.


def same(layer: Any, images: Any) -> Any:
    """Pad as TensorFlow does, more at the end, and convolve."""
    size, step = layer.kernel_size[0], layer.stride[0]
    pads = []
    for edge in (images.shape[3], images.shape[2]):
        total = max((-(-edge // step) - 1) * step + size - edge, 0)
        pads += [total // 2, total - total // 2]
    return layer(functional.pad(images, pads))


class TorchInverted(torch.nn.Module):
    """One inverted bottleneck."""

    def __init__(self, channels: int, width: int, size: int, stride: int, expansion: int) -> None:
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

    def forward(self, images: Any) -> Any:
        """Return the block's output."""
        hidden = images
        if self.expanded:
            hidden = functional.relu6(self._bn0(self._expand_conv(hidden)))
        hidden = functional.relu6(self._bn1(same(self._depthwise_conv, hidden)))
        hidden = self._bn2(self._project_conv(hidden))
        return hidden + images if self.residual else hidden


# Every stage of the published Lite networks, written out: repeats, width, window, stride and
# factor of the expansion.
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
    """EfficientNet-Lite of the stages given."""

    def __init__(self, stages: Sequence[tuple[int, ...]], classes: int = 1000) -> None:
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

    def forward(self, images: Any) -> Any:
        """Return logits [B, classes]."""
        hidden = functional.relu6(self._bn0(same(self._conv_stem, images)))
        for block in self._blocks:
            hidden = block(hidden)
        hidden = functional.relu6(self._bn1(self._conv_head(hidden)))
        return self._fc(hidden.mean((2, 3)))


# The names of timm.


class TimmAttention(torch.nn.Module):
    """Attention whose queries, keys and values one matrix makes."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = torch.nn.Linear(size, 3 * size)
        self.proj = torch.nn.Linear(size, size)

    def forward(self, tokens: Any) -> Any:
        """Return what every token gathers."""
        batch, length, size = tokens.shape
        parts = self.qkv(tokens).reshape(batch, length, 3, self.heads, size // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, size))


class TimmBlock(torch.nn.Module):
    """Attention and a feed-forward network, each after a norm."""

    def __init__(self, size: int, heads: int, inner: int) -> None:
        super().__init__()
        self.norm1 = torch.nn.LayerNorm(size, eps=1e-6)
        self.attn = TimmAttention(size, heads)
        self.norm2 = torch.nn.LayerNorm(size, eps=1e-6)
        self.mlp = torch.nn.ModuleDict(
            {"fc1": torch.nn.Linear(size, inner), "fc2": torch.nn.Linear(inner, size)}
        )

    def forward(self, tokens: Any) -> Any:
        """Return the block's output."""
        tokens = tokens + self.attn(self.norm1(tokens))
        inner = functional.gelu(self.mlp["fc1"](self.norm2(tokens)))
        return tokens + self.mlp["fc2"](inner)


class TimmViT(torch.nn.Module):
    """A vision transformer of the sizes of `ViTOptions`."""

    def __init__(self, options: Any) -> None:
        super().__init__()
        size, patch = options.hidden, options.patch
        height, width, channels = options.input_shape
        self.patch_embed = torch.nn.ModuleDict(
            {"proj": torch.nn.Conv2d(channels, size, patch, patch)}
        )
        self.cls_token = torch.nn.Parameter(torch.randn(1, 1, size))
        positions = (height // patch) * (width // patch) + 1
        self.pos_embed = torch.nn.Parameter(torch.randn(1, positions, size))
        self.blocks = torch.nn.ModuleList(
            TimmBlock(size, options.heads, options.intermediate) for _ in range(options.layers)
        )
        self.norm = torch.nn.LayerNorm(size, eps=1e-6)
        self.head = torch.nn.Linear(size, options.classes)

    def forward(self, images: Any) -> Any:
        """Return logits [B, classes]."""
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat((first, patches), 1) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


class Regressor(torch.nn.Module):
    """A stacked LSTM and a linear layer on its last step."""

    def __init__(self, channels: int, hidden: int, layers: int, outputs: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(channels, hidden, layers, batch_first=True)
        self.fc = torch.nn.Linear(hidden, outputs)

    def forward(self, series: Any) -> Any:
        """Return values [B, outputs] of series [B, S, channels]."""
        return self.fc(self.lstm(series)[0][:, -1])


def translator(seed: int = 0, ending: float = 0.0, **changes: Any) -> Any:
    """Return a tiny M2M100 of transformers, in evaluation mode.

    Args:
      seed: of its weights.
      ending: the more of the end's embedding in all states, the sooner texts end.
      changes: of its configuration.
    """
    import transformers  # pyright: ignore[reportMissingImports]

    sizes: dict[str, Any] = {
        "vocab_size": 29,
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 20,
        "decoder_ffn_dim": 24,
        "max_position_embeddings": 40,
    }
    config = transformers.M2M100Config(**(sizes | changes))
    torch.manual_seed(seed)
    network: Any = transformers.M2M100ForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, weight in network.named_parameters():
            scale = 0.5 if "shared" in name else 0.35
            weight.copy_(torch.randn(weight.shape) * scale + ("norm.weight" in name))
        network.model.decoder.layer_norm.bias += ending * network.model.shared.weight[2]
    return network


def shaken(module: Any, variances: tuple[float, float] = (0.05, 0.5)) -> Any:
    """Move what a new module has at ones and zeros: its norms' parameters and moments.

    Variances below one make up for the small weights that PyTorch draws.
    """
    generator = torch.Generator().manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
            layer.weight.data.uniform_(0.5, 1.5, generator=generator)
            layer.bias.data.normal_(0, 0.3, generator=generator)
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(0, 0.3, generator=generator)
            layer.running_var.uniform_(*variances, generator=generator)
    return module.eval()


def moved(module: Any) -> Any:
    """Add noise to all vectors of a module: its biases and norms."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return module.eval()


def state_of(module: Any) -> dict[str, np.ndarray]:
    """Return copies of a module's arrays by their names."""
    return {name: tensor.detach().numpy().copy() for name, tensor in module.state_dict().items()}
