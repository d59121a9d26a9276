"""Equinox networks: the arrays of `equinox.partition` as parameters; one example, vmapped."""

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import nn

from ._network import Network, filled, rows, tokens


def _made(make, inputs):
    model = eqx.filter_eval_shape(make, jax.random.key(0))
    shapes, static = eqx.partition(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))

    def apply(params, *inputs):
        return jax.vmap(eqx.combine(params, static))(*inputs)

    return Network(apply, filled(shapes), inputs)


def mlp():
    """The library's perceptron of two hidden layers."""
    return _made(lambda key: nn.MLP(5, 3, 8, 2, key=key), rows(5))


class _Convolutional(eqx.Module):
    stem: nn.Conv2d
    depth: nn.Conv2d
    norm: nn.GroupNorm
    point: nn.Conv2d
    slope: nn.PReLU
    up: nn.ConvTranspose2d
    head: nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 5)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, key=keys[0])
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8, key=keys[1])
        self.norm = nn.GroupNorm(4, 8)
        self.point = nn.Conv2d(8, 6, 1, key=keys[2])
        self.slope = nn.PReLU()
        self.up = nn.ConvTranspose2d(6, 5, 2, 2, key=keys[3])
        self.head = nn.Linear(5, 3, key=keys[4])

    def __call__(self, image):
        x = jax.nn.relu(self.stem(jnp.moveaxis(image, -1, 0)))
        x = self.slope(self.point(x + self.norm(self.depth(x))))
        return self.head(self.up(x).mean((1, 2)))


def convolutional():
    """Channels first: depthwise and pointwise, four groups of two, a transposed one."""
    return _made(_Convolutional, rows(8, 8, 3))


class _Transformer(eqx.Module):
    embed: nn.Embedding
    norm1: nn.LayerNorm
    attend: nn.MultiheadAttention
    norm2: nn.RMSNorm
    feed: nn.MLP
    head: nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 4)
        self.embed = nn.Embedding(11, 6, key=keys[0])
        self.norm1 = nn.LayerNorm(6)
        self.attend = nn.MultiheadAttention(
            3, 6, qk_size=4, vo_size=5, use_value_bias=True, key=keys[1]
        )
        self.norm2 = nn.RMSNorm(6)
        self.feed = nn.MLP(6, 6, 9, 1, jax.nn.gelu, key=keys[2])
        self.head = nn.Linear(6, 2, key=keys[3])

    def __call__(self, words):
        x = jax.vmap(self.embed)(words)
        hidden = jax.vmap(self.norm1)(x)
        x = x + self.attend(hidden, hidden, hidden)
        x = x + jax.vmap(self.feed)(jax.vmap(self.norm2)(x))
        return self.head(x.mean(0))


def transformer():
    """The library's attention, with heads of other sizes for queries and for values."""
    return _made(_Transformer, tokens(11, 5))


class _Recurrent(eqx.Module):
    first: nn.GRUCell
    second: nn.LSTMCell
    head: nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.first = nn.GRUCell(4, 6, key=keys[0])
        self.second = nn.LSTMCell(6, 5, key=keys[1])
        self.head = nn.Linear(5, 2, key=keys[2])

    def __call__(self, rows):
        def step(carry, row):
            hidden, state = carry
            hidden = self.first(row, hidden)
            return (hidden, self.second(hidden, state)), None

        start = (jnp.zeros(6), (jnp.zeros(5), jnp.zeros(5)))
        (_, (last, _)), _ = jax.lax.scan(step, start, rows)
        return self.head(last)


def recurrent():
    """Two cells of the library in one scan."""
    return _made(_Recurrent, rows(4, 4))
