"""What the rules write down: the units along every axis of every value of a program."""

from collections.abc import Sequence
from typing import Any, final

import jax
import numpy as np

from ._equation import Equation
from ._program import Program
from ._units import Axis, Fixed, Ids, Units

Axes = tuple[Axis, ...]


@final
class Relations:
    """The units of a program while they are being related.

    Attributes:
      program: the network.
      units: what was said of units.
      axes: the axes of every value, by number.
      blocks: for grouped convolutions, by the number written: the axis of channel groups.
      consumed: units that a contraction sums over.
      produced: units that a parameter makes: free axes of contractions and of lookups, and axes
        along which it repeats data.
      absorbed: the axes of weights that a contraction sums over.
      lookups: for lookups by known indices, by the number written: the axis, and the indices [n].
      data: the values that depend on the inputs.
      cotangents: the values of a function's own derivative that are linear in its cotangents.
      unknown: primitives without a rule, and where they first occur.
      notes: what a user may want to know, in sentences.
    """

    def __init__(self, program: Program) -> None:
        """Give leaves new units and fix the inputs."""
        self.program = program
        self.units = Units()
        self.axes: dict[int, Axes] = {}
        self.blocks: dict[int, Axis] = {}
        self.consumed: list[Axis] = []
        self.produced: list[Axis] = []
        self.absorbed: list[Axis] = []
        self.lookups: dict[int, tuple[int, np.ndarray]] = {}
        self.data: set[int] = set(program.inputs)
        self.cotangents: set[int] = set()
        self.unknown: dict[str, str] = {}
        self.notes: list[str] = []
        self._one = Fixed(self.units.reason("it has size one"))
        fixed = Fixed(self.units.reason("it is an axis of the inputs"))
        for number in program.inputs:
            self.axes[number] = (fixed,) * len(self.shape(number))

    def shape(self, number: int) -> tuple[Any, ...]:
        """Return the traced shape of a value."""
        return self.program.shape(number)

    def fresh(self, size: Any) -> Axis:
        """Return an axis of new units; fixed where the size is one or a symbol."""
        return self.units.fresh(size) if isinstance(size, int) and size > 1 else self._one

    def free(self, number: int) -> Axes:
        """Return new axes for a value."""
        return tuple(self.fresh(size) for size in self.shape(number))

    def axes_of(self, number: int) -> Axes:
        """Return a value's axes; those of a leaf or a constant are made when first read."""
        if number not in self.axes:
            self.axes[number] = self.free(number)
        return self.axes[number]

    def fixed(self, text: str, equation: Equation) -> Fixed:
        """Return an axis that stays, with the reason and where it comes from."""
        place = f" at {equation.source}" if equation.source else ""
        return Fixed(self.units.reason(f"{text} `{equation.name}`{place}"))

    def pin(self, axis: Axis, text: str, equation: Equation) -> Fixed:
        """Say that the units of an axis must stay; return it as a fixed one."""
        fixed = axis if isinstance(axis, Fixed) else self.fixed(text, equation)
        self.units.pin(axis, fixed.reason)
        return fixed

    def ids(self, axis: Axis, size: int) -> Ids:
        """Return an axis as units, new and pinned ones where it is fixed."""
        if not isinstance(axis, Fixed):
            return axis
        ids = self.units.fresh(size)
        self.units.pin(ids, axis.reason)
        return ids

    def unite(self, first: Axes, second: Axes) -> Axes:
        """Join two values' axes, one by one."""
        return tuple(self.units.unite(a, b) for a, b in zip(first, second, strict=True))

    def weights(self, equation: Equation) -> list[int]:
        """Return which operands do not depend on the inputs."""
        return [side for side, read in enumerate(equation.reads) if read not in self.data]

    def constant(self, number: int) -> bool:
        """Return whether a value depends on neither parameters nor inputs."""
        try:
            self.program.region.ordered(set(self.program.constants), [number])
        except KeyError:
            return False
        return True

    def known(self, number: int) -> np.ndarray | None:
        """Return a value that depends on neither parameters nor inputs; `None` of others."""
        program = self.program
        if not self.constant(number):
            return None
        # A network may be traced while it is being traced by another.
        with jax.ensure_compile_time_eval():
            return np.asarray(program.evaluate({}, [number])[0])

    def stay(self, equation: Equation, reads: Sequence[Axes], text: str) -> list[Axes]:
        """Pin everything that an equation reads and writes."""
        fixed = self.fixed(text, equation)
        for axes in reads:
            for axis in axes:
                self.units.pin(axis, fixed.reason)
        return [(fixed,) * len(self.shape(number)) for number in equation.writes]
