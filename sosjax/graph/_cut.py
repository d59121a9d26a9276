"""Which indices of every axis are kept, for equations to be rewritten by."""

from collections.abc import Callable
from typing import Any, final

import jax
import numpy as np
from jax.core import Tracer

from ._relations import Relations
from ._units import Axis, Fixed


@final
class Cut:
    """The network's axes with units gone.

    Attributes:
      relations: the units of every axis.
    """

    def __init__(
        self, relations: Relations, kept: Callable[[np.ndarray], np.ndarray | None]
    ) -> None:
        """Take a function that says of the units of an axis which are kept; `None` is all."""
        self.relations = relations
        self._find = kept
        self._kept: dict[int, tuple[Axis, np.ndarray | None]] = {}

    def kept(self, axis: Axis) -> np.ndarray | None:
        """Return the indices that are there; `None` where all are."""
        if isinstance(axis, Fixed):
            return None
        if id(axis) not in self._kept:
            # The axis is kept with the answer, so that its identity is not given to another.
            self._kept[id(axis)] = (axis, self._find(axis))
        return self._kept[id(axis)][1]

    def indices(self, number: int) -> dict[int, np.ndarray]:
        """Return the indices that are there, for each axis of a value where some are gone."""
        axes = enumerate(self.relations.axes_of(number))
        kept = {place: self.kept(axis) for place, axis in axes}
        return {place: rows for place, rows in kept.items() if rows is not None}

    def shape(self, number: int) -> tuple[Any, ...]:
        """Return the shape of a value without the units that are gone."""
        gone = self.indices(number)
        traced = self.relations.shape(number)
        return tuple(
            len(gone[place]) if place in gone else size for place, size in enumerate(traced)
        )

    def untouched(self, *numbers: int) -> bool:
        """Return whether these values are as traced."""
        return not any(self.indices(number) for number in numbers)

    def take(self, number: int, array: Any) -> Any:
        """Cut the array of a value."""
        indices = self.indices(number)
        if not (indices and isinstance(array, jax.Array) and _is_here(array)):
            return _taken(array, indices)
        # On the device each of many shapes would be compiled for.
        return jax.device_put(_taken(np.asarray(array), indices), array.sharding)


def _taken(array: Any, indices: dict[int, np.ndarray]) -> Any:
    for place, rows in indices.items():
        array = array.take(rows, axis=place)
    return array


def _is_here(array: jax.Array) -> bool:
    """Return whether an array is no tracer, and all of it lies on one device of this process."""
    if isinstance(array, Tracer):
        return False
    return isinstance(array.sharding, jax.sharding.SingleDeviceSharding) and (
        array.is_fully_addressable
    )
