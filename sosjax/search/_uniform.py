"""The baseline without a search: the same share of every group, over a ranking of its units."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

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

SHARES = np.geomspace(1 / 64, 1, 13)
"""The shares that are kept, evenly spread on a log axis."""


def uniform_candidates(problem: Problem, rankings: list[Array]) -> Candidates:
    """Return one candidate for each share, for every task."""
    grid = Ratios(problem.jat.graph.sizes)
    shape = (len(problem.tasks), len(SHARES))
    genotypes = jnp.broadcast_to(grid.uniform(SHARES), (*shape, grid.dimensions))
    return candidates(grid, genotypes, rankings, jnp.ones(shape, bool))


def uniform(
    jat: Jat,
    data: Dataset,
    tasks: Sequence[Task],
    settings: Settings,
    ranking: str = "taylor",
) -> dict[str, tuple[Scores, ...]]:
    """Judge uniform keep ratios as the members of a search are judged.

    Args:
      jat: the network.
      data: what to judge on.
      tasks: the tasks.
      settings: of the search that it is compared with.
      ranking: `"taylor"` or `"magnitude"`.

    Returns:
      For each task the scores that no other share beats on validation data, by rising share.

    Raises:
      InputError: something does not fit.
    """
    check_asked(jat, data, tasks, ())
    problem = Problem(jat, data, tasks, settings)
    found = judge(problem, [uniform_candidates(problem, problem.rankings(ranking))])
    return {
        task.name: tuple(member.scores for member in members.values())
        for task, (_, (members,)) in zip(tasks, found, strict=True)
    }
