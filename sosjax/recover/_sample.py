"""Sub-networks of all sizes, and a run's members among them, to compare judges on."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..search._judge import Candidates, candidates
from ..search._problem import Problem
from ..sets._set_of_sets import TaskSet
from ._seeking import spread

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
    shape = (len(sets), POOL * count)
    genotypes = problem.encoding.sample(jax.random.key(seed), shape[0] * shape[1], 0.0, 1.0)
    genotypes = genotypes.reshape(*shape, -1)
    drawn = candidates(problem.encoding, genotypes, problem.rankings(), jnp.ones(shape, bool))
    pool = [np.asarray(mask) for mask in drawn.masks]
    chosen = []
    for number, task in enumerate(sets):
        own = _evenly(problem, number, [member.masks for member in task.members], count // 2)
        rows = (tuple(mask[number, row] for mask in pool) for row in range(shape[1]))
        taken = {key_of(masks) for masks in own}
        fresh = {key_of(masks): masks for masks in rows}
        others = [masks for key, masks in fresh.items() if key not in taken]
        chosen.append(own + _evenly(problem, number, others, count - len(own)))
    return Candidates(stacked(chosen), jnp.asarray(_there(chosen)))


def stacked(chosen: Sequence[Sequence[Masks]]) -> list[Array]:
    """Return masks as arrays [T, M, size]; tasks with fewer repeat their last."""
    most = max(map(len, chosen))
    rows = [[own[min(row, len(own) - 1)] for row in range(most)] for own in chosen]
    return [
        jnp.asarray(np.stack([np.stack([masks[part] for masks in own]) for own in rows]), bool)
        for part in range(len(rows[0][0]))
    ]


def _there(chosen: Sequence[Sequence[Masks]]) -> np.ndarray:
    most = max(map(len, chosen))
    return np.array([[row < len(own) for row in range(most)] for own in chosen])


def _evenly(problem: Problem, number: int, found: Sequence[Masks], count: int) -> list[Masks]:
    if not found or count == 0:
        return []
    kept = np.array([[int(mask.sum()) for mask in masks] for masks in found])
    classes = len(problem.tasks[number].classes)
    parameters = np.asarray(problem.jat.graph.cost(kept, classes)["parameters"], float)
    return [found[row] for row in spread(parameters, count)]
