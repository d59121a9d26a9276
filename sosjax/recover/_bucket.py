"""Members of like widths, cut to common shapes, so that one program trains them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import numpy as np

from .._tree import named_leaves, with_leaves
from ..graph._graph import trace
from ..graph._head import Head
from ..graph._subject import Subject, subject
from ._case import kept_of

COMPILING = 3e11
"""FLOPs that take as long as compiling a program: about five seconds of a core."""
STEP = 3e8
"""FLOPs that take as long as what a step takes however small its network is: some milliseconds."""
WORTH = 0.9
"""What is left of the time in which all is done, at most, where a bucket is split."""

Masks = tuple[np.ndarray, ...]


@final
@dataclass(frozen=True, eq=False)
class Bucket:
    """Sub-networks in arrays of common shapes.

    Attributes:
      rows: which of the sub-networks that were given these are.
      graph: the network of the common shapes.
      wide: for each of them, what its arrays hold: masks that keep as many units as the widest.
    """

    rows: tuple[int, ...]
    graph: Subject
    wide: tuple[Masks, ...]


def buckets(
    graph: Subject,
    members: Sequence[Masks],
    classes: int,
    examples: float = 1e5,
    most: int = 32,
    side_by_side: int = 1,
    steps: int = 0,
) -> list[Bucket]:
    """Sort sub-networks into buckets.

    In a bucket every member runs at the width of the widest, in each group, and a bucket costs a
    compilation: two are joined as long as that takes less time in all. One that all others would
    have to be waited for is split.

    Args:
      graph: the network.
      members: the masks of each: of groups, then of blocks if any may be left out.
      classes: outputs of the head.
      examples: how many each member will go through, forwards.
      most: members of a bucket.
      side_by_side: buckets that are trained at the same time.
      steps: that each member will take.
    """
    kept = np.array([kept_of(masks) for masks in members])

    def cost(counts: np.ndarray, size: int) -> float:
        flops = float(graph.cost(counts, classes)["flops"])
        return COMPILING + size * (examples * flops + steps * STEP)

    # Largest first, so that each joins the bucket that it makes least more expensive.
    order = np.argsort(-np.asarray(graph.cost(kept, classes)["flops"]), kind="stable")
    found: list[tuple[np.ndarray, list[int]]] = []
    for row in order.tolist():
        best, saved = None, 0.0
        for place, (counts, rows) in enumerate(found):
            joined = np.maximum(counts, kept[row])
            apart = cost(counts, len(rows)) + cost(kept[row], 1)
            gain = apart - cost(joined, len(rows) + 1)
            if gain > saved and len(rows) < most:
                best, saved = place, gain
        if best is None:
            found.append((kept[row], [row]))
        else:
            counts, rows = found[best]
            found[best] = (np.maximum(counts, kept[row]), [*rows, row])
    shared = _shared_out([rows for _, rows in found], kept, cost, side_by_side)
    return [one for rows in shared for one in _alike(graph, members, rows, classes)]


def _shared_out(
    found: list[list[int]], kept: np.ndarray, cost: Callable[..., float], shares: int
) -> list[list[int]]:
    """Split buckets as long as all are done notably sooner; the longest come first.

    Args:
      found: the rows of each bucket, the largest sub-networks first.
      kept: counts of each sub-network.
      cost: of a bucket, by the counts of its arrays and the number of its members.
      shares: buckets side by side.
    """

    def own(rows: list[int]) -> float:
        return cost(kept[rows].max(0), len(rows))

    def time(costs: list[float]) -> float:
        return max(*costs, sum(costs) / shares)

    found = sorted(found, key=own, reverse=True)
    while found:
        rows, others = found[0], found[1:]
        costs = list(map(own, found))
        times = [
            time([own(rows[:cut]), own(rows[cut:]), *costs[1:]]) for cut in range(1, len(rows))
        ]
        if not times or min(times) > WORTH * time(costs):
            break
        cut = 1 + int(np.argmin(times))
        found = sorted([rows[:cut], rows[cut:], *others], key=own, reverse=True)
    return found


def _alike(
    graph: Subject, members: Sequence[Masks], rows: Sequence[int], classes: int
) -> list[Bucket]:
    """Return one bucket, or several where the same widths make different programs."""
    counts = [kept_of(members[row]) for row in rows]
    most = np.max(counts, 0).tolist()
    found: dict[str, tuple[_Program, list[int], list[Masks]]] = {}
    for row in rows:
        wide = tuple(_filled(mask, count) for mask, count in zip(members[row], most, strict=True))
        program = _cut(graph, wide, classes)
        _, own, masks = found.setdefault(program.text, (program, [], []))
        own.append(row)
        masks.append(wide)
    return [
        Bucket(tuple(own), program.subject(), tuple(masks))
        for program, own, masks in found.values()
    ]


def _filled(mask: np.ndarray, count: int) -> np.ndarray:
    """Return the mask with its first removed units put back, until it keeps `count`."""
    filled = np.array(mask, bool)
    filled[np.flatnonzero(~filled)[: count - filled.sum()]] = True
    return filled


class _Program(NamedTuple):
    """A cut network: a text that is the same for the same program, and what makes its graph."""

    text: str
    subject: Callable[[], Subject]


def _cut(graph: Subject, wide: Masks, classes: int) -> _Program:
    """Cut the network; its graph, which takes a second, is only made of what is asked for it."""
    shapes = graph.graph.shapes
    if graph.head is not None:
        resized = graph.resized(classes)
        sizes = {name: list(leaf.shape) for name, leaf in named_leaves(shapes).items()}
        for (name, axis), size in resized.items():
            sizes[name][axis] = size
        shapes = with_leaves(
            shapes,
            {
                name: jax.ShapeDtypeStruct(tuple(sizes[name]), leaf.dtype)
                for name, leaf in named_leaves(shapes).items()
            },
        )
    blank = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
    small = graph.shrink(blank, wide)
    example = jax.ShapeDtypeStruct((1, *graph.inputs.shape), graph.inputs.dtype)
    jaxpr = jax.make_jaxpr(small.apply)(small.params, example)
    constants = "".join(np.asarray(one).tobytes().hex() for one in jaxpr.consts)
    leaves = named_leaves(small.params)
    # Of a block that is gone nothing is estimated.
    left = tuple(pair for pair in graph.statistics if leaves[pair.mean].size > 0)

    def made() -> Subject:
        return subject(trace(small.apply, small.params, example), left, graph.head)

    return _Program(f"{jaxpr}{constants}", made)


def placed(
    graph: Subject, full: Any, masks: Masks, wide: Masks
) -> tuple[Any, dict[str, np.ndarray]]:
    """Cut a sub-network's leaves to the common shapes.

    Args:
      graph: the network.
      full: its leaves at full size.
      masks: which units it has.
      wide: which units its arrays hold.

    Returns:
      Its leaves, zero where a unit is held but gone, and for each leaf by path what is not.
    """
    numbers = named_leaves(full)
    resized = graph.resized(0 if graph.head is None else numbers[graph.head.bias].shape[0])
    kept = named_leaves(graph.graph.cut_params(full, masks, resized))
    nothing = with_leaves(
        full, {name: np.zeros(leaf.shape, bool) for name, leaf in numbers.items()}
    )
    ones = {name: np.ones(leaf.shape, bool) for name, leaf in kept.items()}
    there = graph.expanded(nothing, ones, masks)
    held = named_leaves(graph.graph.cut_params(jax.tree.map(np.asarray, there), wide, resized))
    small = graph.graph.cut_params(full, wide, resized)
    leaves = {
        name: np.where(held[name], leaf, 0).astype(leaf.dtype)
        for name, leaf in named_leaves(small).items()
    }
    return with_leaves(small, leaves), held


def widened(params: Any, head: Head | None, width: int) -> Any:
    """Return the parameters with zeros in the place of outputs that other tasks have more."""
    if head is None:
        return params
    leaves = named_leaves(params)
    more = [(0, width - leaves[head.bias].shape[0])]
    kernel = np.pad(np.asarray(leaves[head.kernel]), [(0, 0), *more])
    bias = np.pad(np.asarray(leaves[head.bias]), more)
    return with_leaves(params, leaves | {head.kernel: kernel, head.bias: bias})


def cropped(leaves: dict[str, Any], head: Head | None, width: int) -> dict[str, Any]:
    """Return leaves by path without the outputs that `widened` added."""
    if head is None:
        return leaves
    own = {head.kernel: leaves[head.kernel][:, :width], head.bias: leaves[head.bias][:width]}
    return leaves | own
