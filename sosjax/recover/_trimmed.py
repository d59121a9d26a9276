"""The network as long as it is trained: without the rows of tables that no example reads."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from .._tree import named_leaves, with_leaves
from ..graph._lookup import rows_read, with_fewer_rows
from ..graph._subject import Subject
from ._course import Course

LEAST = 0.05
"""Of the whole network's numbers that must go at least: it has to be traced once more."""


@final
@dataclass(frozen=True, eq=False)
class Trimmed:
    """A network with smaller tables.

    Rows that no example reads have no gradient. Most of a table of embeddings is such, and most of
    what the optimiser would carry along for a small sub-network.

    Attributes:
      graph: the network with those tables; its groups and blocks are the whole network's.
      rows: which rows the tables have, by leaf.
    """

    graph: Subject
    rows: dict[str, np.ndarray]

    def take(self, params: Any) -> Any:
        """Return its leaves among full ones."""
        leaves = named_leaves(params)
        fewer = {name: np.asarray(leaves[name])[own] for name, own in self.rows.items()}
        return with_leaves(params, leaves | fewer)

    def put(self, params: Any, trimmed: Any) -> Any:
        """Return full leaves with its own in their places; other rows stay as they are."""
        leaves, own = named_leaves(params), named_leaves(trimmed)
        for name, rows in self.rows.items():
            table = np.array(leaves[name])
            table[rows] = own[name]
            own[name] = table
        return with_leaves(params, own)


def trim(graph: Subject, course: Course) -> Trimmed:
    """Return the network with the rows that lessons, calibration or validation read.

    Args:
      graph: the whole network.
      course: the examples.
    """
    batches = (course.lessons.batch, course.calibration, course.validation)
    leaves = named_leaves(graph.graph.shapes)
    read = rows_read(graph, *(batch.inputs for batch in batches)).items()
    found = {name: own for name, own in read if len(own) < len(leaves[name])}
    gone = sum(
        leaves[name].size * (1 - len(own) / len(leaves[name])) for name, own in found.items()
    )
    if gone < LEAST * sum(leaf.size for leaf in leaves.values()):
        return Trimmed(graph, {})
    return Trimmed(with_fewer_rows(graph, found), found)
