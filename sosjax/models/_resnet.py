"""A BatchNorm residual network for small images (He et al., 2016, https://arxiv.org/abs/1512.03385)."""

from typing import final

import flax.linen as nn
import jax

from ..graph._head import Statistics


class _Block(nn.Module):
    """Two 3x3 convolutions around an identity or projected shortcut."""

    width: int
    stride: int

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool) -> jax.Array:
        strides = (self.stride, self.stride)
        hidden = nn.Conv(self.width, (3, 3), strides, use_bias=False, name="conv1")(inputs)
        hidden = nn.relu(nn.BatchNorm(not train, name="norm1")(hidden))
        hidden = nn.Conv(self.width, (3, 3), use_bias=False, name="conv2")(hidden)
        hidden = nn.BatchNorm(not train, name="norm2")(hidden)
        shortcut = inputs
        if self.stride != 1 or inputs.shape[-1] != self.width:
            shortcut = nn.Conv(self.width, (1, 1), strides, use_bias=False, name="project")(inputs)
            shortcut = nn.BatchNorm(not train, name="project_norm")(shortcut)
        return nn.relu(hidden + shortcut)


@final
class ResNet(nn.Module):
    """Stem, stages of residual blocks, global mean, linear head.

    The stem has stride 2, and so has the first block of every stage but the first.

    Attributes:
      widths: channels of each stage; the stem has the width of the first.
      depths: residual blocks in each stage.
      classes: outputs of the head.
      mean: subtracted from the inputs before the stem.
      deviation: the inputs are divided by it before the stem.
    """

    widths: tuple[int, ...] = (16, 32, 64)
    depths: tuple[int, ...] = (1, 1, 1)
    classes: int = 10
    mean: float = 0.286
    deviation: float = 0.353

    @nn.compact
    def __call__(self, inputs: jax.Array, train: bool = False) -> jax.Array:
        """Return logits [B, classes] of float images [B, H, W, C] in [0, 1]."""
        hidden = (inputs - self.mean) / self.deviation
        hidden = nn.Conv(self.widths[0], (3, 3), (2, 2), use_bias=False, name="stem")(hidden)
        hidden = nn.relu(nn.BatchNorm(not train, name="stem_norm")(hidden))
        for stage, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                hidden = _Block(width, stride, name=f"stage{stage}_block{block}")(hidden, train)
        return nn.Dense(self.classes, name="head")(hidden.mean((1, 2)))


def resnet_statistics(depths: tuple[int, ...]) -> tuple[Statistics, ...]:
    """Return the moments of every BatchNorm."""
    norms = ["stem_norm"]
    for stage, depth in enumerate(depths):
        for block in range(depth):
            name = f"stage{stage}_block{block}"
            projected = ["project_norm"] if stage > 0 and block == 0 else []
            norms += [f"{name}/{norm}" for norm in ["norm1", "norm2", *projected]]
    return tuple(
        Statistics(f"batch_stats/{norm}/mean", f"batch_stats/{norm}/var") for norm in norms
    )
