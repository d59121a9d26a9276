"""The recovery of a Set of Sets: every member trained further, the best epochs kept."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._tree import named_leaves, with_leaves
from ..fitness._recovery import Recovery
from ..models._jat import Jat
from ..pareto._dominance import nondominated
from ..search._asked import check_asked
from ..search._judge import share
from ..search._problem import Problem
from ..search._run_folder import RunFolder
from ..search._settings import Settings
from ..sets._member import Member
from ..sets._set_of_sets import SetOfSets, TaskSet
from ..sets._store import JSON_NAME, load_sets, save_sets
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ._case import Case, Healed
from ._heal import Progress, heal


def recover(
    jat: Jat,
    sets: SetOfSets,
    data: Dataset | None,
    tasks: Sequence[Task],
    recovery: Recovery = Recovery(),
    *,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> SetOfSets:
    """Train every member of every set further, on the search data of its task.

    Removed units stay removed. Epochs are chosen on validation data; a member that no epoch makes
    better stays as it came, and so does one whose numbers go beyond all bounds. Test data is looked
    at once, at the end, and chooses nothing.

    Args:
      jat: the network that the sets were found in.
      sets: what `search` returned.
      data: as for `search`.
      tasks: as for `search`.
      recovery: how to train.
      folder: where to keep checkpoints and the recovered sets; with the same arguments an
        interrupted recovery goes on from there to the same result. `None` keeps nothing.
      progress: called with `{"event": text}` after each epoch.

    Returns:
      For every task the members that no other beats on validation error and costs, with weights of
      their own; their scores say what they were before.

    Raises:
      InputError: the sets are not of this network and these tasks, or an example is lacking.
    """
    _check(jat, sets, tasks)
    check_asked(jat, data, tasks, (), bool(sets.facts["depth"]))
    run = None
    if folder is not None:
        path = Path(folder)
        asked = {"settings": asdict(recovery), "sets": _digest(sets)}
        run = RunFolder.open(path, asked) if path.exists() else RunFolder.create(path, asked, None)
        if (path / JSON_NAME).exists():
            return load_sets(path)
    problem = Problem(jat, data, tasks, settings_of(sets))
    cases = [
        Case(number, member.masks, full_params(jat, member))
        for number, task in enumerate(sets.tasks)
        for member in task.members
    ]
    healed = iter(heal(problem, cases, recovery, run, progress))
    found = [
        _task_set(task, [_recovered(member, next(healed)) for member in task.members])
        for task in sets.tasks
    ]
    recovered = replace(sets, tasks=tuple(found), facts=sets.facts | {"recovery": asdict(recovery)})
    if run is not None:
        save_sets(recovered, run.path)
    return recovered


def settings_of(sets: SetOfSets) -> Settings:
    """Return the settings of the search that found the sets."""
    known = {field.name for field in fields(Settings)}
    return Settings(**{name: value for name, value in sets.facts.items() if name in known})


def full_params(jat: Jat, member: Member) -> Any:
    """Return a member's leaves at full size."""
    leaves = member.leaves(named_leaves(jat.params), jat.graph.head)
    return jat.graph.expanded(with_leaves(jat.params, leaves), member.weights, member.masks)


def _recovered(member: Member, healed: Healed) -> Member:
    scores = replace(
        member.scores,
        validation_error=share(healed.after),
        test_error=share(healed.test),
        epoch=healed.epoch,
        validation_error_before=member.scores.validation_error,
        test_error_before=member.scores.test_error,
    )
    return replace(member, scores=scores, weights=healed.weights)


def _task_set(task: TaskSet, members: Sequence[Member]) -> TaskSet:
    """Return the set of those that none beats."""
    rows = [[one.scores.validation_error, *one.scores.costs.values()] for one in members]
    best = np.asarray(nondominated(jnp.asarray(rows, jnp.float32)))
    left = [member for member, stays in zip(members, best.tolist(), strict=True) if stays]
    return replace(task, members=tuple(left))


def _check(jat: Jat, sets: SetOfSets, tasks: Sequence[Task]) -> None:
    names = [task.name for task in tasks]
    require(
        names == [task.name for task in sets.tasks],
        f"`tasks` must be those of the sets, {[task.name for task in sets.tasks]}, got {names}.",
    )
    kept = [(group["name"], group["size"]) for group in sets.facts["network"]["groups"]]
    groups = [(group.name, group.size) for group in jat.graph.groups]
    require(
        kept[: len(groups)] == groups,
        f"`jat` must be the network of the sets, {sets.facts['network']['name']} with "
        f"{len(kept)} groups, got {jat.name} with other groups.",
    )


def _digest(sets: SetOfSets) -> str:
    digest = hashlib.sha256()
    for task in sets.tasks:
        for member in task.members:
            digest.update(repr((task.name, member.scores)).encode())
            for mask in member.masks:
                digest.update(np.packbits(mask).tobytes())
            for leaf in (*member.statistics.values(), member.kernel, *member.weights.values()):
                digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
