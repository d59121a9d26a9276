"""How long sub-networks take on a device, from the seconds of their pieces at a few widths."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, final

import numpy as np

TILE = 8
"""Widths that are multiples of it run faster than their neighbours, by up to three times."""


@final
@dataclass(frozen=True, eq=False)
class Timing:
    """The seconds of a piece at a grid of counts, shared by all pieces that are alike.

    Attributes:
      levels: for each count that the piece depends on the values timed, rising.
      seconds: float [levels of the first count, of the second, ...], what calling it costs left
        out.
    """

    levels: tuple[tuple[int, ...], ...]
    seconds: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class Timetable:
    """A network's pieces on a device, for batches of one size.

    Counts are numbered: groups, then blocks, then the outputs of the head.

    Attributes:
      batch: examples side by side.
      timings: what was timed.
      pieces: for each piece the number of its timing, and the counts it depends on.
      needs: for each piece sets of counts of blocks: it runs if all of one of the sets are there.
      scale: what the sum of the pieces' seconds is multiplied by, from whole sub-networks.
      step: seconds that each piece takes besides; negative where calling it alone costs more.
      constant: seconds that every call takes besides.
      cache: bytes of weights that stay close to the processor from one call to the next; a piece
        that was timed alone always found its own there.
      stream: seconds that each byte of weights beyond them takes.
      error: the median error of the latency of whole sub-networks that had no part in these five,
        relative to what was measured.
      worst: the largest of these errors.
      spread: the median spread of these measurements, relative.
    """

    batch: int
    timings: tuple[Timing, ...]
    pieces: tuple[tuple[int, tuple[int, ...]], ...]
    needs: tuple[frozenset[frozenset[int]], ...]
    scale: float = 1.0
    step: float = 0.0
    constant: float = 0.0
    cache: float = 0.0
    stream: float = 0.0
    error: float = float("nan")
    worst: float = float("nan")
    spread: float = float("nan")

    def seconds(self, counts: Any, weights: Any = 0.0, xp: Any = np) -> Any:
        """Return the predicted latency of sub-networks.

        Args:
          counts: [..., counts], units kept in each group, whether each block is there, outputs.
          weights: their bytes, [...].
          xp: `numpy`, or `jax.numpy` inside `jit`.

        Returns:
          Seconds for a batch, [...]; at least a tenth of what its pieces take.
        """
        total, steps = self.sums(counts, xp)
        streamed = self.stream * xp.maximum(weights - self.cache, 0.0)
        found = self.scale * total + self.step * steps + self.constant + streamed
        return xp.maximum(found, self.scale * total / 10)

    def sums(self, counts: Any, xp: Any = np) -> tuple[Any, Any]:
        """Return the sum of the seconds of the pieces that run, and how many run, each [...]."""
        there = self._there(counts, xp)
        return xp.sum(there * self._pieces(counts, xp), -1), xp.sum(there, -1)

    def _there(self, counts: Any, xp: Any) -> Any:
        """Return which pieces run, as 0 and 1, [..., pieces]."""
        found = []
        for need in self.needs:
            every = [xp.prod(counts[..., np.array(sorted(one), int)], -1) for one in need]
            found.append(xp.max(xp.stack(every, -1), -1))
        return xp.stack(found, -1)

    def _pieces(self, counts: Any, xp: Any) -> Any:
        """Return the seconds of every piece, [..., pieces]: linear between logarithms."""
        grid = self._grid
        ones = xp.ones((*counts.shape[:-1], 1), counts.dtype)
        own = xp.concatenate([counts, ones], -1)[..., grid.counts]  # [..., pieces, D]
        aligned = (own % TILE == 0)[..., None]
        levels = xp.where(aligned, grid.levels[:, :, 1], grid.levels[:, :, 0])
        nodes = xp.where(aligned, grid.nodes[:, :, 1], grid.nodes[:, :, 0])
        place = xp.log(xp.maximum(own, 1))[..., None]
        left = xp.clip(xp.sum(levels <= place, -1, keepdims=True) - 1, 0, levels.shape[-1] - 2)
        low, high = (xp.take_along_axis(levels, left + one, -1) for one in (0, 1))
        ends = [xp.take_along_axis(nodes, left + one, -1)[..., 0] for one in (0, 1)]
        part = xp.clip((place - low) / xp.maximum(high - low, 1e-9), 0, 1)[..., 0]
        total = xp.zeros(own.shape[:-1])
        for corner in product((0, 1), repeat=own.shape[-1]):
            axes = list(enumerate(corner))
            weight = xp.stack([part[..., d] if c else 1 - part[..., d] for d, c in axes], -1)
            index = sum(ends[c][..., d] * grid.strides[d] for d, c in axes)
            row = xp.arange(len(self.pieces)) * grid.seconds.shape[-1]
            total = total + xp.prod(weight, -1) * xp.asarray(grid.seconds.reshape(-1))[row + index]
        return xp.exp(total)

    @property
    def _grid(self) -> "_Grid":
        return _grid(self)


@final
@dataclass(frozen=True, eq=False)
class _Grid:
    """A timetable as arrays of one shape for all pieces.

    Attributes:
      counts: int [pieces, D], -1 where a piece depends on fewer counts.
      levels: [pieces, D, 2, L], logarithms of the widths timed: first those that are no multiples
        of `TILE`, then those that are.
      nodes: int, likewise, which row of the grid that is.
      strides: of the grid's axes.
      seconds: logarithms, [pieces, N^D].
    """

    counts: np.ndarray
    levels: np.ndarray
    nodes: np.ndarray
    strides: list[int]
    seconds: np.ndarray


def _grid(table: Timetable) -> _Grid:
    deepest = max(1, *(len(own) for _, own in table.pieces))
    widest = max([2, *(len(level) for one in table.timings for level in one.levels)])
    shape = (len(table.pieces), deepest, 2, widest)
    counts = np.full(shape[:2], -1)
    levels, nodes = np.zeros(shape), np.zeros(shape, int)
    seconds = np.zeros((shape[0], *[widest] * deepest))
    for row, (number, own) in enumerate(table.pieces):
        timing = table.timings[number]
        counts[row, : len(own)] = own
        for axis, known in enumerate(timing.levels):
            for kind in (0, 1):
                rows = _of_kind(known, bool(kind))
                rows = rows + rows[-1:] * (widest - len(rows))
                nodes[row, axis, kind] = rows
                levels[row, axis, kind] = np.log([known[place] for place in rows])
        logs = np.log(np.maximum(timing.seconds, 1e-9))
        logs = logs.reshape(logs.shape + (1,) * (deepest - logs.ndim))
        seconds[row] = np.pad(logs, [(0, widest - size) for size in logs.shape], "edge")
    strides = [widest ** (deepest - 1 - axis) for axis in range(deepest)]
    return _Grid(counts, levels, nodes, strides, seconds.reshape(shape[0], -1))


def _of_kind(levels: Sequence[int], aligned: bool) -> list[int]:
    """Return which levels are multiples of `TILE`, or are not; all if there are none such."""
    rows = [row for row, level in enumerate(levels) if (level % TILE == 0) == aligned]
    return rows or list(range(len(levels)))


def levels_of(size: int, counts: int) -> tuple[int, ...]:
    """Return which widths of a group to time, in a piece that depends on so many counts."""
    aligned, other = {1: (4, 5), 2: (3, 4)}.get(counts, (2, 2))
    found = {size}
    if size >= TILE:
        largest = size - size % TILE
        found |= {TILE * round(one / TILE) for one in np.geomspace(TILE, largest, aligned)}
    for one in np.geomspace(max(1, size / 32), size, other):
        found.add(max(1, int(one) - (int(one) % TILE == 0)))
    return tuple(sorted(found))
