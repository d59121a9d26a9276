"""A stacked LSTM for series (Hochreiter and Schmidhuber, 1997).

https://doi.org/10.1162/neco.1997.9.8.1735; gates and both biases are those of PyTorch's `LSTM`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from .._errors import require, require_number
from ..graph._head import Head
from ._family import Family


@final
@dataclass(frozen=True)
class LstmOptions:
    """What makes one regressor of series.

    Attributes:
      channels: numbers at each step.
      outputs: numbers to predict.
      hidden: units of each layer.
      layers: layers of units.
      length: steps of the example input.
      mean: subtracted from the inputs: one number for each channel, or none.
      deviation: the inputs are divided by it: one number above 0 for each channel, or none.

    Raises:
      InputError: an option is out of its range.
    """

    channels: int = 1
    outputs: int = 1
    hidden: int = 64
    layers: int = 2
    length: int = 24
    mean: Sequence[float] = ()
    deviation: Sequence[float] = ()

    def __post_init__(self) -> None:
        for name in ("channels", "outputs", "hidden", "layers", "length"):
            require_number(f"model.{name}", getattr(self, name), 1, whole=True)
        for name, low in (("mean", -np.inf), ("deviation", 0)):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, values)
            require(
                len(values) in (0, self.channels),
                f"`model.{name}` must hold a number for each of {self.channels} channels or none, "
                f"got {len(values)}.",
            )
            for value in values:
                require_number(f"model.{name}", value, low)
        require(
            all(value > 0 for value in self.deviation),
            f"`model.deviation` must hold numbers above 0, got {list(self.deviation)}.",
        )


class _Layer(nnx.Module):
    """One layer of units with memory."""

    def __init__(self, inputs: int, hidden: int, rngs: nnx.Rngs) -> None:
        bound = hidden**-0.5
        scale: Any = {"kernel_init": _uniform(bound), "bias_init": _uniform(bound), "rngs": rngs}
        self.input = nnx.Linear(inputs, 4 * hidden, **scale)
        self.recurrent = nnx.Linear(hidden, 4 * hidden, **scale)

    def __call__(self, series: jax.Array) -> jax.Array:
        """Return the units at each step, [S, B, hidden], of inputs [S, B, channels]."""

        def step(carry: tuple[jax.Array, jax.Array], row: jax.Array) -> tuple:
            hidden, memory = carry
            gates = row + self.recurrent(hidden)
            write, forget, value, read = jnp.split(gates, 4, -1)
            memory = jax.nn.sigmoid(forget) * memory + jax.nn.sigmoid(write) * jnp.tanh(value)
            hidden = jax.nn.sigmoid(read) * jnp.tanh(memory)
            return (hidden, memory), hidden

        start = jnp.zeros((series.shape[1], self.recurrent.in_features), series.dtype)
        return jax.lax.scan(step, (start, start), self.input(series))[1]


def _uniform(bound: float) -> Callable[..., jax.Array]:
    """Return an initialiser that draws from [-bound, bound], as PyTorch does."""

    def draw(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32, *_: Any) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


@final
class Lstm(nnx.Module):
    """Layers of units through time, and a linear head on the last step of the last layer."""

    def __init__(self, options: LstmOptions, rngs: nnx.Rngs) -> None:
        self.options = options
        inputs = [options.channels, *[options.hidden] * (options.layers - 1)]
        self.lstm = nnx.List([_Layer(size, options.hidden, rngs) for size in inputs])
        self.head = nnx.Linear(options.hidden, options.outputs, rngs=rngs)

    def __call__(self, series: jax.Array) -> jax.Array:
        """Return float32 predictions [B, outputs] of float32 series [B, S, channels]."""
        if self.options.mean:
            series = series - jnp.array(self.options.mean, series.dtype)
        if self.options.deviation:
            series = series / jnp.array(self.options.deviation, series.dtype)
        hidden = jnp.swapaxes(series, 0, 1)
        for layer in self.lstm:
            hidden = layer(hidden)
        return self.head(hidden[-1])


LSTM = Family(
    name="lstm",
    options=LstmOptions,
    build=Lstm,
    example=lambda options: jax.ShapeDtypeStruct((options.length, options.channels), jnp.float32),
    head=Head("head/kernel", "head/bias"),
    renames=(
        (r"^lstm\.(weight|bias)_ih_l(\d+)$", r"lstm.\2.input.\1"),
        (r"^lstm\.(weight|bias)_hh_l(\d+)$", r"lstm.\2.recurrent.\1"),
        (r"^(fc|linear)\.", "head."),
    ),
)
