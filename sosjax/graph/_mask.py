"""Masks on activations: a program in which removed units are zero where they are summed over."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from ._block import Branch
from ._equation import Equation, Region
from ._layout import Layout, Table
from ._program import Program
from ._relations import Axes, Relations
from ._rules import RULES
from ._units import Fixed


def mask_number(mask: int) -> int:
    """Return the number of the value that is a mask: those of groups first, then of blocks."""
    return -1 - mask


def given_mask(mask: Any) -> Any:
    """Return a mask as an array of floats, to differentiate by, or of booleans."""
    mask = jnp.asarray(mask)
    return mask if jnp.issubdtype(mask.dtype, jnp.floating) else mask.astype(bool)


@final
class Masked:
    """Writes masks into a program.

    A mask at the producer would be wrong: a bias or a normalisation revives a zeroed channel. So
    the data operand of every contraction is masked along the axes that it sums over.

    Attributes:
      operands: the masked value that stands for an operand, by (equation's write, operand).
      sources: the value that was masked for it, and along which axes, likewise.
      axes: of what is made here, the units.
    """

    def __init__(self, program: Program, relations: Relations, layout: Layout) -> None:
        """Take a program with its units."""
        self.program, self.relations, self.layout = program, relations, layout
        self.operands: dict[tuple[int, int], int] = {}
        self.sources: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}
        self.axes: dict[int, Axes] = {}
        self._next = len(program.avals)
        self._vectors: dict[int, tuple[Any, int | None]] = {}
        self._made: list[Equation] = []

    def run(self, branches: Sequence[Branch]) -> Program:
        """Return the program that reads masks under `mask_number`."""
        region = self._skipping(self.program.region, branches)
        region, _ = self._region(region)
        equations = (*region.equations, *self._made)
        return replace(self.program, region=replace(region, equations=equations))

    def _region(self, region: Region) -> tuple[Region, set[int]]:
        """Return a region with masks, and the vectors that its equations read."""
        equations: list[Equation] = []
        made: dict[Any, int] = {}
        used: set[int] = set()
        for equation in region.equations:
            if equation.bodies:
                equation, inside = self._with_bodies(equation)
                used |= inside
            reads = list(equation.reads)
            for side, places in self._sums(equation).items():
                used.update(places.values())
                self.sources[equation.writes[0], side] = reads[side], tuple(places)
                key = (reads[side], *places.items())
                if key not in made:
                    made[key] = self._fresh()
                    equations.append(self._mask(reads[side], places, made[key]))
                reads[side] = self.operands[equation.writes[0], side] = made[key]
            equation = replace(equation, reads=tuple(reads))
            if equation.name == "ragged_dot_general" and self.layout.groups:
                equation = _tied(equation)
                used.add(mask_number(0))
            equations.append(equation)
        return replace(region, equations=tuple(equations)), used

    def _with_bodies(self, equation: Equation) -> tuple[Equation, set[int]]:
        pairs = [self._region(body) for body in equation.bodies]
        used: set[int] = set().union(*(inside for _, inside in pairs))
        if not used:
            return equation, used
        bodies = tuple(body for body, _ in pairs)
        shared = (*equation.shared, *sorted(used))
        return replace(equation, bodies=bodies, shared=shared, rewritten=True, run=None), used

    def _sums(self, equation: Equation) -> dict[int, dict[int, int]]:
        """Return what to mask: operand -> axis -> vector.

        The data of a contraction with weights, both sides of two data, one side of two weights.
        """
        rule = RULES.get(equation.name)
        weights = self.relations.weights(equation)
        sides = [side for side in (0, 1) if side not in weights] or [0]
        found: dict[int, dict[int, int]] = {}
        for side, place in [] if rule is None else rule.sums(equation):
            vector = self._vector(equation.reads[side], place) if side in sides else None
            if vector is not None:
                found.setdefault(side, {})[place] = vector
        return found

    def _fresh(self) -> int:
        self._next += 1
        return self._next - 1

    def _vector(self, number: int, place: int) -> int | None:
        """Return the value that is the mask along an axis; `None` where nothing can be removed."""
        axis = self.relations.axes_of(number)[place]
        if isinstance(axis, Fixed):
            return None
        if id(axis) not in self._vectors:
            table = self.layout.table(axis)
            vector = None if table is None else self._combined(table)
            self._vectors[id(axis)] = (axis, vector)
            if vector is not None:
                self.axes[vector] = (axis,)
        return self._vectors[id(axis)][1]

    def _combined(self, table: Table) -> int:
        """Return the mask along an axis from those of its groups."""
        start = 1
        ranges = []
        for group in self.layout.groups:
            ranges.append((start, start + group.size))
            start += group.size
        needed = [
            g for g, (low, high) in enumerate(ranges) if ((table >= low) & (table < high)).any()
        ]
        (low, high), *others = [ranges[g] for g in needed]
        if not others and table.shape[1] == 1 and np.array_equal(table[:, 0], np.arange(low, high)):
            return mask_number(needed[0])
        local = np.zeros_like(table)
        used = 1
        for g in needed:
            low, high = ranges[g]
            inside = (table >= low) & (table < high)
            local[inside] = table[inside] - low + used
            used += high - low

        def run(*masks: Any) -> list[Any]:
            one = jnp.ones(1, masks[0].dtype)
            rows = jnp.concatenate([one, *masks])[local]
            return [rows.all(1) if rows.dtype == bool else rows.prod(1)]

        number = self._fresh()
        reads = tuple(mask_number(g) for g in needed)
        self._made.append(Equation("combine", None, reads, (number,), {}, run=run))
        return number

    def _mask(self, source: int, places: dict[int, int], target: int) -> Equation:
        rank = len(self.relations.shape(source))
        self.axes[target] = self.relations.axes_of(source)

        def run(data: Any, *masks: Any) -> list[Any]:
            for place, mask in zip(places, masks, strict=True):
                axes = [-1 if axis == place else 1 for axis in range(rank)]
                data = _zeroed(data, jnp.reshape(mask, axes))
            return [data]

        return Equation("mask", None, (source, *places.values()), (target,), {}, run=run)

    def _skipping(self, region: Region, branches: Sequence[Branch]) -> Region:
        """Mask the branches of residual sums."""
        equations = list(region.equations)
        for offset, branch in enumerate(branches):
            place = len(self.layout.groups) + offset
            equation = equations[branch.equation]
            reads = list(equation.reads)
            target = self._fresh()
            reads[branch.side], source = target, reads[branch.side]
            self.axes[target] = self.relations.axes_of(source)
            equations[branch.equation] = replace(equation, reads=tuple(reads))
            read = (source, mask_number(place))
            run = lambda data, mask: [_zeroed(data, jnp.reshape(mask, ()))]  # noqa: E731
            equations.append(Equation("mask", None, read, (target,), {}, run=run))
        return replace(region, equations=tuple(equations))


def _tied(equation: Equation) -> Equation:
    """Make all operands depend on a mask: JAX maps ragged products only if all are mapped."""

    def run(*arrays: Any) -> list[Any]:
        *operands, mask = arrays
        operands = [jnp.where(mask[0] != 0, operand, operand) for operand in operands]
        return [equation.primitive.bind(*operands, **equation.params)]

    return replace(equation, reads=(*equation.reads, mask_number(0)), run=run)


def _zeroed(data: Any, mask: Any) -> Any:
    # `where` and not a product: a removed unit may be infinite, and 0 * inf is NaN.
    return jnp.where(mask, data, 0) if mask.dtype == bool else data * mask.astype(data.dtype)
