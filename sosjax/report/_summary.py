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

    `page` and `figures` are the files; of each task the number of its members, the member that each
    environment of the run selects, by its place in `sets.json`, and `null` where none fits, and
    the hypervolume after the last generation, `null` without a journal; `problems` are sentences on
    what could not be read.
    """
    shown = content(result)
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": result.folder,
        "page": str(page),
        "figures": [str(one) for one in figures],
        "recovered": shown["recovered"],
        "tasks": [
            {
                "name": task["name"],
                "members": len(task["members"]),
                "chosen": task["chosen"],
                "hypervolume": task["hypervolume"][-1][1] if task["hypervolume"] else None,
            }
            for task in shown["tasks"]
        ],
        "problems": shown["problems"],
    }
