"""A network in pieces, each a contraction with what follows it: what a device can be timed by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import numpy as np

from ._count import CONTRACTIONS
from ._equation import Equation, Region
from ._need import ALWAYS, Need
from ._program import evaluate
from ._rules._rule import cut_region
from ._shrink import Resized, make_cut
from ._traced import Traced
from ._units import Axis

LOOPS = ("scan", "while", "cond")
SPREAD = ("broadcast_in_dim", "iota", "reshape", "squeeze", "expand_dims", "convert_element_type")
"""What only lays values out anew."""


@final
@dataclass(frozen=True)
class Piece:
    """Some equations of a network that run one after the other.

    Attributes:
      region: the equations, from values that are given (leaves among them) to those that other
        pieces read.
      counts: the counts that its sizes depend on, in order of appearance: numbers of groups, and
        `groups + blocks` for the outputs of the head.
      need: by which blocks it is needed.
      likeness: equal for pieces that take equally long for equal counts.
    """

    region: Region
    counts: tuple[int, ...]
    need: Need
    likeness: str

    def at(
        self, network: Traced, masks: Sequence[np.ndarray], resized: Resized
    ) -> tuple[Any, list[jax.ShapeDtypeStruct]]:
        """Return the function of a sub-network's piece, of a list of arrays, and what they are.

        Args:
          network: that it is a piece of.
          masks: for each group which units are kept.
          resized: as for `make_cut`.
        """
        cut = make_cut(network, masks, resized)
        region = cut_region(cut, self.region)
        avals, known = network.program.avals, network.program.constants
        constants = {number: cut.take(number, np.asarray(known[number])) for number in known}
        inputs = [jax.ShapeDtypeStruct(cut.shape(n), avals[n].dtype) for n in region.inputs]

        def run(arrays: Sequence[Any]) -> list[Any]:
            values = {**constants, **dict(zip(region.inputs, arrays, strict=True))}
            return evaluate(region, values, region.outputs, constants)

        return run, inputs


def pieces(network: Traced, varying: Axis | None = None) -> list[Piece]:
    """Cut a network into pieces: a contraction (or a loop of them), and what only waits for it.

    What depends on parameters alone belongs to each piece that reads it. Before the first
    contraction there may be a piece without one.

    Args:
      network: as traced, for the batch that is meant.
      varying: the axis of a head's outputs, if there is one.
    """
    program = network.program
    static = {*program.constants, *program.leaves.values()}
    ordered = program.region.ordered({*static, *program.inputs}, program.region.outputs)
    owner, prepared, found = dict.fromkeys(program.inputs, 0), [], [[]]
    for equation in ordered:
        places = [owner[number] for number in equation.reads if number in owner]
        if equation.name in SPREAD or not places:
            # Compilers do this where it is read, and so does every piece that reads it.
            prepared.append(equation)
            owner.update(dict.fromkeys(equation.writes, max(places)) if places else {})
            continue
        if _is_heavy(equation):
            found.append([])
        place = len(found) - 1 if _is_heavy(equation) else max(places)
        found[place].append(equation)
        owner.update(dict.fromkeys(equation.writes, place))
    namer = _Namer(network, varying)
    regions = _regions(network, found, prepared)
    return [namer.piece(region, own) for region, own in zip(regions, found, strict=True) if own]


def _is_heavy(equation: Equation) -> bool:
    if equation.name in CONTRACTIONS:
        return True
    inside = (one for body in equation.bodies for one in body.equations)
    return equation.name in LOOPS and any(map(_is_heavy, inside))


def _regions(
    network: Traced, found: Sequence[list[Equation]], prepared: list[Equation]
) -> list[Region]:
    """Return the equations of each piece, with those prepared for it, from what others give."""
    program = network.program
    writer = {n: place for place, own in enumerate(found) for one in own for n in one.writes}
    leaves, free = set(program.leaves.values()), set(program.constants)
    regions, asked = [], set(program.region.outputs)
    for place, own in enumerate(found):
        outer = {n for n, other in writer.items() if other != place}
        wanted = [n for one in own for n in one.writes]
        known = {*leaves, *free, *program.inputs, *outer}
        equations = Region((), (), (*prepared, *own)).ordered(known, wanted)
        used = dict.fromkeys(n for one in equations for n in (*one.reads, *one.shared))
        written = {n for one in equations for n in one.writes}
        given = tuple(n for n in used if n not in written and n not in free)
        asked.update(given)
        regions.append(Region(given, tuple(wanted), tuple(equations)))
    return [replace(one, outputs=tuple(n for n in one.outputs if n in asked)) for one in regions]


@final
class _Namer:
    """Says what pieces of a network have in common."""

    def __init__(self, network: Traced, varying: Axis | None) -> None:
        self.network = network
        sizes = [group.size for group in network.layout.groups]
        self.ends = np.cumsum([1, *sizes])
        labels = network.layout.labels
        self.varying = b"" if varying is None else labels(varying).tobytes()
        self.outputs = len(sizes) + len(network.branches)

    def piece(self, region: Region, own: Sequence[Equation]) -> Piece:
        counts: dict[int, int] = {}
        names: dict[int, int] = {}
        text = "\n".join(self._lines(region.equations, counts, names))
        # Of the contraction: where a block is left out, what it was added to costs nothing.
        first = next((one for one in own if _is_heavy(one)), own[0])
        need = self.network.needs.get(first.writes[0], ALWAYS)
        return Piece(region, tuple(counts), need, text)

    def _lines(
        self, equations: Sequence[Equation], counts: dict[int, int], names: dict[int, int]
    ) -> Iterator[str]:
        for equation in equations:
            values = (*equation.reads, *equation.writes)
            known = {k: str(v) for k, v in equation.params.items() if "0x" not in str(v)}
            if equation.bodies:  # which are written out below
                known = {k: v for k, v in known.items() if "{" not in v}
            own = [self._value(number, counts, names) for number in values]
            yield f"{equation.name} {known} {own}"
            for body in equation.bodies:
                yield from self._lines(body.equations, counts, names)

    def _value(self, number: int, counts: dict[int, int], names: dict[int, int]) -> Any:
        relations = self.network.relations
        aval = self.network.program.avals[number]
        axes = [self._axis(axis, counts) for axis in relations.axes_of(number)]
        return names.setdefault(number, len(names)), aval.shape, str(aval.dtype), axes

    def _axis(self, axis: Axis, counts: dict[int, int]) -> Any:
        """Return how an axis' indices depend on counts, which are noted down."""
        if self.varying and self.network.layout.labels(axis).tobytes() == self.varying:
            return counts.setdefault(self.outputs, len(counts))
        table = self.network.layout.table(axis)
        if table is None:
            return None
        groups = np.where(table == 0, -1, np.searchsorted(self.ends, table, side="right") - 1)
        known = [int(group) for group in dict.fromkeys(groups.flat) if group >= 0]
        ranks = [counts.setdefault(group, len(counts)) for group in known]
        return ranks, hash((table - np.where(groups < 0, 0, self.ends[groups])).tobytes())
