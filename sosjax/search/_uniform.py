"""The baseline without a search: the same share of every group, over a ranking of its units."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from .._errors import require_known, require_number
from .._types import Array
from ..models._jat import Jat
from ..sets._member import Scores
from ..space._encoding import Ratios
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ._asked import check_asked
from ._judge import Candidates, candidates, judge
from ._problem import Problem
from ._settings import Settings

COUNT = 13
"""How many shares are drawn into a report."""


def uniform_candidates(problem: Problem, rankings: list[Array], count: int = COUNT) -> Candidates:
    """Return candidates of `count` shares, evenly spread on a log axis, for every task."""
    graph = problem.jat.graph
    blocks = problem.encoding.blocks
    grid = Ratios(graph.sizes, graph.rules.granularity, blocks)
    shape = (len(problem.tasks), count)
    smallest = 1 / max(grid.sizes)
    shares = grid.uniform(np.geomspace(smallest, 1, count))
    genotypes = jnp.broadcast_to(shares, (*shape, grid.dimensions))
    return candidates(grid, genotypes, rankings, jnp.ones(shape, bool))


def uniform(
    jat: Jat,
    data: Dataset | None,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    ranking: str = "taylor",
    count: int = COUNT,
) -> dict[str, tuple[Scores, ...]]:
    """Judge uniform keep ratios as the members of a search are judged.

    Args:
      jat: the network.
      data: what to judge on.
      tasks: the tasks.
      settings: of the search that it is compared with.
      ranking: `"taylor"` or `"magnitude"`.
      count: how many shares to try.

    Returns:
      For each task the scores that no other share beats on validation data, by rising share.

    Raises:
      InputError: something does not fit.
    """
    check_asked(jat, data, tasks, ())
    require_known("ranking", ranking, ("taylor", "magnitude"))
    require_number("count", count, 1, whole=True)
    problem = Problem(jat, data, tasks, settings)
    found = judge(problem, [uniform_candidates(problem, problem.rankings(ranking), count)])
    return {
        task.name: tuple(member.scores for member in members.values())
        for task, (_, (members,)) in zip(tasks, found, strict=True)
    }
