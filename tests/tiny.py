"""Networks `between(x @ up, params, x) @ down`: one primitive between two parameters."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class Net:
    """A function of hidden activations, and the sizes of the groups that must be found."""

    between: Any
    sizes: tuple[int, ...] = (6,)
    leaves: dict[str, tuple[int, ...]] = field(default_factory=dict)
    x: tuple[int, ...] = (3, 5, 4)
    up: tuple[int, ...] = (4, 6)
    tolerance: float = 1e-5
    memory: bool = True


def same(function, **options):
    """Return a network with a function of the hidden activations [3, 5, 6] alone."""
    return Net(lambda h, p, x: function(h), **options)


def image(between, sizes=(4,), channels=4, **leaves):
    """Return a network with hidden activations [2, 6, 6, C]."""
    return Net(between, sizes, leaves, (2, 6, 6, 3), (3, channels))


def built(net):
    """Return the function, random parameters and a tuple of inputs."""
    rng = np.random.default_rng(0)

    def draw(shape):
        return rng.normal(size=shape).astype(np.float32)

    def hidden(params, x):
        return net.between(jnp.tensordot(x, params["up"], 1), params, x)

    x = draw(net.x)
    params = {"up": draw(net.up), **{name: draw(shape) for name, shape in net.leaves.items()}}
    params["down"] = draw((jax.eval_shape(hidden, params, x).shape[-1], 2))
    return (lambda params, x: hidden(params, x) @ params["down"]), params, (x,)


def first_positive(x):
    """Return a position that depends on the inputs: 0 or 1 for each example."""
    return (x[:, 0, 0] > 0).astype(jnp.int32)


def heads(h, count=2):
    """Cut the last axis into heads."""
    return h.reshape(*h.shape[:-1], count, -1)


def convolved(h, kernel, groups=1, layout=("NHWC", "HWIO", "NHWC"), **options):
    """Return a SAME convolution of images, in groups of channels."""
    numbers = {"dimension_numbers": layout, "feature_group_count": groups}
    return lax.conv_general_dilated(h, kernel, (1, 1), "SAME", **numbers, **options)
