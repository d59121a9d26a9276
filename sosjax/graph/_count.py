"""What every leaf and every contraction of a network costs."""

from collections.abc import Iterator, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp

from ._cost import Terms, axis_terms, product, scaled
from ._equation import Equation
from ._need import ALWAYS, Need, leaf_needs
from ._rules._contraction import summed
from ._traced import Traced
from ._units import Axis

CONTRACTIONS = ("dot_general", "conv_general_dilated", "ragged_dot_general")


@final
class Counting:
    """Counts along the axes of a traced network.

    Counts are numbered: groups, then blocks, then the size of the axes that vary together, then
    the needs of what several blocks share.

    Attributes:
      shared: the latter, as sets of counts: one if all counts of one of the sets are.
    """

    def __init__(self, network: Traced, varying: Sequence[Axis] = ()) -> None:
        """Take a network and further axes of one size that varies, such as the classes'."""
        self.network = network
        groups = network.layout.groups
        self._sizes = [group.size for group in groups]
        first = len(groups) + len(network.branches)
        self._varying = {id(axis): first for axis in varying}
        self._next = first + bool(varying)
        self.shared: dict[Need, int] = {}
        self._terms: dict[int, tuple[Axis, Terms]] = {}

    def axis(self, axis: Axis, size: int) -> Terms:
        """Return how many indices of an axis there are."""
        if id(axis) in self._varying:
            return {(self._varying[id(axis)],): 1}
        table = self.network.layout.table(axis)
        if table is None:
            return {(): size}
        if id(axis) not in self._terms:
            self._terms[id(axis)] = (axis, axis_terms(table, size, self._sizes))
        return self._terms[id(axis)][1]

    def axes(self, number: int) -> list[Terms]:
        """Return the counts along all axes of a value."""
        relations = self.network.relations
        pairs = zip(relations.axes_of(number), relations.shape(number), strict=True)
        return [self.axis(axis, size) for axis, size in pairs]

    def parameters(self, buffers: Sequence[str] = ()) -> Terms:
        """Return the trainable numbers: those of floating leaves that are no buffers."""
        return _sum(
            terms
            for name, terms, dtype in self._leaves()
            if name not in buffers and jnp.issubdtype(dtype, jnp.inexact)
        )

    def bytes(self) -> Terms:
        """Return the bytes of all leaves but random keys."""
        return _sum(
            scaled(terms, dtype.itemsize)
            for _, terms, dtype in self._leaves()
            if not jnp.issubdtype(dtype, jax.dtypes.extended)
        )

    def _leaves(self) -> Iterator[tuple[str, Terms, Any]]:
        program = self.network.program
        needs = leaf_needs(program, self.network.needs)
        for name, number in program.leaves.items():
            terms = self._if_needed(product(self.axes(number)), needs[name])
            yield name, terms, program.avals[number].dtype

    def flops(self) -> Terms:
        """Return two for each multiply-accumulate of all contractions.

        A loop counts its body once for each step, a `while` once, a branch every branch.
        """
        parts = []
        for equation in self.network.program.region.equations:
            for terms in self._contractions(equation):
                parts.append(self.if_needed(terms, equation.writes[0]))
        return _sum(parts)

    def if_needed(self, terms: Terms, number: int) -> Terms:
        """Return terms that are there if a value is computed."""
        return self._if_needed(terms, self.network.needs.get(number, ALWAYS))

    def _if_needed(self, terms: Terms, need: Need) -> Terms:
        first = len(self._sizes)
        counts = frozenset(frozenset(first + place for place in blocks) for blocks in need)
        if len(counts) == 1:
            return scaled(terms, 1, sorted(*counts))
        number = self.shared.setdefault(counts, self._next + len(self.shared))
        return scaled(terms, 1, [number])

    def _contractions(self, equation: Equation, times: int = 1) -> Iterator[Terms]:
        if equation.name in CONTRACTIONS:
            yield scaled(self._contraction(equation), 2 * times)
        if equation.name in ("custom_jvp_call", "custom_vjp_call"):
            return
        turns = times * equation.params["length"] if equation.name == "scan" else times
        for body in equation.bodies:
            for inner in body.equations:
                yield from self._contractions(inner, turns)

    def _contraction(self, equation: Equation) -> Terms:
        right = self.axes(equation.reads[1])
        inner = [right[place] for place in summed(equation)]
        return product([*self.axes(equation.writes[0]), *inner])


def _sum(parts: Any) -> Terms:
    total: Terms = {}
    for terms in parts:
        for kind, factor in terms.items():
            total[kind] = total.get(kind, 0) + factor
    return total
