"""How long a network's pieces, and whole sub-networks, take on this machine."""

import itertools
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import lsq_linear, nnls

from .._errors import require, require_name, require_number
from .._progress import Progress, silent
from ..environments._device import Device, Memory
from ..environments._timetable import Timetable, Timing, levels_of
from ..graph._pieces import Piece, pieces
from ..graph._traced import Traced
from ..models._jat import Jat
from ._stopwatch import timed

SUB_NETWORKS = 20
"""Whole ones, which teach what lies between the pieces."""

CACHES = tuple(2.0**power for power in range(28, 18, -1))
"""Bytes that a processor may have close to it: from 256 MiB to half of one."""


def measure_device(
    jat: Jat,
    batches: Sequence[int] = (1,),
    *,
    name: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Device:
    """Time a network's pieces on the first device of JAX, and how well they foretell whole ones.

    Each piece, a contraction and what follows it, is timed at a few widths; whole sub-networks say
    what lies between the pieces, and how well each of them is foretold by the others is the error.
    Everything in float32, as `export` writes it; the machine should have nothing else to do.

    Args:
      jat: the network.
      batches: examples side by side, one timetable for each.
      name: of the device; `None`: what JAX calls it.
      seed: of the sub-networks.
      progress: called with `{"event": text}`.

    Raises:
      InputError: a batch is no positive whole number, or is named twice.
    """
    batches = list(batches)
    require(len(batches) > 0, "`batches` must name a batch at least, got none.")
    for batch in batches:
        require_number("batches", batch, 1, 1e6, whole=True)
    require(len(set(batches)) == len(batches), f"`batches` must differ, got {batches}.")
    device, tell, graph = jax.devices()[0], progress or silent, jat.graph
    name = device.device_kind if name is None else name
    require_name("name", name)
    tables, wholes = [], []
    for batch in batches:
        bench = _Bench(jat, batch, np.random.default_rng(seed))
        table = bench.pieces()
        tell({"event": f"batch {batch}: {sum(t.seconds.size for t in table.timings)} pieces timed"})
        found = [bench.whole(number) for number in range(SUB_NETWORKS)]
        counts = np.stack([one.counts for one in found])
        table = _fitted(table, found, graph.costs.exact(counts)["bytes"])
        told = f"off by {table.error:.1%} in the median, {table.worst:.0%} at most"
        tell({"event": f"batch {batch}: {SUB_NETWORKS} whole sub-networks, {told}"})
        tables.append(table)
        wholes += found
    return Device(
        name=name,
        machine={
            "platform": device.platform,
            "kind": device.device_kind,
            "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "jax": jax.__version__,
        },
        network=jat.name,
        groups=tuple((group.name, group.size) for group in graph.groups),
        blocks=len(graph.blocks),
        outputs=graph.classes,
        timetables=tuple(tables),
        memory=_memory(jat, wholes),
    )


@dataclass(frozen=True)
class _Whole:
    """A whole sub-network as it was measured, for a batch.

    `needed` are the bytes that the compiler asks for besides arguments, `None` if it does not say.
    """

    counts: np.ndarray
    batch: int
    seconds: float
    spread: float
    needed: float | None


@dataclass(frozen=True)
class _Bench:
    """Times a network for batches of one size."""

    jat: Jat
    batch: int
    rng: np.random.Generator

    @cached_property
    def network(self) -> Traced:
        return self.jat.graph.graph.traced(self.jat.params, (self._row,))

    @property
    def _row(self) -> jax.ShapeDtypeStruct:
        row = self.jat.graph.inputs
        return jax.ShapeDtypeStruct((self.batch, *row.shape), row.dtype)

    def pieces(self) -> Timetable:
        """Time all pieces; alike ones once."""
        graph = self.jat.graph
        outputs = None
        if graph.head is not None:
            number = self.network.program.leaves[graph.head.kernel]
            outputs = self.network.relations.axes_of(number)[1]
        empty = timed(jax.jit(lambda array: array + 1), jnp.zeros(())).median
        numbers: dict[str, int] = {}
        timings, found, needs = [], [], []
        for piece in pieces(self.network, outputs):
            if piece.likeness not in numbers:
                numbers[piece.likeness] = len(timings)
                timings.append(self._timing(piece, empty))
            found.append((numbers[piece.likeness], piece.counts))
            first = len(graph.groups)
            needs.append(frozenset(frozenset(first + one for one in all) for all in piece.need))
        return Timetable(self.batch, tuple(timings), tuple(found), tuple(needs))

    def _timing(self, piece: Piece, empty: float) -> Timing:
        graph, count = self.jat.graph, len(piece.counts)
        sizes = dict(enumerate(graph.sizes)) | {
            len(graph.groups) + len(graph.blocks): graph.classes
        }
        levels = tuple(levels_of(sizes[one], count) for one in piece.counts)
        seconds = np.zeros([len(level) for level in levels])
        for place in itertools.product(*(range(len(level)) for level in levels)):
            kept = {
                one: level[row] for one, level, row in zip(piece.counts, levels, place, strict=True)
            }
            masks = [np.arange(size) < kept.get(one, size) for one, size in enumerate(graph.sizes)]
            resized = graph.resized(kept.get(len(graph.groups) + len(graph.blocks), graph.classes))
            run, inputs = piece.at(self.network, masks, resized)
            arrays = [self._array(one) for one in inputs]
            seconds[place] = max(timed(jax.jit(run), arrays).median - empty, 1e-9)
        return Timing(levels, seconds)

    def whole(self, number: int) -> _Whole:
        """Measure a sub-network, the whole network as number 0."""
        graph = self.jat.graph
        mean = self.rng.uniform(0.2, 1.0)
        genes = np.clip(self.rng.normal(mean, 0.15, len(graph.sizes)), 0, 1)
        kept = np.maximum(1, np.round(np.array(graph.sizes) ** genes)).astype(int)
        blocks = (self.rng.random(len(graph.blocks)) < 0.8).astype(int)
        if number == 0:
            kept, blocks = np.array(graph.sizes), np.ones_like(blocks)
        masks = [np.arange(size) < one for size, one in zip(graph.sizes, kept, strict=True)]
        masks += [np.array([bool(one)]) for one in blocks]
        small = graph.shrink(self.jat.params, masks)
        rows = self._array(self._row)
        compiled = jax.jit(small.apply).lower(small.params, rows).compile()
        found = timed(compiled, small.params, rows)
        memory = compiled.memory_analysis()
        needed = None if memory is None else float(memory.temp_size_in_bytes)
        counts = graph.counts(np.concatenate([kept, blocks]), graph.classes)
        return _Whole(counts, self.batch, found.median, found.spread / found.median, needed)

    def _array(self, struct: jax.ShapeDtypeStruct) -> Any:
        if jnp.issubdtype(struct.dtype, jnp.floating):
            drawn = self.rng.standard_normal(struct.shape, np.float32)
            return jnp.asarray(0.1 * drawn, struct.dtype)
        return jnp.ones(struct.shape, struct.dtype)


def _fitted(table: Timetable, wholes: Sequence[_Whole], weights: np.ndarray) -> Timetable:
    """Learn from whole sub-networks what lies between the pieces, and how large the error is.

    Relative errors are made small: small sub-networks count as much as large ones. For the error
    each one is foretold by what the others teach, the size of the cache included.

    Args:
      table: the pieces.
      wholes: what was measured.
      weights: the bytes of each.
    """
    sums, steps = table.sums(np.stack([one.counts for one in wholes]))
    seconds = np.array([one.seconds for one in wholes])

    def fitted(rows: np.ndarray) -> Timetable:
        # Of fits that are as good, that with the largest cache: it comes first.
        fits = [_fit(sums[rows], steps[rows], weights[rows], seconds[rows], one) for one in CACHES]
        numbers, cache, _ = min(fits, key=lambda fit: round(fit[2], 9))
        scale, step, constant, stream = map(float, numbers)
        return replace(table, scale=scale, step=step, constant=constant, cache=cache, stream=stream)

    every, off = np.arange(len(wholes)), []
    for one, whole in enumerate(wholes):
        others = fitted(every[every != one])
        off.append(others.seconds(whole.counts, weights[one]) / whole.seconds - 1)
    sizes = np.abs(off)
    spread = float(np.median([one.spread for one in wholes]))
    error, worst = float(np.median(sizes)), float(sizes.max())
    return replace(fitted(every), error=error, worst=worst, spread=spread)


def _fit(
    sums: np.ndarray, steps: np.ndarray, weights: np.ndarray, seconds: np.ndarray, cache: float
) -> tuple[np.ndarray, float, float]:
    """Return scale, step, constant and stream for a cache of these bytes, it, and the misfit."""
    streamed = np.maximum(weights - cache, 0)
    terms = np.stack([sums, steps, np.ones_like(sums), streamed], -1) / seconds[:, None]
    sizes = np.linalg.norm(terms, axis=0)  # seconds and bytes are of very different size
    used = sizes > 0  # nothing is streamed where all weights fit
    least = np.array([0, -np.inf, 0, 0])[used]
    # Few sub-networks, or ones with as many steps each, do not tell the terms apart: of the numbers
    # that fit them, the smallest.
    damped = np.concatenate([terms[:, used] / sizes[used], 1e-6 * np.eye(used.sum())])
    asked = np.repeat([1.0, 0.0], [len(terms), used.sum()])
    found = lsq_linear(damped, asked, bounds=(least, np.inf), method="bvls")
    numbers = np.zeros(4)
    numbers[used] = found.x / sizes[used]
    return numbers, cache, float(np.sum((terms @ numbers - 1) ** 2) / 2)


def _memory(jat: Jat, wholes: Sequence[_Whole]) -> Memory:
    """Learn what the compiler needs besides weights, where it says."""
    costs, told = jat.graph.costs, [one for one in wholes if one.needed]
    if len(told) < SUB_NETWORKS:
        return Memory(costs)
    counted = costs.exact(np.stack([one.counts for one in told]))["memory"]
    counted = counted * np.array([one.batch for one in told])
    terms = np.stack([counted, np.ones_like(counted)], -1) / [[one.needed] for one in told]
    (scale, constant), _ = nnls(terms[::2], np.ones(len(terms[::2])))
    off = np.abs(terms[1::2] @ [scale, constant] - 1)
    return Memory(costs, float(scale), float(constant), float(np.median(off)))
