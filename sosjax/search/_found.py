"""The sets of an earlier search, held against what is asked of them now."""

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from .._errors import require, require_known
from ..models._adapted import JACK_NAME
from ..models._jat import Jat
from ..sets._set_of_sets import SetOfSets
from ..tasks._task import Task
from ._settings import Settings


def settings_of(sets: SetOfSets) -> Settings:
    """Return the settings of the search that found the sets."""
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in sets.facts.items() if name in known})


def check_network(jat: Jat, sets: SetOfSets) -> None:
    """Refuse sets that are not of this network.

    Raises:
      InputError: they are not.
    """
    kept = [(group["name"], group["size"]) for group in sets.facts["network"]["groups"]]
    groups = [(group.name, group.size) for group in jat.graph.groups]
    require(
        kept[: len(groups)] == groups,
        f"`jat` must be the network of the sets, {sets.facts['network']['name']} with "
        f"{len(kept)} groups, got {jat.name} with other groups.",
    )
    dense = jat.graph.cost(np.asarray(jat.graph.sizes), jat.graph.classes)
    for cost in ("parameters", "bytes"):
        asked, known = int(dense[cost]), sets.facts["network"][cost]
        require(
            asked == known,
            f"`jat` must be the network of the sets, of {known:,} {cost}, got one of {asked:,}: "
            "it may hold other arrays beside its weights.",
        )
    require(
        sets.facts.get("adaptation") == jat.adaptation,
        f"`jat` must be the network of the sets as it was adapted (a run keeps its weights as "
        f"{JACK_NAME}), got {jat.name} with other weights.",
    )


def of_tasks(sets: SetOfSets, tasks: Sequence[Task]) -> SetOfSets:
    """Return the sets of these tasks, in this order.

    Raises:
      InputError: there is none of one of them.
    """
    known = [task.name for task in sets.tasks]
    for task in tasks:
        require_known("tasks", task.name, known)
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
