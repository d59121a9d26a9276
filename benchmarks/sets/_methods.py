"""What every method proposes: sub-networks of every task, judged on validation data alike."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax import Member, Scores, SetOfSets, Task
from sosjax.search._judge import Candidates, calibrated, judge
from sosjax.search._problem import Problem
from sosjax.search._uniform import global_candidates, uniform_candidates

from ._flagship import MATCHED, Flagship
from ._numbers import OURS

SHARES = 400
"""Shares that a baseline without a search is sized by: the largest within each budget."""
SEARCHES: dict[str, dict[str, Any]] = {
    OURS: {},
    "random search": {"strategy": "random"},
    "no transfer": {"strategy": "mo-mfea", "rmp": 0.0},
    "paper's way": {
        "strategy": "mo-mfea",
        "rmp": 0.4,
        "encoding": "bits",
        "fitness": "raw",
        "ranking": "taylor",
        "depth": False,
        "uniform": 0,
    },
}
SINGLE = "single-task NSGA-II"
"""`mo-mfea` with one task does what NSGA-II does: see `sosjax.strategies.NSGA2`."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Proposals:
    """What the methods found.

    Attributes:
      jacks: the whole network's scores for each task.
      members: by method, for each task: of a search, what no other member of it beats on validation
        data; else the largest within each budget, unchosen.
      sized: the methods that do not search.
      seconds: by method, of its search.
      sets: what the shown search returned.
    """

    jacks: list[Scores]
    members: dict[str, list[list[Member]]]
    sized: frozenset[str]
    seconds: dict[str, float]
    sets: SetOfSets


def proposals(flagship: Flagship, problem: Problem, folder: Path, tell: Tell) -> Proposals:
    """Search by every method and judge all on the same examples.

    Args:
      flagship: the network, its tasks and the settings of this seed.
      problem: the same, laid out.
      folder: where finished searches are kept.
      tell: called with what was done.
    """
    seconds: dict[str, float] = {}
    found: dict[str, SetOfSets] = {}
    for name, changes in SEARCHES.items():
        found[name], seconds[name] = searched(flagship, flagship.tasks, changes, folder / name)
        tell(f"{name}: {seconds[name]:.0f} s")
    single, seconds[SINGLE] = [], 0.0
    for task in flagship.tasks:
        place = folder / SINGLE / task.name
        sets, each = searched(flagship, [task], {"strategy": "mo-mfea"}, place)
        single.append(list(sets.tasks[0].members))
        seconds[SINGLE] += each
    tell(f"{SINGLE}: {seconds[SINGLE]:.0f} s")
    start = time.perf_counter()
    # Judged once more, since each was judged on other draws or with another head.
    sources = {SINGLE: of_members(problem, single)}
    sources["paper's way"] = of_members(
        problem, [list(task.members) for task in found["paper's way"].tasks]
    )
    judged = judge(problem, list(sources.values()))
    bare = baselines(flagship, problem)
    members = {name: [list(task.members) for task in sets.tasks] for name, sets in found.items()}
    for place, name in enumerate(sources):
        members[name] = [list(own[place].values()) for _, own in judged]
    # Whole: what is beaten before recovery need not be after it.
    members |= {name: calibrated(problem, rows) for name, rows in bare.items()}
    seconds |= dict.fromkeys(bare, 0.0)
    tell(f"judging: {time.perf_counter() - start:.0f} s")
    return Proposals([jack for jack, _ in judged], members, frozenset(bare), seconds, found[OURS])


def searched(
    flagship: Flagship, tasks: Sequence[Task], changes: dict[str, Any], folder: Path
) -> tuple[SetOfSets, float]:
    """Return what a search finds and its seconds; a finished one is read again."""
    told = folder / "seconds.json"
    if told.exists():
        return sosjax.load_sets(folder), json.loads(told.read_text())
    start = time.perf_counter()
    settings = replace(flagship.settings, **changes)
    sets = sosjax.search(flagship.jat, flagship.data, tasks, (), settings)
    seconds = time.perf_counter() - start
    folder.mkdir(parents=True, exist_ok=True)
    sosjax.save_sets(sets, folder)
    told.write_text(json.dumps(seconds))
    return sets, seconds


def baselines(flagship: Flagship, problem: Problem) -> dict[str, Candidates]:
    """Return shares of all groups over rankings, as large as each budget allows."""

    def ranked(name: str) -> Problem:
        # Nothing is judged by it: compensation would be prepared for nothing.
        settings = replace(flagship.settings, ranking=name, fitness="recalibrated")
        return Problem(problem.jat, flagship.data, flagship.tasks, settings)

    by_magnitude, by_taylor = ranked("magnitude"), ranked("taylor")
    grids = {
        "uniform Taylor": uniform_candidates(by_taylor, by_taylor.rankings(), SHARES),
        "uniform magnitude": uniform_candidates(by_magnitude, by_magnitude.rankings(), SHARES),
        "global Taylor": global_candidates(by_taylor, None, SHARES),
    }
    if flagship.matched:
        grids[MATCHED] = grids["uniform Taylor"]
    return {
        name: sized(problem, grid, flagship.cost, flagship.sizes(name))
        for name, grid in grids.items()
    }


def sized(problem: Problem, grid: Candidates, cost: str, budgets: Sequence[float]) -> Candidates:
    """Return of every task's candidates the largest within each budget, [T, budgets]."""
    masks = [np.asarray(mask) for mask in grid.masks]
    kept = np.stack([mask.sum(-1) for mask in masks], -1)
    rows, wanted = [], []
    for number in range(len(problem.tasks)):
        dense = problem.whole[number][cost]
        costs = problem.cost(number, kept[number])[cost]
        own = [largest(costs, budget * dense) for budget in budgets]
        rows.append([0 if row is None else row for row in own])
        wanted.append([row is not None for row in own])
    places = np.array(rows)
    chosen = [jnp.asarray(mask[np.arange(len(mask))[:, None], places]) for mask in masks]
    return Candidates(chosen, jnp.asarray(wanted))


def largest(costs: np.ndarray, limit: float) -> int | None:
    """Return which cost is the largest within the limit."""
    fitting = np.where(costs <= limit, costs, -1)
    best = int(fitting.argmax())
    return best if fitting[best] >= 0 else None


def of_masks(rows: Sequence[Sequence[Sequence[np.ndarray]]], sizes: Sequence[int]) -> Candidates:
    """Return candidates of lists of masks, for each task one; blocks that are not named are there.

    Args:
      rows: for each task its sub-networks, each a mask for each group.
      sizes: units in each group, then 1 for each block.
    """
    count = max(1, *(len(own) for own in rows))
    masks = [np.ones((len(rows), count, size), bool) for size in sizes]
    for task, own in enumerate(rows):
        for row, groups in enumerate(own):
            for place, mask in enumerate(groups):
                masks[place][task, row] = mask
    wanted = [[row < len(own) for row in range(count)] for own in rows]
    return Candidates([jnp.asarray(mask) for mask in masks], jnp.asarray(wanted))


def of_members(problem: Problem, rows: Sequence[Sequence[Member]]) -> Candidates:
    """Return candidates of members of each task."""
    return of_masks([[member.masks for member in own] for own in rows], problem.mask_sizes)
