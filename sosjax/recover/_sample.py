"""Sub-networks of all sizes, and a run's members among them, to compare judges on."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..search._judge import Candidates, candidates
from ..search._problem import Problem
from ..sets._set_of_sets import TaskSet
from ._case import kept_of

POOL = 24
"""So many are drawn for each that is wanted."""

Masks = tuple[np.ndarray, ...]


def key_of(masks: Sequence[np.ndarray]) -> bytes:
    """Return what tells sub-networks apart."""
    return b"".join(np.packbits(np.asarray(mask, bool)).tobytes() for mask in masks)


def sample(problem: Problem, sets: Sequence[TaskSet], count: int, seed: int) -> Candidates:
    """Choose different sub-networks for every task, evenly spread over the logarithm of parameters.

    Up to half are members of the task's set; the others are drawn from the encoding, with densities
    from one unit of each group to all.

    Args:
      problem: the network, the encoding and its rankings.
      sets: a set for every task.
      count: for each task; fewer where not as many are different.
      seed: of the draw.
    """
    own = []
    for task in sets:
        sizes = [member.scores.parameters for member in task.members]
        own.append([task.members[row].masks for row in evenly(sizes, count // 2)])
    others = strewn(problem, own, [count - len(masks) for masks in own], seed)
    return rows_of([one + other for one, other in zip(own, others, strict=True)])


def strewn(
    problem: Problem,
    taken: Sequence[Sequence[Masks]],
    wanted: Sequence[int],
    seed: int,
    shares: tuple[float, float] = (0.0, 1.0),
    cost: str = "parameters",
) -> list[list[Masks]]:
    """Draw sub-networks for every task, evenly spread over the logarithm of a cost.

    Args:
      problem: the network, the encoding and its rankings.
      taken: for every task, what is not drawn again.
      wanted: for every task, how many; fewer where not as many are different.
      seed: of the draw.
      shares: the least and the most of the whole network's cost.
      cost: the name of the cost.
    """
    shape = (len(taken), POOL * max(wanted))
    genotypes = problem.encoding.sample(jax.random.key(seed), shape[0] * shape[1], 0.0, 1.0)
    genotypes = genotypes.reshape(*shape, -1)
    drawn = candidates(problem.encoding, genotypes, problem.rankings(), jnp.ones(shape, bool))
    pool = [np.asarray(mask) for mask in drawn.masks]
    chosen = []
    for number, (own, count) in enumerate(zip(taken, wanted, strict=True)):
        rows = [tuple(mask[number, row] for mask in pool) for row in range(shape[1])]
        dense = problem.whole[number][cost]
        kept = np.array([kept_of(masks) for masks in rows])
        sizes = np.asarray(problem.cost(number, kept)[cost], float).tolist()
        fresh = {
            key_of(masks): (masks, size)
            for masks, size in zip(rows, sizes, strict=True)
            if shares[0] <= size / dense <= shares[1]
        }
        for masks in own:
            fresh.pop(key_of(masks), None)
        left = list(fresh.values())
        chosen.append([left[row][0] for row in evenly([size for _, size in left], count)])
    return chosen


def rows_of(chosen: Sequence[Sequence[Masks]]) -> Candidates:
    """Return sub-networks of every task as candidates; tasks with fewer repeat what is there."""
    most = max(map(len, chosen))
    wanted = np.array([[row < len(own) for row in range(most)] for own in chosen])
    return Candidates(stacked(chosen), jnp.asarray(wanted))


def stacked(chosen: Sequence[Sequence[Masks]]) -> list[Array]:
    """Return masks as arrays [T, M, size]; tasks with fewer repeat their last."""
    most, filler = max(map(len, chosen)), max(chosen, key=len)
    rows = [
        [(own or filler)[min(row, len(own or filler) - 1)] for row in range(most)] for own in chosen
    ]
    return [
        jnp.asarray(np.stack([np.stack([masks[part] for masks in own]) for own in rows]), bool)
        for part in range(len(rows[0][0]))
    ]


def evenly(sizes: Sequence[float] | np.ndarray, count: int) -> list[int]:
    """Choose things whose sizes are spread evenly on a log axis, from the smallest to the largest.

    Args:
      sizes: of the things, positive.
      count: how many; fewer where there are not as many.
    """
    if len(sizes) == 0 or count == 0:
        return []
    logs = np.log10(np.asarray(sizes, float))
    left, chosen = list(range(len(logs))), []
    for wanted in np.linspace(logs.min(), logs.max(), min(count, len(logs))):
        best = min(left, key=lambda row: abs(logs[row] - wanted))
        left.remove(best)
        chosen.append(best)
    return chosen
