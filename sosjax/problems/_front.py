"""True fronts as points that lie evenly on them."""

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy.special import betaincinv

from . import _shape as shape

POINTS = 10_000
"""How many points stand for a front."""


def front(of: Callable, objectives: int) -> np.ndarray:
    """Return points [M, K], float64, spread evenly on a shape's front.

    By arc length in two objectives, both ends included, and by area in more; see `_sphere`.

    Args:
      of: a function of `_shape`.
      objectives: K.
    """
    if of is shape.sphere:
        return _sphere(objectives)
    return _concave() if of is shape.concave else _convex()


@cache
def _sphere(objectives: int) -> np.ndarray:
    """Return points [M, K] spread evenly on the unit sphere's octant.

    In two objectives at equal angles. In more, a lattice in the unit cube (Kronecker's, of the
    golden ratio in three objectives) under a map that keeps areas equal, as the spherical Fibonacci
    lattice is made (Gonzalez, 2010, doi 10.1007/s11004-009-9257-x). A lattice of weights scaled to
    the sphere would crowd its corners.

    Args:
      objectives: K, at least 2.
    """
    left = np.ones(POINTS)  # the squared radius still to be shared out
    columns = []
    for dimension, level in zip(range(objectives, 1, -1), _lattice(objectives - 1).T, strict=True):
        # The square of one coordinate of a uniform point on the sphere is beta distributed.
        share = betaincinv(0.5, (dimension - 1) / 2, level)
        columns.append(np.sqrt(left * share))
        left = left * (1 - share)
    return _read_only(np.stack([np.sqrt(left), *reversed(columns)], -1))


@cache
def _concave() -> np.ndarray:
    """Return points [M, 2] at equal arc lengths on f2 = 1 - f1^2."""
    along = _parabola()
    return _read_only(np.stack([along, 1 - along**2], -1))


@cache
def _convex() -> np.ndarray:
    """Return points [M, 2] at equal arc lengths on f2 = 1 - sqrt(f1)."""
    along = _parabola()  # the same parabola, from the side
    return _read_only(np.stack([along**2, 1 - along], -1))


def _parabola() -> np.ndarray:
    """Return t [M] from 0 to 1 at equal arc lengths on (t, t^2)."""

    def length(t: np.ndarray) -> np.ndarray:
        return t * np.sqrt(1 + 4 * t**2) / 2 + np.arcsinh(2 * t) / 4

    wanted = np.linspace(0, length(np.ones(1))[0], POINTS)
    t = np.linspace(0, 1, POINTS)
    for _ in range(8):  # Newton's steps; the length is convex in t, and four are enough
        t = t - (length(t) - wanted) / np.sqrt(1 + 4 * t**2)
    return np.clip(t, 0, 1)


def _lattice(dimensions: int) -> np.ndarray:
    """Return evenly spread points [M, d] of the unit cube."""
    if dimensions == 1:
        return np.linspace(0, 1, POINTS)[:, None]
    ratio = 1.0  # the root of x^d = x + 1: the golden ratio for d = 2
    for _ in range(100):
        ratio = (1 + ratio) ** (1 / dimensions)
    steps = ratio ** -np.arange(1.0, dimensions)
    rows = np.arange(POINTS)[:, None] + 0.5
    return np.concatenate([rows / POINTS, rows * steps % 1], -1)


def _read_only(points: np.ndarray) -> np.ndarray:
    points.flags.writeable = False
    return points
