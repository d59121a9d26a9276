"""BERT in PyTorch, of any widths in each layer, from the leaves of `graph_networks.bert`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

functional = torch.nn.functional
Leaves = Mapping[str, np.ndarray]
EPSILON = 1e-5


def _linear(leaves: Leaves, name: str) -> Any:
    kernel = np.array(leaves[f"{name}/kernel"])
    layer = torch.nn.Linear(*kernel.shape)
    layer.weight.data = torch.tensor(kernel.T.copy())
    layer.bias.data = torch.tensor(np.array(leaves[f"{name}/bias"]))
    return layer


def _norm(leaves: Leaves, name: str) -> Any:
    layer = torch.nn.LayerNorm(len(leaves[f"{name}/scale"]), EPSILON)
    layer.weight.data = torch.tensor(np.array(leaves[f"{name}/scale"]))
    layer.bias.data = torch.tensor(np.array(leaves[f"{name}/bias"]))
    return layer


class _Layer(torch.nn.Module):
    def __init__(self, leaves: Leaves, name: str, heads: int, scale: float) -> None:
        super().__init__()
        self.heads, self.scale = heads, scale
        parts = ("query", "key", "value", "out")
        self.query, self.key, self.value, self.out = (
            _linear(leaves, f"{name}/attention/{part}") for part in parts
        )
        self.norm, self.last_norm = (
            _norm(leaves, f"{name}/{one}") for one in ("norm", "last_norm")
        )
        self.up, self.down = (_linear(leaves, f"{name}/{one}") for one in ("up", "down"))

    def forward(self, hidden: Any) -> Any:
        """Return the layer's output."""
        batch, length, _ = hidden.shape
        query, key, value = (
            layer(hidden).view(batch, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        rows = functional.scaled_dot_product_attention(query, key, value, scale=self.scale)
        rows = rows.transpose(1, 2).reshape(batch, length, -1)
        hidden = self.norm(hidden + self.out(rows))
        inner = functional.gelu(self.up(hidden), approximate="tanh")
        return self.last_norm(hidden + self.down(inner))


class TorchBert(torch.nn.Module):
    """The network of `graph_networks.bert`, of the leaves' widths."""

    def __init__(self, leaves: Leaves, heads: Sequence[int], scale: float) -> None:
        """Build it.

        Args:
          leaves: by path.
          heads: of each layer.
          scale: that attention's scores are multiplied by.
        """
        super().__init__()
        self.words = torch.nn.Parameter(torch.tensor(np.array(leaves["words"])))
        self.positions = torch.nn.Parameter(torch.tensor(np.array(leaves["positions"])))
        self.norm = _norm(leaves, "norm")
        self.layers = torch.nn.ModuleList(
            _Layer(leaves, f"layers/{layer}", own, scale) for layer, own in enumerate(heads)
        )
        self.pooler, self.head = _linear(leaves, "pooler"), _linear(leaves, "head")

    def forward(self, tokens: Any) -> Any:
        """Return logits [B, 2]."""
        hidden = self.norm(functional.embedding(tokens, self.words) + self.positions)
        for layer in self.layers:
            hidden = layer(hidden)
        return self.head(torch.tanh(self.pooler(hidden[:, 0])))
