"""The baselines without a search: shares of all groups, over a ranking of their units."""

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from .._errors import require, require_known, require_number
from .._types import Array
from ..environments._environment import Environment
from ..fitness._kernel import Kernel
from ..graph._cost import COSTS
from ..models._jat import Jat
from ..sets._member import Scores
from ..space._encoding import Ratios
from ..space._importance import kept_above, mixture, normalised, unit_costs
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ._asked import check_asked
from ._judge import Candidates, candidates, judge
from ._problem import Problem
from ._settings import Settings

COUNT = 13
"""How many shares are drawn into a report."""
FINE = 400
"""Shares that what fits into an environment is taken from."""
SCOPES = ("local", "global")


def uniform_candidates(
    problem: Problem,
    rankings: list[Array],
    count: int = COUNT,
    environments: Sequence[Environment] = (),
) -> Candidates:
    """Return candidates of `count` shares, from one unit to all, for every task.

    For each environment follows the largest of `FINE` shares that is within its limits; of none,
    the smallest.
    """
    shares = uniform_genotypes(problem.kernel, count)
    genotypes = jnp.broadcast_to(shares, (len(problem.tasks), *shares.shape))
    if environments:
        genotypes = jnp.concatenate([genotypes, _fitted(problem, environments)], 1)
    every = jnp.ones(genotypes.shape[:2], bool)
    return candidates(_grid(problem.kernel), genotypes, rankings, every)


def _fitted(problem: Problem, environments: Sequence[Environment]) -> Array:
    """Return for every task and environment the largest share within its limits, [T, E, D]."""
    genotypes = uniform_genotypes(problem.kernel, FINE)
    kept, rows = np.asarray(_grid(problem.kernel).kept(genotypes)).astype(int), []
    for number in range(len(problem.tasks)):
        beyond = problem.excess(number, kept, environments)
        rows.append([max(np.flatnonzero(own == 0), default=0) for own in beyond])
    return genotypes[np.array(rows)]


def uniform_genotypes(kernel: Kernel, count: int, first: float = 0.0, last: float = 1.0) -> Array:
    """Return genotypes [count, D] of one share of all groups each, spread as in `_shares`.

    Args:
      kernel: says what genes mean.
      count: how many shares.
      first: the gene of the largest group in the first, in [0, 1].
      last: the same in the last, at least as much.
    """
    grid = _grid(kernel)
    return grid.uniform(_shares(grid, count, first, last))


def global_candidates(problem: Problem, cost: str | None, count: int = COUNT) -> Candidates:
    """Return candidates of one threshold for all groups each, for every task.

    Scores have the mean 1 over each group, and are divided by what one unit costs if asked: as in
    the global pruning of Torch-Pruning (Fang et al., 2023, https://arxiv.org/abs/2301.12900), and
    with costs after HALP (Shen et al., 2021, https://arxiv.org/abs/2110.10811).

    Args:
      problem: the network and the tasks.
      cost: what scores are divided by: a unit's parameters, bytes or FLOPs; `None`: nothing.
      count: thresholds: shares of all units, spread as in `_shares`.
    """
    grid, graph = _grid(problem.kernel), problem.jat.graph
    mixed = [np.asarray(one) for one in mixture(normalised(problem.scores))]
    kept = []
    for number, task in enumerate(problem.tasks):
        each = np.ones(len(mixed))
        if cost is not None:
            each = unit_costs(graph, cost, len(task.classes))
        own = [score[number] / price for score, price in zip(mixed, each, strict=True)]
        kept.append(kept_above(own, _shares(grid, count)))
    genotypes = grid.keeping(np.stack(kept))
    return candidates(grid, genotypes, problem.rankings(), jnp.ones(genotypes.shape[:2], bool))


def _grid(kernel: Kernel) -> Ratios:
    own = kernel.encoding
    return Ratios(own.sizes, kernel.graph.rules.granularity, own.blocks, own.rankings)


def _shares(grid: Ratios, count: int, first: float = 0.0, last: float = 1.0) -> np.ndarray:
    """Return rising shares, spread on a log axis and closer to each other the larger they are.

    Evenly spread, 13 shares of a group of 1,536 units would have none between .54 and 1.
    """
    genes = first + (last - first) * np.sqrt(np.linspace(0, 1, count))
    return float(max(grid.sizes)) ** (genes - 1)


def uniform(
    jat: Jat,
    data: Dataset | None,
    tasks: Sequence[Task],
    settings: Settings,
    *,
    ranking: str | Sequence[str] = "taylor",
    scope: str = "local",
    cost: str | None = None,
    count: int = COUNT,
) -> dict[str, tuple[Scores, ...]]:
    """Judge uniform keep ratios as the members of a search are judged.

    Args:
      jat: the network.
      data: what to judge on.
      tasks: the tasks.
      settings: of the search that it is compared with; its `ranking` is not looked at.
      ranking: as `Settings.ranking`; several are mixed evenly.
      scope: `"local"`: the same share of every group; `"global"`: a share of all units, by one
        threshold for all groups, on scores of mean 1 over each. One unit of each group is kept.
      cost: `"parameters"`, `"bytes"` or `"flops"`: under the global scope, scores are divided by
        what one unit of their group costs; `None`: they are not.
      count: how many shares to try.

    Returns:
      For each task the scores that no other share beats on validation data, by rising share.

    Raises:
      InputError: something does not fit.
    """
    check_asked(jat, data, tasks, ())
    require_known("scope", scope, SCOPES)
    if cost is not None:
        require_known("cost", cost, COSTS)
        require(
            scope == "global",
            f"`cost` must be None under the local scope, where all units of a group cost the same, "
            f"got {cost!r}.",
        )
    require_number("count", count, 1, whole=True)
    problem = Problem(jat, data, tasks, replace(settings, ranking=ranking))
    if scope == "local":
        source = uniform_candidates(problem, problem.rankings(), count)
    else:
        source = global_candidates(problem, cost, count)
    found = judge(problem, [source])
    return {
        task.name: tuple(member.scores for member in members.values())
        for task, (_, (members,)) in zip(tasks, found, strict=True)
    }
