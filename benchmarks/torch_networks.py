"""The PyTorch twins of networks in `graph_networks`, as a PyTorch user would write them."""

from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]


class _Block(nn.Module):
    """Two 3x3 convolutions around an identity or projected shortcut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.project = None
        if before != width:
            self.project = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, inputs: Any) -> Any:
        """Return the block's output."""
        hidden = torch.relu(self.norm1(self.conv1(inputs)))
        hidden = self.norm2(self.conv2(hidden))
        shortcut = inputs if self.project is None else self.project(inputs)
        return torch.relu(hidden + shortcut)


class ResNet18(nn.Module):
    """ResNet-18 for ImageNet (He et al., 2016, https://arxiv.org/abs/1512.03385)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.norm = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(3, 2, 1)
        blocks, before = [], 64
        for stage in range(4):
            for block in range(2):
                width = 64 * 2**stage
                blocks.append(_Block(before, width, 2 if stage and not block else 1))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(512, 1000)

    def forward(self, inputs: Any) -> Any:
        """Return logits [B, 1000]."""
        hidden = self.pool(torch.relu(self.norm(self.stem(inputs))))
        return self.head(self.blocks(hidden).mean((2, 3)))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, hidden: Any) -> Any:
        """Return what every position gathers."""
        batch, length, _ = hidden.shape

        def split(layer: nn.Module) -> Any:
            # The head size is written down: after pruning, the width is another.
            return layer(hidden).view(batch, length, self.heads, -1).transpose(1, 2)

        query, key, value = split(self.query), split(self.key), split(self.value)
        scores = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, -1)
        rows = (scores @ value).transpose(1, 2).reshape(batch, length, -1)
        return self.out(rows)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.attention = _Attention(width, heads)
        self.norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, hidden: Any) -> Any:
        """Return the layer's output; `first` normalises before each part, else after the sum."""
        if self.first:
            hidden = hidden + self.attention(self.norm(hidden))
            inner = self.down(nn.functional.gelu(self.up(self.last_norm(hidden))))
            return hidden + inner
        hidden = self.norm(hidden + self.attention(hidden))
        return self.last_norm(hidden + self.down(nn.functional.gelu(self.up(hidden))))


class Bert(nn.Module):
    """BERT with a pooler and two classes (Devlin et al., 2019, https://arxiv.org/abs/1810.04805)."""

    def __init__(self, layers: int, width: int, heads: int, inner: int, vocab: int) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(vocab, width), nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(*(_Layer(width, heads, inner, False) for _ in range(layers)))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, tokens: Any) -> Any:
        """Return logits [B, 2]."""
        places = torch.arange(tokens.shape[1])
        hidden = self.layers(self.norm(self.words(tokens) + self.positions(places)))
        return self.head(torch.tanh(self.pooler(hidden[:, 0])))


class ViT(nn.Module):
    """A vision transformer (Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929)."""

    def __init__(self, layers: int, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 197, width))
        self.layers = nn.Sequential(*(_Layer(width, heads, inner, True) for _ in range(layers)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, inputs: Any) -> Any:
        """Return logits [B, 1000]."""
        rows = self.patches(inputs).flatten(2).transpose(1, 2)
        token = self.token.expand(len(rows), -1, -1)
        hidden = torch.cat([token, rows], 1) + self.positions
        return self.head(self.norm(self.layers(hidden))[:, 0])
