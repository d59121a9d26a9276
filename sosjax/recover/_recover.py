"""The recovery of a Set of Sets: every member trained further, the best epochs kept."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from .._progress import Progress
from ..models._jat import Jat
from ..search._asked import asked_data, check_asked
from ..search._found import digest_of, of_tasks, settings_of
from ..search._latency import with_latency
from ..search._problem import Problem
from ..search._run_folder import RunFolder
from ..sets._origin import check_network
from ..sets._set_of_sets import SetOfSets
from ..sets._store import JSON_NAME, load_sets, save_sets
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ..training._recovery import Recovery
from ._course import course_of
from ._foretold import averaged
from ._rounds import recovered
from ._trial import Trial, by_task, error_on_test, told, unbeaten


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

    What recovery makes of them teaches where better ones are: as often as `recovery.rounds` says,
    further members are sought by that knowledge, within the sets' environments and between them,
    and recovered alike.

    Removed units stay removed. Epochs are chosen on validation data; a member that no epoch makes
    better stays as it came, and so does one whose numbers go beyond all bounds. Test data is looked
    at once, at the end, and chooses nothing.

    Args:
      jat: the network that the sets were found in.
      sets: what `search` returned.
      data: as for `search`.
      tasks: as for `search`; those of the sets that are not named here stay as they are.
      recovery: how to train.
      folder: where to keep checkpoints and the recovered sets; with the same arguments an
        interrupted recovery goes on from there to the same result. `None` keeps nothing.
      progress: called with `{"event": text}` after each epoch.

    Returns:
      For every task named the members that no other beats on costs and validation error, which
      after further rounds is averaged over sub-networks like it; with weights of their own. Their
      scores say what they were before.

    Raises:
      InputError: the sets are not of this network, lack a task, or an example is lacking.
    """
    check_network(jat, sets)
    own = of_tasks(sets, tasks)
    places = sets.environments if recovery.rounds else ()
    check_asked(jat, data, tasks, places, bool(sets.facts["depth"]))
    path = None if folder is None else Path(folder)
    asked = {"settings": asdict(recovery), "sets": digest_of(sets)}
    asked |= {"tasks": [task.name for task in tasks], "data": asked_data(data, tasks)}
    asked |= {"environments": [one.content() for one in places]}
    run = None if path is None or not path.exists() else RunFolder.open(path, asked)
    if run is not None and (run.path / JSON_NAME).exists():
        return load_sets(run.path)
    jat = with_latency(jat, sets.environments, settings_of(sets))
    problem = Problem(jat, data, tasks, settings_of(sets))
    course = course_of(problem, recovery)
    if run is None and path is not None:
        # Only now: what is refused before leaves no folder behind.
        run = RunFolder.create(path, asked, None)
    place = None if run is None else run.checkpoints
    trials = averaged(problem, recovered(problem, own, recovery, course, place, progress), recovery)
    fronts, error = _fronts(problem, trials), error_on_test(problem)
    found = {
        task.name: replace(task, members=told(error, number, fronts[number]))
        for number, task in enumerate(own.tasks)
    }
    facts = sets.facts | {"recovery": asdict(recovery) | {"recovered": len(trials)}}
    every = tuple(found.get(task.name, task) for task in sets.tasks)
    found_sets = replace(sets, tasks=every, facts=facts)
    if run is not None:
        save_sets(found_sets, run.path)
        run.remove_checkpoints()
    return found_sets


def _fronts(problem: Problem, trials: Sequence[Trial]) -> list[list[Trial]]:
    """Return for each task what no other beats, smallest first."""
    fronts = []
    for rows in by_task(trials, len(problem.tasks)):
        own = [trials[row] for row in rows]
        left = [own[row] for row in unbeaten(problem, own, [trial.error for trial in own])]
        fronts.append(
            sorted(left, key=lambda one: (one.member.scores.parameters, one.member.scores.flops))
        )
    return fronts
