"""One number for several costs: preference directions, and the cost along one of them."""

from itertools import combinations
from math import comb

import jax.numpy as jnp
import numpy as np
from flax import struct

from .._errors import require, require_number
from .._types import Array, Float, Int

FLOOR = 1e-2
"""Smallest entry of a direction: a direction along an axis still sees the other costs."""

AUGMENTATION = 1e-2
"""Share of the mean cost, so that of two equal maxima the dominating row is better."""


@struct.dataclass
class View:
    """How costs are seen along one direction of one task.

    Attributes:
      direction: entries that sum to 1, [K].
      ideal: the best of each cost, [K].
      nadir: the worst of each cost on the first front, [K].
    """

    direction: Array
    ideal: Array
    nadir: Array

    def __call__(self, costs: Float[Array, "*rows K"]) -> Float[Array, "*rows"]:
        """Return each row's number: its augmented Tchebycheff distance to the ideal point.

        It is smallest where the ray from the ideal point along the direction meets the front
        (Wierzbicki, 1980, doi 10.1007/978-3-642-48782-8_32; decomposition: Zhang and Li, 2007,
        doi 10.1109/TEVC.2007.892759). Costs are in units of the distance from ideal to nadir, so
        that the number is about 0 at the ideal and at most about 1 on the front. It is infinite
        for rows that are not finite.
        """
        span = self.nadir - self.ideal
        tiny = 1e-6 * jnp.maximum(jnp.abs(self.ideal), jnp.abs(self.nadir))
        relative = (costs - self.ideal) / jnp.where(span > tiny, span, 1.0)
        weight = 1 / jnp.maximum(self.direction, FLOOR)
        weight = weight / weight.max()
        number = (weight * relative).max(-1) + AUGMENTATION * relative.mean(-1)
        return jnp.where(jnp.isfinite(relative).all(-1), number, jnp.inf)


def corners(
    costs: Float[Array, "N K"], front: Int[Array, " N"]
) -> tuple[Float[Array, " K"], Float[Array, " K"]]:
    """Return the ideal and the nadir point of one task: the corners of its first front.

    Where the first front has no extent in an objective, as with one objective, the nadir is the
    worst finite cost of all rows. Both are finite whatever the costs: 0 and 1 without a finite row.

    Args:
      costs: the costs of a task; rows that are not finite are not looked at.
      front: the number of each row's front, as `pareto` gives it.
    """
    finite = jnp.isfinite(costs).all(-1)[:, None]
    first = finite & (front == 0)[:, None]
    ideal = jnp.where(first, costs, jnp.inf).min(0)
    corner = jnp.where(first, costs, -jnp.inf).max(0)
    worst = jnp.where(finite, costs, -jnp.inf).max(0)
    nadir = jnp.where(corner > ideal, corner, worst)
    known = finite.any()
    return jnp.where(known, ideal, 0.0), jnp.where(known, nadir, 1.0)


def all_finite(numbers: Float[Array, " N"]) -> Float[Array, " N"]:
    """Return numbers where each that is not finite is the worst finite one and 1 more.

    Worse than all others, by about the extent of the front, and no more: some algorithms weigh
    differences, and an infinity would be all that they see.
    """
    good = jnp.isfinite(numbers)
    worst = jnp.where(good, numbers, -jnp.inf).max()
    return jnp.where(good, numbers, jnp.where(good.any(), worst, 0.0) + 1)


def simplex_directions(objectives: int, count: int) -> np.ndarray:
    """Return `count` directions spread over the simplex, [W, K] with rows that sum to 1.

    The simplex lattice (Das and Dennis, 1998, doi 10.1137/S1052623496307510) where one has that
    many points. Else as many points of a finer lattice, chosen one after the other, each the
    farthest from those before it, the corners first. A single direction points to the middle.

    Args:
      objectives: K, from 1.
      count: W; 1 where there is one objective.

    Raises:
      InputError: one objective has one direction.

    >>> simplex_directions(2, 3).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    require_number("objectives", objectives, 1, whole=True)
    require_number("directions", count, 1, whole=True)
    require(
        objectives > 1 or count == 1,
        f"`directions` must be 1 where there is one objective, got {count}.",
    )
    if count == 1:
        return np.full((1, objectives), 1 / objectives)
    steps = next(h for h in range(1, count + 1) if _points(objectives, h) >= count)
    if _points(objectives, steps) == count:
        return _lattice(objectives, steps)
    return _farthest(_lattice(objectives, 2 * steps), count)


def _points(objectives: int, steps: int) -> int:
    return comb(steps + objectives - 1, objectives - 1)


def _lattice(objectives: int, steps: int) -> np.ndarray:
    """Return all rows of multiples of 1 / steps that sum to 1: stars and bars."""
    places = steps + objectives - 1
    bars = np.array(list(combinations(range(places), objectives - 1)))
    edges = np.column_stack([np.full(len(bars), -1), bars, np.full(len(bars), places)])
    return (np.diff(edges) - 1) / steps


def _farthest(points: np.ndarray, count: int) -> np.ndarray:
    chosen = [int(points[:, 0].argmax())]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return points[sorted(chosen)]
