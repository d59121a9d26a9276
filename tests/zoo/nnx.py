"""Flax nnx networks: the state of `nnx.split` as parameters, random keys among them."""

import jax
from flax import nnx

from ._network import Network, filled, rows, tokens


def _made(make, inputs):
    model = nnx.eval_shape(make)
    model.eval()
    graph, state = nnx.split(model)

    def apply(state, *inputs):
        return nnx.merge(graph, state)(*inputs)

    return Network(apply, filled(state), inputs)


class _Block(nnx.Module):
    def __init__(self, size, inner, rngs):
        self.conv1 = nnx.Conv(size, inner, (3, 3), rngs=rngs, use_bias=False)
        self.norm1 = nnx.BatchNorm(inner, rngs=rngs)
        self.conv2 = nnx.Conv(inner, size, (3, 3), rngs=rngs, use_bias=False)
        self.norm2 = nnx.BatchNorm(size, rngs=rngs)

    def __call__(self, x):
        hidden = nnx.relu(self.norm1(self.conv1(x)))
        return nnx.relu(x + self.norm2(self.conv2(hidden)))


class _ResNet(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Conv(3, 6, (3, 3), strides=2, rngs=rngs)
        self.blocks = nnx.List([_Block(6, 4, rngs), _Block(6, 5, rngs)])
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.dropout(x.mean((1, 2))))


def resnet():
    """Basic blocks with batch normalisation and dropout, in evaluation mode."""
    return _made(lambda: _ResNet(nnx.Rngs(0)), rows(8, 8, 3))


class _Transformer(nnx.Module):
    def __init__(self, rngs):
        self.embed = nnx.Embed(11, 6, rngs=rngs)
        self.norm1 = nnx.RMSNorm(6, rngs=rngs)
        self.attend = nnx.MultiHeadAttention(
            num_heads=3, in_features=6, qkv_features=12, decode=False, rngs=rngs
        )
        self.norm2 = nnx.LayerNorm(6, rngs=rngs)
        self.up = nnx.Linear(6, 9, rngs=rngs)
        self.down = nnx.Linear(9, 6, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)

    def __call__(self, words):
        x = self.embed(words)
        x = x + self.attend(self.norm1(x), mask=nnx.make_causal_mask(words))
        x = x + self.dropout(self.down(nnx.gelu(self.up(self.norm2(x)))))
        return self.embed.attend(x)


def transformer():
    """A causal block with the library's attention and a tied embedding."""
    return _made(lambda: _Transformer(nnx.Rngs(0)), tokens(11, 5))


class _Recurrent(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.RNN(nnx.LSTMCell(4, 6, rngs=rngs), rngs=rngs)
        self.second = nnx.RNN(nnx.GRUCell(6, 5, rngs=rngs), rngs=rngs)
        self.head = nnx.Linear(5, 2, rngs=rngs)

    def __call__(self, x):
        return self.head(self.second(self.first(x))[:, -1])


def recurrent():
    """`nnx.RNN` with the cells of the library."""
    return _made(lambda: _Recurrent(nnx.Rngs(0)), rows(4, 4))


class _LowRank(nnx.Module):
    def __init__(self, rngs):
        self.base = nnx.LoRALinear(5, 8, lora_rank=2, rngs=rngs)
        self.norm = nnx.GroupNorm(8, num_groups=4, rngs=rngs)
        self.head = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(jax.nn.leaky_relu(self.norm(self.base(x))))


def low_rank():
    """A matrix with a low-rank addition, normalised in four groups of two."""
    return _made(lambda: _LowRank(nnx.Rngs(0)), rows(5))
