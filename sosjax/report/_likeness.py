"""How far the sets of two tasks keep the same units."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .._errors import require
from ._result import Likeness, Task

ARRAYS = "sets.safetensors"
LIKE = 2.0
"""Members are of like size if the larger has at most so many times the parameters."""


def likeness(file: Path, tasks: Sequence[Task], sizes: Sequence[int]) -> Likeness | None:
    """Return how alike the sets of two tasks are: each member beside the nearest in size.

    The Jaccard overlap of two members is the number of units that both keep, by the number that
    either keeps. A set is compared with itself by the nearest other member.

    Args:
      file: holds the masks; where it is not there is no likeness.
      tasks: in the order of the file.
      sizes: of the groups.

    Raises:
      InputError: the file is damaged, or its masks are not those of the members.
    """
    if not (file.exists() and tasks and sizes and min(sizes) > 0):
        return None
    from ..models._weights import load_arrays  # imports JAX, which takes seconds

    names = [f"{number}/mask" for number in range(len(tasks))]
    masks = _checked(file, load_arrays(file, names)[0], tasks, sizes)
    pairs = [
        [_overlap(tasks, masks, sizes, (a, b)) for b in range(len(tasks))]
        for a in range(len(tasks))
    ]
    both = [
        [_mean([*pairs[a][b], *pairs[b][a]]) for b in range(len(tasks))] for a in range(len(tasks))
    ]
    return Likeness(
        found=tuple(tuple(cell[0] for cell in row) for row in both),
        chance=tuple(tuple(cell[1] for cell in row) for row in both),
    )


def _checked(
    file: Path, arrays: Mapping[str, np.ndarray], tasks: Sequence[Task], sizes: Sequence[int]
) -> list[np.ndarray]:
    """Return the masks of each task, bool [members, units]."""
    found = []
    starts = np.cumsum([0, *sizes])[:-1]
    for number, task in enumerate(tasks):
        if not task.members:
            found.append(np.zeros((0, 0), bool))
            continue
        kept = np.array([one.kept for one in task.members])
        mask = arrays.get(f"{number}/mask", np.zeros((0, 0))).astype(bool)
        fits = mask.shape == (len(task.members), sum(sizes))
        require(
            fits and bool((np.add.reduceat(mask, starts, axis=1, dtype=int) == kept).all()),
            f"{file} must hold the masks of the members, got other ones for {task.name!r}.",
        )
        found.append(mask)
    return found


def _overlap(
    tasks: Sequence[Task], masks: Sequence[np.ndarray], sizes: Sequence[int], pair: tuple[int, int]
) -> list[tuple[float, float]]:
    """Return the overlap of each member of one set with the nearest of another, and by chance."""
    first, second = (tasks[number].members for number in pair)
    found = []
    for number, one in enumerate(first):
        others = [
            (abs(math.log(max(other.parameters, 1) / max(one.parameters, 1))), place)
            for place, other in enumerate(second)
            if pair[0] != pair[1] or place != number
        ]
        far, place = min(others, default=(math.inf, 0))
        if far <= math.log(LIKE):
            one_mask, other_mask = masks[pair[0]][number], masks[pair[1]][place]
            shared, either = (one_mask & other_mask).sum(), (one_mask | other_mask).sum()
            by_chance = sum(
                a * b / max(size, 1)
                for a, b, size in zip(one.kept, second[place].kept, sizes, strict=True)
            )
            total = max(one_mask.sum() + other_mask.sum() - by_chance, 1)
            found.append((float(shared / max(either, 1)), float(by_chance / total)))
    return found


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float | None, float | None]:
    if not pairs:
        return None, None
    found, chance = np.mean(pairs, axis=0)
    return float(found), float(chance)
