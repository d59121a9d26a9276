"""The image flagship in PyTorch, of any widths, from the leaves of sosjax."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

functional = torch.nn.functional
STAGE = "stages"
Leaves = Mapping[str, np.ndarray]


def _convolution(leaf: Any, stride: int) -> Any:
    leaf = np.array(leaf)
    layer = torch.nn.Conv2d(leaf.shape[2], leaf.shape[3], leaf.shape[0], stride, bias=False)
    layer.weight.data = torch.tensor(np.transpose(leaf, (3, 2, 0, 1)).copy())
    return layer


def _norm(leaves: Leaves, name: str) -> Any:
    layer = torch.nn.BatchNorm2d(len(leaves[f"{name}/scale"]), eps=1e-5)
    places = (
        ("weight", "scale"),
        ("bias", "bias"),
        ("running_mean", "mean"),
        ("running_var", "var"),
    )
    for ours, theirs in places:
        getattr(layer, ours).data = torch.tensor(np.array(leaves[f"{name}/{theirs}"]))
    return layer


def _same(layer: Any, images: Any) -> Any:
    """Pad as TensorFlow does, more at the end, and convolve."""
    size, step = layer.kernel_size[0], layer.stride[0]
    pads = []
    for edge in (images.shape[3], images.shape[2]):
        total = max((-(-edge // step) - 1) * step + size - edge, 0)
        pads += [total // 2, total - total // 2]
    return layer(functional.pad(images, pads))


class _Block(torch.nn.Module):
    def __init__(self, leaves: Leaves, name: str, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(leaves[f"{name}/conv1/kernel"], stride)
        self.norm1 = _norm(leaves, f"{name}/norm1")
        self.conv2 = _convolution(leaves[f"{name}/conv2/kernel"], 1)
        self.norm2 = _norm(leaves, f"{name}/norm2")
        self.project = None
        if f"{name}/project/kernel" in leaves:
            self.project = _convolution(leaves[f"{name}/project/kernel"], stride)
            self.project_norm = _norm(leaves, f"{name}/project_norm")

    def forward(self, images: Any) -> Any:
        """Return the block's output."""
        hidden = torch.relu(self.norm1(_same(self.conv1, images)))
        hidden = self.norm2(_same(self.conv2, hidden))
        if self.project is not None:
            images = self.project_norm(_same(self.project, images))
        return torch.relu(hidden + images)


class TorchFashionResNet(torch.nn.Module):
    """The residual network of `sosjax.fashion_resnet`, of the leaves' widths and classes."""

    def __init__(self, leaves: Leaves, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.mean, self.deviation = options["mean"], options["deviation"]
        self.stem = _convolution(leaves["stem/kernel"], 2)
        self.stem_norm = _norm(leaves, "stem_norm")
        self.stages = torch.nn.ModuleList(
            torch.nn.ModuleList(
                _Block(leaves, f"stages/{stage}/{block}", 2 if stage > 0 and block == 0 else 1)
                for block in range(depth)
            )
            for stage, depth in enumerate(options["depths"])
        )
        kernel = np.array(leaves["head/kernel"])
        self.head = torch.nn.Linear(*kernel.shape)
        self.head.weight.data = torch.tensor(kernel.T.copy())
        self.head.bias.data = torch.tensor(np.array(leaves["head/bias"]))

    def forward(self, images: Any) -> Any:
        """Return logits [B, classes] of images [B, 1, H, W] in [0, 1]."""
        hidden = (images - self.mean) / self.deviation
        hidden = torch.relu(self.stem_norm(_same(self.stem, hidden)))
        for stage in self.stages:
            for block in stage:  # pyright: ignore[reportGeneralTypeIssues]
                hidden = block(hidden)
        return self.head(hidden.mean((2, 3)))


def as_torch(images: Any) -> Any:
    """Return images [B, H, W, 1] as PyTorch has them, [B, 1, H, W]."""
    return torch.tensor(np.transpose(np.asarray(images), (0, 3, 1, 2)).copy())
