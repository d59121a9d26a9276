"""A search, from what is asked to the sets, and one that goes on."""

from collections.abc import Sequence
from pathlib import Path

from .._files import require_new
from .._progress import Progress, silent
from ..environments._environment import Environment
from ..fitness._placement import leads
from ..models._adapted import JACK_NAME, load_adapted, save_adapted
from ..models._jat import Jat
from ..sets._set_of_sets import SetOfSets
from ..sets._store import JSON_NAME, load_sets, save_sets
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ..training._adaptation import Adaptation
from ._adapt import Adapting
from ._asked import asked_of, check_asked
from ._driver import Driver
from ._latency import with_latency
from ._problem import Problem
from ._run_folder import RunFolder
from ._settings import Settings


def search(
    jat: Jat,
    data: Dataset | None,
    tasks: Sequence[Task],
    environments: Sequence[Environment] = (),
    settings: Settings = Settings(),
    *,
    adaptation: Adaptation | None = None,
    folder: str | Path | None = None,
    config: str | None = None,
    progress: Progress | None = None,
) -> SetOfSets:
    """Find a Set of Sets in one pass.

    All devices share the populations out. Of several processes (`jax.distributed`) each calls this
    with the same, and the first writes and tells.

    Args:
      jat: the pretrained network.
      data: what tasks without data of their own are judged on; `None` if all have their own.
      tasks: one or more.
      environments: where members will run; the sets serve others too. The largest uniform cut that
        fits into each is judged as well, see `Settings.uniform`.
      settings: how to search.
      adaptation: how to adapt the network before, as `adapt` does; `None`: not at all.
      folder: a run folder to make, with a journal, checkpoints and the sets, and the weights of an
        adapted network; `None` keeps nothing.
      config: text to keep in the run folder as `config.toml`.
      progress: called with a dict for each generation (`generation`, `generations`,
        `evaluations`, `hypervolume` by task, `seconds`) and for each event (`event`: a sentence).

    Returns:
      For every task the members that no other beats on validation error and costs.

    Raises:
      InputError: something does not fit, before anything is compiled; or the folder exists.
    """
    check_asked(jat, data, tasks, environments, settings.depth)
    folder = folder if leads() else None
    if folder is not None:
        require_new("folder", Path(folder))
    progress = progress if progress and leads() else silent
    progress({"event": "calibrating the whole network and ranking its units for each task"})
    jat = with_latency(jat, environments, settings)
    # Before the folder: what does not fit, or cannot be ranked, leaves none behind.
    problem = Problem(jat, data, tasks, settings)
    problem.rankings()
    adapting = None if adaptation is None else Adapting(problem, adaptation)
    run = None
    if folder is not None:
        asked = asked_of(jat, data, tasks, environments, settings, adaptation)
        run = RunFolder.create(Path(folder), asked, config)
    if adapting is not None:
        jat = _adapted(adapting, run, progress)
        del adapting, problem  # their examples need not be in memory twice
        problem = Problem(jat, data, tasks, settings)
    return kept(Driver(problem, environments, progress).run(run), run)


def resume(
    jat: Jat,
    data: Dataset | None,
    tasks: Sequence[Task],
    environments: Sequence[Environment],
    settings: Settings,
    folder: str | Path,
    progress: Progress | None = None,
    *,
    adaptation: Adaptation | None = None,
) -> SetOfSets:
    """Go on with a search that was interrupted; ends with the sets of one that was not.

    Args:
      jat: as for `search`, and likewise the next four.
      data: the same data.
      tasks: the same tasks.
      environments: the same environments.
      settings: the same settings.
      folder: the run folder.
      progress: as for `search`.
      adaptation: the same adaptation; one that was not finished starts anew.

    Raises:
      InputError: the folder is no run of these, or of another version.
    """
    check_asked(jat, data, tasks, environments, settings.depth)
    asked = asked_of(jat, data, tasks, environments, settings, adaptation)
    jat = with_latency(jat, environments, settings)
    run = RunFolder.open(Path(folder), asked)
    if (run.path / JSON_NAME).exists():
        return load_sets(run.path)
    progress = progress if progress and leads() else silent
    if adaptation is not None and (run.path / JACK_NAME).exists():
        jat = load_adapted(run.path / JACK_NAME, jat)
    elif adaptation is not None:
        jat = _adapted(Adapting(Problem(jat, data, tasks, settings), adaptation), run, progress)
    problem = Problem(jat, data, tasks, settings)
    return kept(Driver(problem, environments, progress).run(run), run)


def _adapted(adapting: Adapting, run: RunFolder | None, progress: Progress) -> Jat:
    """Adapt the network, and keep its weights in the run's folder."""
    jat = adapting.run(progress)
    if run is not None and leads():
        save_adapted(run.path / JACK_NAME, jat)
    return jat


def kept(sets: SetOfSets, run: RunFolder | None) -> SetOfSets:
    """Write the sets into the run's folder, if there is one and this process leads; return them."""
    if run is not None and leads():
        save_sets(sets, run.path)
    return sets
