"""Haiku networks: parameters and states of a transformed function."""

import haiku as hk
import jax
import jax.numpy as jnp

from ._network import Network, filled, rows, tokens


def _made(function, inputs):
    pure = hk.without_apply_rng(hk.transform_with_state(function))
    # Only training makes the moving averages.
    shapes = jax.eval_shape(lambda *x: pure.init(jax.random.key(0), True, *x), *inputs(2))

    def apply(both, *inputs):
        return pure.apply(*both, False, *inputs)[0]

    return Network(apply, filled(shapes), inputs)


def _resnet(training, x):
    x = hk.Conv2D(6, 3, 2)(x)
    hidden = hk.BatchNorm(True, True, 0.9)(hk.Conv2D(5, 3)(x), training)
    x = x + hk.Conv2D(6, 3)(jax.nn.relu(hidden))
    x = hk.DepthwiseConv2D(1, 3)(hk.MaxPool((2, 2, 1), (2, 2, 1), "SAME")(x))
    return hk.Linear(3)(jax.nn.relu(x).mean((1, 2)))


def resnet():
    """A residual sum around batch normalisation, then a depthwise convolution."""
    return _made(_resnet, rows(8, 8, 3))


def _transformer(training, words):
    x = hk.Embed(11, 6)(words)
    hidden = hk.LayerNorm(-1, True, True)(x)
    start = hk.initializers.VarianceScaling()
    mix = hk.MultiHeadAttention(3, 4, value_size=5, model_size=6, w_init=start)
    x = x + mix(hidden, hidden, hidden)
    x = x + hk.nets.MLP([9, 6])(hk.LayerNorm(-1, True, True)(x))
    return hk.Linear(2)(x.mean(1))


def transformer():
    """The library's attention, with heads of other sizes for queries and for values."""
    return _made(_transformer, tokens(11, 5))


def _recurrent(training, x):
    core = hk.DeepRNN([hk.LSTM(6), jnp.tanh, hk.GRU(5)])
    hidden, _ = hk.dynamic_unroll(core, x, core.initial_state(x.shape[0]), time_major=False)
    return hk.Linear(2)(hidden[:, -1])


def recurrent():
    """Two cells of the library unrolled together."""
    return _made(_recurrent, rows(4, 3))
