"""Tasks added to a Set of Sets: what other tasks keep is where their search begins."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from .._errors import require, require_number
from .._progress import Progress, silent
from ..fitness._placement import leads
from ..models._adapted import JACK_NAME, save_adapted
from ..models._jat import Jat
from ..sets._origin import check_network
from ..sets._set_of_sets import SetOfSets
from ..sets._store import JSON_NAME, load_sets
from ..tasks._dataset import Dataset
from ..tasks._task import Task, data_of
from ._asked import asked_of, check_asked
from ._driver import Driver
from ._found import digest_of, settings_of
from ._latency import with_latency
from ._problem import Problem
from ._run_folder import RunFolder
from ._search import kept


def extend(
    jat: Jat,
    sets: SetOfSets,
    data: Dataset | None,
    tasks: Sequence[Task],
    *,
    generations: int | None = None,
    folder: str | Path | None = None,
    config: str | None = None,
    progress: Progress | None = None,
) -> SetOfSets:
    """Add tasks to a Set of Sets; those that it has stay as they are.

    Only the new tasks are searched, with the settings of the sets. The first generation holds, to
    half of the population, what members of the other tasks keep, of all sizes.

    Args:
      jat: the network that the sets were found in; after an adaptation, the adapted one.
      sets: what `search`, `recover` or `extend` returned.
      data: what new tasks without data of their own are judged on; `None` if all have their own.
      tasks: the new ones.
      generations: of their search; `None`: as many as the sets had.
      folder: where to keep a journal, checkpoints and all sets; with the same arguments an
        interrupted search goes on from there to the same result. `None` keeps nothing.
      config: text to keep in the folder as `config.toml`.
      progress: as for `search`.

    Returns:
      The sets of all tasks, the new ones last. Members of new tasks are as the search finds them:
      `recover` trains the tasks that it is given, and leaves the others.

    Raises:
      InputError: something does not fit, before anything is compiled; a task of this name is there
        already; or the folder is of something else.
    """
    check_network(jat, sets)
    settings = settings_of(sets)
    count = settings.generations if generations is None else generations
    require_number("generations", count, 0, whole=True)
    settings = replace(settings, generations=count)
    check_asked(jat, data, tasks, sets.environments, settings.depth)
    _check_new(sets, [task.on(data) for task in tasks])
    path = None if folder is None else Path(folder)
    asked = {}
    if path is not None:  # digests of all weights, examples and members are for a folder alone
        asked = asked_of(jat, data, tasks, sets.environments, settings)
        asked |= {"extended": digest_of(sets)}
    run = RunFolder.open(path, asked) if path is not None and path.exists() else None
    if run is not None and (run.path / JSON_NAME).exists():
        return load_sets(run.path)
    # Before the folder: what does not fit, or cannot be ranked, leaves none behind.
    problem = Problem(with_latency(jat, sets.environments, settings), data, tasks, settings)
    problem.rankings()
    if run is None and path is not None and leads():
        run = RunFolder.create(path, asked, config)
    if run is not None and jat.adaptation is not None and leads():
        save_adapted(run.path / JACK_NAME, jat)
    progress = progress if progress and leads() else silent
    found = Driver(problem, sets.environments, progress, _known(problem, sets)).run(run)
    return kept(_joined(sets, found), run)


def _check_new(sets: SetOfSets, tasks: Sequence[Task]) -> None:
    """Refuse tasks that the sets have, and tasks of another kind."""
    names, kind = [task.name for task in sets.tasks], sets.facts.get("kind", "classes")
    for task in tasks:
        require(
            task.name not in names,
            f"`tasks` must be new, got {task.name!r}, of which there is a set already.",
        )
        require(
            data_of(task).kind == kind,
            f"`tasks` {task.name} must ask {kind}, as those of the sets do, got "
            f"{data_of(task).kind}.",
        )


def _known(problem: Problem, sets: SetOfSets) -> np.ndarray:
    """Return genotypes of what the members keep, smallest first, [N, D].

    There are at most half of a task's population, evenly spread over the order of sizes: from then
    on chance and the uniform cuts have their share.
    """
    members = [member for task in sets.tasks for member in task.members]
    members.sort(key=lambda member: (member.scores.parameters, member.scores.flops))
    every = [np.asarray(problem.encoding.encode(member.masks)) for member in members]
    distinct = list({row.tobytes(): row for row in every}.values())
    settings = problem.settings
    most = min(
        settings.population // 2, settings.population - (settings.uniform or 0), len(distinct)
    )
    places = np.unique(np.linspace(0, len(distinct) - 1, max(most, 0)).round().astype(int))
    empty = np.zeros((0, problem.encoding.dimensions), np.float32)
    return np.concatenate([empty, np.stack(distinct)[places]]) if len(places) else empty


def _joined(sets: SetOfSets, found: SetOfSets) -> SetOfSets:
    """Return the sets of both, with the facts of the first; what is known of each task of both."""
    data, new = sets.facts["data"], found.facts["data"]
    if new["name"] != data["name"]:
        data = {
            "name": f"{data['name']}, {new['name']}",
            "classes": list(dict.fromkeys([*data["classes"], *new["classes"]])),
            "sizes": {part: size + new["sizes"][part] for part, size in data["sizes"].items()},
            "notes": list(dict.fromkeys([*data["notes"], *new["notes"]])),
        }
    added = {
        "tasks": [task.name for task in found.tasks],
        "generations": found.facts["generations"],
    }
    facts = sets.facts | {
        "data": data,
        "units": sets.facts.get("units", {}) | found.facts["units"],
        "extended": [*sets.facts.get("extended", ()), added],
    }
    return replace(sets, tasks=(*sets.tasks, *found.tasks), facts=facts)
