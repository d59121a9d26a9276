"""The fidelity of a fitness: does it know which sub-networks are best after recovery?"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._errors import InputError, require, require_number
from .._files import read_json, write_json
from .._progress import Progress, silent
from .._types import Array
from ..fitness._kernel import JUDGEMENTS, MODES, Kernel
from ..models._jat import Jat
from ..search._asked import asked_data, check_asked
from ..search._found import digest_of, of_tasks, settings_of
from ..search._judge import calibrated
from ..search._latency import with_latency
from ..search._problem import Problem
from ..search._run_folder import RunFolder
from ..search._settings import Settings
from ..sets._member import Member
from ..sets._origin import check_network
from ..sets._set_of_sets import SetOfSets
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ..training._orders import counts
from ..training._recovery import Recovery
from ._agreement import Agreement, agreement, mean_agreement
from ._case import Case
from ._correlation import DECADE, FEWEST, NOISE, levels
from ._course import course_of
from ._fine_tune import fine_tune
from ._foretold import unseen
from ._sample import key_of, sample, stacked
from ._trial import Trial, by_task, error_on_test, told

FORMAT = "sosjax-fidelity"
VERSION = 1
NAME = "fidelity.json"

SIZES = ("parameters", "flops")
"""Judges that look at nothing but a cost: what is larger is better."""


def fidelity(
    jat: Jat,
    sets: SetOfSets,
    data: Dataset | None,
    tasks: Sequence[Task],
    recovery: Recovery = Recovery(),
    *,
    candidates: int = 40,
    seed: int = 0,
    folder: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compare what each fitness says of sub-networks with their test errors after recovery.

    Candidates of all sizes, drawn from the encoding and taken from the sets, are judged in every
    way and then recovered alike. Test data is looked at here to report, and chooses nothing: no
    result of this belongs into a search on the same test data.

    Judges are those of `judges_of` on search data (leave-one-out where they fit a head),
    `"validation"`, the validation error of a calibrated candidate, the number of `"parameters"` and
    of `"flops"` (larger is better), and `"forecast"`, what rounds of recovery go by: it is foretold
    of each by its keep ratios, from the recovery of others alone. `"recovered"` is the validation
    error after recovery: no cheap judge can be expected to agree better than that.

    Args:
      jat: the network that the sets were found in.
      sets: what `search` returned.
      data: as for `search`.
      tasks: as for `search`.
      recovery: how to train.
      candidates: for each task; up to half of them are members.
      seed: of the draw.
      folder: where to keep checkpoints and `fidelity.json`; with the same arguments an interrupted
        comparison goes on from there. `None` keeps nothing.
      progress: called with `{"event": text}`.

    Returns:
      What `fidelity.json` holds: for the mean over tasks and for every task the `Agreement` of each
      judge, and for every task its candidates and levels of size with the standard error of a test
      error (binomial) beside the deviation of test errors within the level. Judges are compared
      within those levels whose errors differ by more than noise.

    Raises:
      InputError: the sets are not of this network, lack a task, candidates are too few, or an
        example is lacking.
    """
    require_number("candidates", candidates, FEWEST + 1, 10_000, whole=True)
    require_number("seed", seed, 0, 2**32 - 1, whole=True)
    check_network(jat, sets)
    sets = of_tasks(sets, tasks)
    check_asked(jat, data, tasks, (), bool(sets.facts["depth"]))
    tell = progress or silent
    path = None if folder is None else Path(folder)
    own = {"candidates": candidates, "sample": seed}
    asked = {"settings": asdict(recovery) | own, "sets": digest_of(sets)}
    asked |= {"data": asked_data(data, tasks)}
    run = None if path is None or not path.exists() else RunFolder.open(path, asked)
    if run is not None and (run.path / NAME).exists():
        return read_json(run.path / NAME)
    jat = with_latency(jat, sets.environments, settings_of(sets))
    problem = Problem(jat, data, tasks, settings_of(sets))
    members = _candidates(problem, sets, candidates, seed, tell)
    judged = _judged(problem, members, tell)
    cases = [Case(number, one) for number, own in enumerate(members) for one in own]
    course = course_of(problem, recovery)
    if run is None and path is not None:
        # Only now: what is refused before leaves no folder behind.
        run = RunFolder.create(path, asked, None)
    tell({"event": f"recovering {len(cases)} candidates"})
    place = None if run is None else run.checkpoints
    tuned = fine_tune(problem, cases, recovery, place, progress, course)
    rows = zip(cases, tuned, strict=True)
    trials = [Trial(case.task, case.member, became) for case, became in rows]
    foretold, error, found = unseen(problem, trials), error_on_test(problem), []
    for number, rows in enumerate(by_task(trials, len(members))):
        judged[number]["forecast"] = foretold[rows]
        recovered = told(error, number, [trials[row] for row in rows])
        found.append(_task(problem, number, sets, recovered, judged[number]))
    content = _content(sets, recovery, candidates, seed, found)
    if run is not None:
        write_json(run.path / NAME, content)
        run.remove_checkpoints()
    return content


