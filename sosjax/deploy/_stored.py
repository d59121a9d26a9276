"""A network with its arrays as the files hold them: floats, or int8 and scales."""

from dataclasses import dataclass, replace
from typing import Any, final

import jax
import numpy as np

from .._tree import named_leaves, with_leaves
from ..models._int8 import quantised, restored
from ._channels import output_channels
from ._network import Network


@final
@dataclass(frozen=True)
class Stored:
    """A network with its arrays as the files hold them.

    Attributes:
      network: what they are the arrays of, in float32: with what int8 made of them, if so.
      arrays: by path, in the order of the leaves; scales are behind their leaf.
      channels: of each leaf in int8 the axes whose indices each have a scale.
    """

    network: Network
    arrays: dict[str, np.ndarray]
    channels: dict[str, tuple[int, ...]]

    def apply(self, arrays: dict[str, Any], inputs: Any) -> Any:
        """Return the outputs for stored arrays, which are made float32 in the program itself."""
        # Not NumPy's own product, which would put the floats into the program.
        leaves = restored({name: jax.numpy.asarray(array) for name, array in arrays.items()})
        return self.network.apply(with_leaves(self.network.params, leaves), inputs)

    def bytes(self) -> int:
        """Count the bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def stored(network: Network, quantize: str | None, example: jax.ShapeDtypeStruct) -> Stored:
    """Return a network as it is to be written.

    Args:
      network: a shrunk one.
      quantize: `None`, or `int8`.
      example: the shape and dtype of one input, without the batch.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(network.params).items()}
    channels = {} if quantize is None else output_channels(network, example)
    arrays = quantised(leaves, channels)
    params = with_leaves(network.params, restored(arrays))
    return Stored(replace(network, params=params), arrays, channels)
