"""Where groups' units lie along the axes of a masked program's values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import jax.numpy as jnp
import numpy as np

from .._types import AnyArray, Array
from ._equation import Equation
from ._mask import Masked
from ._shrink import make_cut
from ._traced import Traced
from ._units import Axis, Fixed


@final
@dataclass(frozen=True, eq=False)
class Places:
    """Where a group's units lie along an axis, each on as many indices.

    Attributes:
      unit: which unit each index belongs to, [n].
      index: the indices of each unit, [size, n / size].
    """

    unit: np.ndarray
    index: np.ndarray

    def first(self, order: Array | None, width: int) -> AnyArray:
        """Return the indices of the first units of an order, laid out as those of the first few.

        Where no order is given, of the first few themselves, known before the program runs.
        """
        few = np.flatnonzero(self.unit < width)
        if order is None:
            return few
        rank = np.zeros_like(self.unit)
        rank[self.index] = np.arange(self.index.shape[1])
        return jnp.asarray(self.index)[order[self.unit[few]], rank[few]]


@final
class UnitMap:
    """Finds groups' units along the axes of a masked program's values.

    Attributes:
      network: as it was traced.
      masking: wrote the masks into it.
      held: how many units the arrays hold of groups that are cut already, by the group's number.
      cut: which indices that leaves of every axis.
      sizes: all units of each group.
    """

    def __init__(self, network: Traced, masking: Masked, held: Mapping[int, int]) -> None:
        """Take a network."""
        self.network, self.masking, self.held = network, masking, held
        self.sizes = [group.size for group in network.layout.groups]
        self.cut = make_cut(network, self._masks(held), {})
        self._starts = np.cumsum([1, *self.sizes])
        self._tables: dict[int, tuple[Axis, np.ndarray | None]] = {}

    def inside(self, group: int, width: int) -> "UnitMap":
        """Return the same where one more group is cut."""
        return UnitMap(self.network, self.masking, {**self.held, group: width})

    def _masks(self, counts: Mapping[int, int]) -> list[np.ndarray]:
        """Return masks that keep the first units of some groups, and all of the others."""
        return [np.arange(size) < counts.get(at, size) for at, size in enumerate(self.sizes)]

    def axes(self, number: int) -> Sequence[Axis]:
        """Return a value's axes; none where the program does not know it."""
        made = self.masking.axes.get(number)
        return self.network.relations.axes.get(number, ()) if made is None else made

    def table(self, axis: Axis) -> np.ndarray | None:
        """Return the units of each index that is left, [n, k]; `None` where all stay."""
        if isinstance(axis, Fixed):
            return None
        if id(axis) not in self._tables:
            table, kept = self.network.layout.table(axis), self.cut.kept(axis)
            table = table if table is None or kept is None else table[kept]
            self._tables[id(axis)] = (axis, table)
        return self._tables[id(axis)][1]

    def touches(self, number: int, group: int) -> bool:
        """Return whether a value has units of a group."""
        tables = [self.table(axis) for axis in self.axes(number)]
        return any(table is not None and bool(self._among(table, group).any()) for table in tables)

    def is_data(self, number: int) -> bool:
        """Return whether a value depends on the inputs; masks do not."""
        made = self.masking.axes.get(number)
        return number in self.network.relations.data if made is None else len(made) > 1

    def touching(self, equations: Sequence[Equation], group: int) -> list[Equation]:
        """Return the equations that read or write a group's units, as data."""
        return [
            one
            for one in equations
            if one.name != "combine" and any(self.touches(n, group) for n in numbers_of(one))
        ]

    def places(self, number: int, group: int) -> dict[int, Places] | None:
        """Return where a group's units lie; `None` if not each on as many indices of its own."""
        found = {}
        for place, axis in enumerate(self.axes(number)):
            table = self.table(axis)
            own = None if table is None else self._among(table, group)
            if table is None or own is None or not own.any():
                continue
            if (own.sum(1) != 1).any():
                return None
            unit, size = table[own] - self._starts[group], self.sizes[group]
            counts = np.bincount(unit, minlength=size)
            if (counts != counts[0]).any():
                return None
            index = np.argsort(unit, kind="stable").reshape(size, counts[0])
            found[place] = Places(unit, index)
        return found

    def _among(self, table: np.ndarray, group: int) -> np.ndarray:
        low = self._starts[group]
        return (table >= low) & (table < low + self.sizes[group])


def numbers_of(equation: Equation) -> Iterable[int]:
    """Return what an equation reads and writes, and its bodies."""
    inside = (n for body in equation.bodies for one in body.equations for n in numbers_of(one))
    return (*equation.reads, *equation.writes, *inside)
