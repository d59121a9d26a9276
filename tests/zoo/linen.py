"""Flax linen networks: `module.apply` with all collections as parameters."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from ._network import Network, filled, rows, tokens


def _made(module, inputs):
    shapes = jax.eval_shape(module.init, jax.random.key(0), *inputs(2))
    return Network(module.apply, filled(shapes), inputs)


class _Encoder(nn.Module):
    """A transformer block behind an embedding."""

    @nn.compact
    def __call__(self, words):
        x = nn.Embed(11, 6)(words)
        x = x + self.param("places", nn.initializers.normal(), (5, 6))
        hidden = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(num_heads=3, qkv_features=12)(hidden, hidden)
        hidden = nn.gelu(nn.Dense(9)(nn.LayerNorm()(x)))
        x = x + nn.Dropout(0.1, deterministic=True)(nn.Dense(6)(hidden))
        return nn.Dense(2)(x.mean(1))


def encoder():
    return _made(_Encoder(), tokens(11, 5))


class _Convolutional(nn.Module):
    """Batch normalisation, a group normalisation of four groups of two, a residual sum."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), strides=2, use_bias=False)(x)
        x = nn.relu(nn.GroupNorm(4)(x))
        hidden = nn.relu(nn.BatchNorm(use_running_average=True)(nn.Conv(5, (3, 3))(x)))
        x = nn.relu(x + nn.Conv(8, (3, 3))(hidden))
        x = nn.avg_pool(x, (2, 2), (2, 2))
        return nn.Dense(3)(x.reshape(x.shape[0], -1))


def convolutional():
    return _made(_Convolutional(), rows(8, 8, 3))


class _Layer(nn.Module):
    @nn.compact
    def __call__(self, x, _):
        hidden = nn.relu(nn.Dense(9)(nn.LayerNorm()(x)))
        return x + nn.Dense(6)(hidden), None


class _Stacked(nn.Module):
    @nn.compact
    def __call__(self, x):
        layers = nn.scan(_Layer, {"params": 0}, split_rngs={"params": True}, length=3)
        x, _ = layers()(nn.Dense(6)(x), None)
        return nn.Dense(3)(x)


def stacked():
    """`nn.scan` over three equal layers."""
    return _made(_Stacked(), rows(5))


class _Recurrent(nn.Module):
    @nn.compact
    def __call__(self, words):
        hidden = nn.RNN(nn.OptimizedLSTMCell(7))(nn.Embed(11, 5)(words))
        hidden = nn.RNN(nn.GRUCell(6))(hidden)
        return nn.Dense(3)(hidden[:, -1])


def recurrent():
    """`nn.RNN` with the cells of the library."""
    return _made(_Recurrent(), tokens(11, 4))


class _Separable(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jax.nn.relu6(nn.Conv(6, (3, 3), strides=2)(x))
        x = nn.Conv(6, (3, 3), feature_group_count=6)(x)
        x = nn.PReLU()(nn.Conv(7, (1, 1))(x))
        x = nn.ConvTranspose(4, (2, 2), strides=(2, 2))(x)
        return nn.Dense(2)(jnp.max(nn.WeightNorm(nn.Dense(5))(x), (1, 2)))


def separable():
    """Depthwise and pointwise convolutions, a transposed one, normalised weights."""
    return _made(_Separable(), rows(8, 8, 3))
