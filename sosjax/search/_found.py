"""The sets of an earlier search, held against what is asked of them now."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from .._errors import listing, require, require_known
from ..sets._set_of_sets import SetOfSets
from ..tasks._task import Task
from ._settings import Settings


def settings_of(sets: SetOfSets) -> Settings:
    """Return the settings of the search that found the sets."""
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in sets.facts.items() if name in known})


def of_tasks(sets: SetOfSets, tasks: Sequence[Task]) -> SetOfSets:
    """Return the sets of these tasks, in this order.

    Raises:
      InputError: there is none of one of them, or it is of other classes.
    """
    known = [task.name for task in sets.tasks]
    for task in tasks:
        require_known("tasks", task.name, known)
        own = sets.task(task.name).classes
        require(
            tuple(task.classes) == tuple(own),
            f"`tasks` {task.name} must have the classes of its set in their order, "
            f"{listing(own)}, got {listing(task.classes)}.",
        )
    return replace(sets, tasks=tuple(sets.task(task.name) for task in tasks))


def digest_of(sets: SetOfSets) -> str:
    """Return what tells sets apart."""
    digest = hashlib.sha256()
    for task in sets.tasks:
        for member in task.members:
            digest.update(repr((task.name, member.scores)).encode())
            for mask in member.masks:
                digest.update(np.packbits(mask).tobytes())
            for leaf in (*member.statistics.values(), member.kernel, *member.weights.values()):
                digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