def _candidates(
    problem: Problem, sets: SetOfSets, count: int, seed: int, tell: Progress
) -> list[list[Member]]:
    """Return calibrated candidates of every task."""
    tell({"event": f"drawing and calibrating {count} candidates for each task"})
    members = calibrated(problem, sample(problem, sets.tasks, count, seed))
    for task, own in zip(sets.tasks, members, strict=True):
        require(
            len(own) > FEWEST,
            f"`candidates` must be at least {FEWEST + 1} different sub-networks with finite errors "
            f"for each task, got {len(own)} for {task.name!r}.",
        )
    return members


def judges_of(settings: Settings) -> dict[str, tuple[Settings, int]]:
    """Return the judges of candidates by name: every fitness, and the divergence from the Jack.

    Returns:
      The settings of a search that judges so, and whether its error (0) or its divergence (1) is
      what the judge says.
    """
    settings = replace(settings, halving=())  # candidates are looked at once
    modes = {mode: (replace(settings, fitness=mode), 0) for mode in MODES}
    costs = [name for name in settings.objectives if name not in JUDGEMENTS]
    return modes | {"divergence": (replace(settings, objectives=(*JUDGEMENTS, *costs)), 1)}


def _judged(
    problem: Problem, members: list[list[Member]], tell: Progress
) -> list[dict[str, np.ndarray]]:
    """Return for every task what each judge says of its candidates, [M] each."""
    found: list[dict[str, np.ndarray]] = [{} for _ in members]
    masks = stacked([[one.masks for one in own] for own in members])
    for name, (settings, column) in judges_of(problem.settings).items():
        tell({"event": f"judging {sum(map(len, members))} candidates: {name}"})
        try:
            own = Problem(problem.jat, None, problem.tasks, settings)
        except InputError as error:
            tell({"event": f"{name} judges no candidate: {error}", "warning": True})
            continue
        said = jax.jit(partial(_said, own.kernel))(own.jat.params, own.search, masks)
        rows = np.asarray(said[column], float)
        for row, task, there in zip(rows, found, members, strict=True):
            task[name] = row[: len(there)]
    return found


def _said(kernel: Kernel, params: Any, search: Any, masks: list[Array]) -> tuple[Array, Array]:
    """Return errors and divergences [T, M] as a search sees them."""

    def one_task(row: Any) -> tuple[Array, Array]:
        task, own = row
        return jax.lax.map(
            lambda masks: kernel.judged(params, task, masks), own, batch_size=kernel.lanes
        )

    return jax.lax.map(one_task, (search, masks))


def _task(
    problem: Problem,
    number: int,
    sets: SetOfSets,
    recovered: Sequence[Member],
    judged: dict[str, np.ndarray],
) -> dict[str, Any]:
    """Return what is told of one task, as JSON."""
    scores = [one.scores for one in recovered]
    truth = np.array([one.test_error for one in scores])
    parameters = np.array([one.parameters for one in scores], float)
    columns = dict(judged)
    columns["validation"] = np.array([one.validation_error_before for one in scores], float)
    for cost in SIZES:
        columns[cost] = -np.array([one.costs[cost] for one in scores], float)
    columns["recovered"] = np.array([one.validation_error for one in scores], float)
    examples = int(counts(problem.test)[number])
    drawn = examples if problem.kind == "classes" else None
    sizes = [
        (rows, _level(level, truth[rows], drawn)) for level, rows in levels(parameters).items()
    ]
    telling = [rows for rows, level in sizes if level["differs"]]
    own = {key_of(member.masks) for member in sets.tasks[number].members}
    return {
        "name": problem.tasks[number].name,
        "examples": examples,
        "judges": {
            name: asdict(agreement(column, truth, telling)) for name, column in columns.items()
        },
        "levels": [level for _, level in sizes],
        "candidates": [
            {
                **asdict(one.scores),
                "kept": list(one.scores.kept),
                "member": key_of(one.masks) in own,
                "judged": {name: _finite(column[row]) for name, column in judged.items()},
            }
            for row, one in enumerate(recovered)
        ],
    }


def _level(number: int, truth: np.ndarray, examples: int | None) -> dict[str, Any]:
    """Return a level of size: its bounds, and whether its errors differ by more than noise."""
    noise = None if examples is None else float(np.sqrt((truth * (1 - truth)).mean() / examples))
    spread = float(truth.std(ddof=1))
    return {
        "low": round(10 ** (number / DECADE), 3),
        "high": round(10 ** ((number + 1) / DECADE), 3),
        "candidates": len(truth),
        "spread": round(spread, 6),
        "noise": None if noise is None else round(noise, 6),
        "differs": spread > NOISE * (noise or 0.0),
    }


def _content(
    sets: SetOfSets,
    recovery: Recovery,
    candidates: int,
    seed: int,
    found: list[dict[str, Any]],
) -> dict[str, Any]:
    names = list(found[0]["judges"])
    judgements = [name for name in sets.facts["objectives"] if name in JUDGEMENTS]
    means = {
        name: asdict(mean_agreement([Agreement(**task["judges"][name]) for task in found]))
        for name in names
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "network": sets.facts["network"]["name"],
        "data": sets.facts["data"]["name"],
        "kind": sets.facts.get("kind", "classes"),
        "own": [sets.facts["fitness"] if name == "error" else name for name in judgements],
        "recovery": asdict(recovery),
        "candidates": candidates,
        "seed": seed,
        "judges": means,
        "tasks": found,
    }


def _finite(value: Any) -> float | None:
    """Return a number for JSON, which has no infinity."""
    return round(float(value), 6) if np.isfinite(value) else None
