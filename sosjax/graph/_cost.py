"""Parameters, bytes, FLOPs and memory of every sub-network, from the number of units it keeps."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import jax.numpy as jnp
import numpy as np

COSTS = ("parameters", "bytes", "flops")

Terms = dict[tuple[int, ...], int]
"""A sum of products of kept counts: sorted numbers of counts -> factor. `()` is a constant."""


def product(parts: Iterable[Terms]) -> Terms:
    """Multiply sums of products."""
    total: Terms = {(): 1}
    for part in parts:
        wider: Counter[tuple[int, ...]] = Counter()
        for left, a in total.items():
            for right, b in part.items():
                wider[tuple(sorted((*left, *right)))] += a * b
        total = dict(wider)
    return total


def scaled(terms: Terms, factor: int, counts: Sequence[int] = ()) -> Terms:
    """Multiply by a number, and by counts."""
    return {tuple(sorted((*kinds, *counts))): factor * value for kinds, value in terms.items()}


@final
@dataclass(frozen=True)
class CostTable:
    """Costs as sums of products of kept units.

    Attributes:
      names: what is counted, [K].
      axes: int32 [rows, factors], which counts each product multiplies; -1 where none.
      weights: int64 [K, rows], how often each product is counted in each cost.
      points: int64 [points, rows], the bytes of activations alive at points of the run; the cost
        `memory` is the largest.
      shared: further counts made of those given, each one or zero: sets of counts, of one of which
        all must be one.
      further: costs that are no such sums, by name: of counts [..., counts] and `numpy` or
        `jax.numpy`.
    """

    names: tuple[str, ...]
    axes: np.ndarray
    weights: np.ndarray
    points: np.ndarray
    shared: tuple[frozenset[frozenset[int]], ...] = ()
    further: dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)

    def exact(self, kept: np.ndarray) -> dict[str, np.ndarray]:
        """Return the costs in whole numbers, int64 [...] by name, for counts [..., counts]."""
        return self._costs(np.asarray(kept, np.int64), np)

    def approximate(self, kept: Any) -> dict[str, Any]:
        """Return the costs as float32 arrays, for use inside `jax.jit`; exact below 2^24."""
        return self._costs(jnp.asarray(kept, jnp.float32), jnp)

    def _costs(self, kept: Any, xp: Any) -> dict[str, Any]:
        made = [self._any(kept, sets, xp) for sets in self.shared]
        extended = xp.concatenate([kept, *made, xp.ones((*kept.shape[:-1], 1), kept.dtype)], -1)
        products = xp.prod(extended[..., self.axes], -1)[..., None, :]
        # Explicit sums: a matrix product may run in reduced precision on an accelerator.
        totals = xp.sum(products * self.weights.astype(kept.dtype), -1)
        memory = xp.max(xp.sum(products * self.points.astype(kept.dtype), -1), -1)
        costs = {name: totals[..., index] for index, name in enumerate(self.names)}
        others = {name: cost(kept, xp) for name, cost in self.further.items()}
        return costs | {"memory": memory} | others

    def _any(self, kept: Any, sets: Iterable[frozenset[int]], xp: Any) -> Any:
        """Return whether all counts of one of the sets are one, [..., 1]."""
        every = [xp.prod(kept[..., np.array(sorted(one))], -1) for one in sets]
        return xp.max(xp.stack(every, -1), -1, keepdims=True)


def cost_table(
    costs: dict[str, Terms],
    points: Sequence[Terms],
    shared: tuple[frozenset[frozenset[int]], ...] = (),
) -> CostTable:
    """Write sums of products as arrays; equal products are counted together."""
    everything = [*costs.values(), *points]
    kinds = sorted({kind for terms in everything for kind in terms} | {()})
    width = max(1, *(len(kind) for kind in kinds))
    axes = [[*kind, *[-1] * (width - len(kind))] for kind in kinds]

    def rows(parts: Iterable[Terms]) -> np.ndarray:
        return np.array([[terms.get(kind, 0) for kind in kinds] for terms in parts], np.int64)

    return CostTable(
        tuple(costs), np.array(axes, np.int32), rows(costs.values()), _highest(rows(points)), shared
    )


def _highest(points: np.ndarray) -> np.ndarray:
    """Leave out points that another one is never below."""
    points = np.unique(points, axis=0)
    left = np.ones(len(points), bool)
    for place, row in enumerate(points):
        left[place] = False
        left[place] = not (points[left] >= row).all(1).any()
    return points[left]


def axis_terms(table: np.ndarray | None, size: int, groups: Sequence[int]) -> Terms:
    """Return how many indices of an axis are there.

    Args:
      table: the masks along the axis, int [n, k]; `None` where all stay.
      size: the axis' full size.
      groups: the units in each group.
    """
    if table is None:
        return {(): size}
    ends = np.cumsum([1, *groups])
    kinds = np.where(table == 0, -1, np.searchsorted(ends, table, side="right") - 1)
    rows, counts = np.unique(np.sort(kinds, 1), axis=0, return_counts=True)
    terms: Terms = {}
    for row, count in zip(rows, counts, strict=True):
        kind = tuple(int(group) for group in row if group >= 0)
        terms[kind] = int(count) // math.prod(groups[group] for group in kind)
    return terms
