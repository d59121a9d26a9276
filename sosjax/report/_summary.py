"""What a script wants to know of a report."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._content import content
from ._result import Result

FORMAT = "sosjax-report-summary"
VERSION = 1


def summary(result: Result, page: Path, figures: Sequence[Path]) -> dict[str, Any]:
    """Return what `sosjax report --json` prints.

    `page` and `figures` are the files; of each task the number of its members, and the member that
    each environment of the run selects, by its place in `sets.json`, and `null` where none fits;
    `hypervolume` is that of each task after the last generation in the journal; `problems` are
    sentences on what could not be read.
    """
    shown = content(result)
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": result.folder,
        "page": str(page),
        "figures": [str(one) for one in figures],
        "finished": result.finished,
        "recovered": shown["recovered"],
        "tasks": [
            {
                "name": task["name"],
                "members": len(task["members"]),
                "chosen": task["chosen"],
            }
            for task in shown["tasks"]
        ],
        "hypervolume": {name: curve[-1][1] for name, curve in result.curves.items()},
        "problems": shown["problems"],
    }
