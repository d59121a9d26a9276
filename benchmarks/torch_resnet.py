"""Residual networks of small images in PyTorch, of any widths, from the leaves of sosjax."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

functional = torch.nn.functional
STRIDES = {"strided": 2, "small": 1}
"""Of the stem: 3x3 without a maximum."""
Leaves = Mapping[str, np.ndarray]


class _Convolution(torch.nn.Conv2d):
    """Without bias; `same` pads as TensorFlow does, more at the end."""

    def __init__(self, leaf: Any, stride: int, padding: str) -> None:
        leaf = np.array(leaf)
        size, _, channels, width = leaf.shape
        self.same = padding == "same"
        edge = 0 if self.same else size // 2
        super().__init__(channels, width, size, stride, edge, bias=False)
        self.weight.data = torch.tensor(np.transpose(leaf, (3, 2, 0, 1)).copy())

    def forward(self, input: Any) -> Any:
        """Return the images' features."""
        return super().forward(self._padded(input) if self.same else input)

    def _padded(self, images: Any) -> Any:
        size, step, pads = self.kernel_size[0], self.stride[0], []
        for edge in (images.shape[3], images.shape[2]):
            total = max((-(-edge // step) - 1) * step + size - edge, 0)
            pads += [total // 2, total - total // 2]
        return functional.pad(images, pads)


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


class _Block(torch.nn.Module):
    def __init__(self, leaves: Leaves, name: str, stride: int, padding: str) -> None:
        super().__init__()
        self.conv1 = _Convolution(leaves[f"{name}/conv1/kernel"], stride, padding)
        self.norm1 = _norm(leaves, f"{name}/norm1")
        self.conv2 = _Convolution(leaves[f"{name}/conv2/kernel"], 1, padding)
        self.norm2 = _norm(leaves, f"{name}/norm2")
        self.project = None
        if f"{name}/project/kernel" in leaves:
            self.project = _Convolution(leaves[f"{name}/project/kernel"], stride, padding)
            self.project_norm = _norm(leaves, f"{name}/project_norm")

    def forward(self, images: Any) -> Any:
        """Return the block's output."""
        hidden = torch.relu(self.norm1(self.conv1(images)))
        hidden = self.norm2(self.conv2(hidden))
        if self.project is not None:
            images = self.project_norm(self.project(images))
        return torch.relu(hidden + images)


class TorchResNet(torch.nn.Module):
    """A residual network of basic blocks as `sosjax.models` has them, of the leaves' widths."""

    def __init__(self, leaves: Leaves, options: Mapping[str, Any]) -> None:
        super().__init__()
        padding = options.get("padding", "symmetric")
        self.mean, self.deviation = options["mean"], options["deviation"]
        self.stem = _Convolution(leaves["stem/kernel"], STRIDES[options["stem"]], padding)
        self.stem_norm = _norm(leaves, "stem_norm")
        self.stages = torch.nn.ModuleList(
            torch.nn.ModuleList(
                _Block(leaves, f"stages/{stage}/{block}", 2 if stage and not block else 1, padding)
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
        hidden = torch.relu(self.stem_norm(self.stem(hidden)))
        for stage in self.stages:
            for block in stage:  # pyright: ignore[reportGeneralTypeIssues]
                hidden = block(hidden)
        return self.head(hidden.mean((2, 3)))


def as_torch(images: Any) -> Any:
    """Return images [B, H, W, 1] as PyTorch has them, [B, 1, H, W]."""
    return torch.tensor(np.transpose(np.asarray(images), (0, 3, 1, 2)).copy())
