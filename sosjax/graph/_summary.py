"""What can be removed and what cannot, as a table to read."""

from collections.abc import Sequence

import numpy as np

from .._errors import listing
from ._cost import CostTable
from ._traced import Traced


def summary(
    network: Traced, costs: CostTable, kept: np.ndarray, pinned: dict[tuple[str, int], str]
) -> str:
    """Write down groups and blocks with the cost of one unit, and reasons for the rest.

    Args:
      network: the traced network.
      costs: its costs.
      kept: the full counts: of groups, then of blocks.
      pinned: why leaf axes are not cut.
    """
    groups = network.layout.groups
    full, fewer = costs.exact(kept), costs.exact(kept - np.eye(len(kept), dtype=np.int64))
    saved = {name: full[name] - fewer[name] for name in ("parameters", "flops")}
    head = ("group", "units", "params/unit", "FLOPs/unit", "cuts")
    rows = [
        (
            group.name,
            f"{group.size:,}",
            f"{saved['parameters'][place]:,}",
            f"{saved['flops'][place]:,}",
            _where(network, group.places, 3),
        )
        for place, group in enumerate(groups)
    ]
    lines = [
        f"{full['parameters']:,} parameters, {full['flops']:,} FLOPs, {full['memory']:,} bytes of "
        f"activations; {sum(group.size for group in groups):,} units in {len(groups)} groups",
        "",
        *_aligned([head, *rows]),
    ]
    lines += _blocks(network, saved)
    lines += _pinned(network, pinned)
    lines += _remarks(network)
    return "\n".join(lines)


def _where(network: Traced, places: Sequence[tuple[str, int]], limit: int) -> str:
    """Name leaf axes, those of matrices first."""
    leaves = network.program.leaves

    def order(place: tuple[str, int]) -> bool:
        return len(network.relations.shape(leaves[place[0]])) < 2

    return listing((f"{leaf}[{axis}]" for leaf, axis in sorted(places, key=order)), limit)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell if column == last else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _blocks(network: Traced, saved: dict[str, np.ndarray]) -> list[str]:
    if not network.branches:
        return []
    first = len(network.layout.groups)
    rows = [
        (
            branch.block.name,
            f"{saved['parameters'][first + place]:,}",
            f"{saved['flops'][first + place]:,}",
            network.program.region.equations[branch.equation].source,
        )
        for place, branch in enumerate(network.branches)
    ]
    return ["", *_aligned([("block (can be skipped)", "params", "FLOPs", "joined at"), *rows])]


def _pinned(network: Traced, pinned: dict[tuple[str, int], str]) -> list[str]:
    places: dict[str, list[tuple[str, int]]] = {}
    for place, reason in pinned.items():
        places.setdefault(reason, []).append(place)
    rows = [
        (reason, f"{len(several):,}", _where(network, several, 2))
        for reason, several in places.items()
    ]
    return ["", *_aligned([("not cut, because", "axes", "where"), *rows])] if rows else []


def _remarks(network: Traced) -> list[str]:
    remarks = [
        f"no rule is known for `{name}`{' at ' + place if place else ''}: all that it touches stays"
        for name, place in network.relations.unknown.items()
    ]
    remarks += [*network.program.notes, *network.relations.notes]
    return ["", *remarks] if remarks else []
