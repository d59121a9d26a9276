"""A run of its own process: `python child.py MOMENT FOLDER` searches and holds still at a moment.

There it writes `held` into the folder's parent and waits to be killed. `never` runs to the end. A
folder that is there is gone on with. A third argument names the cluster, as for the command line.
"""

import sys
import time
from pathlib import Path

import conftest  # noqa: F401  (the same settings of JAX, on which the last bits depend)
from problem import ENVIRONMENTS, SETTINGS, TASKS, make_data, perceptron

from sosjax import InputError, resume, search
from sosjax.cli._cluster import join, leave
from sosjax.search import _checkpoint as checkpoint
from sosjax.search import _driver as driver
from sosjax.sets import _store as store


def holding(folder, original, call):
    """Return a function that holds still at its `call`-th call and else is the original."""
    count = iter(range(1, 1000))

    def held(*arguments):
        if next(count) == call:
            (folder.parent / "held").write_text("")
            time.sleep(600)
        return original(*arguments)

    return held


def run(moment, folder):
    """Search, and hold still at a moment."""
    if moment != "never":
        module, name, call = {
            "amid the generations": (driver, "everywhere", 4),
            "before the first checkpoint": (driver, "save_checkpoint", 1),
            "between two checkpoints": (driver, "save_checkpoint", 2),
            "inside a checkpoint": (checkpoint, "write_json", 4),
            "inside the final sets": (store, "write_json", 1),
        }[moment]
        setattr(module, name, holding(folder, getattr(module, name), call))
    go_on = resume if folder.exists() else search
    go_on(perceptron(), make_data(), TASKS, ENVIRONMENTS, SETTINGS, folder=folder)


if __name__ == "__main__":
    join(*sys.argv[3:] or [None])
    try:
        run(sys.argv[1], Path(sys.argv[2]))
    except InputError as error:
        print(error)
        leave(2)
