"""Many tasks with a dial for how related they are, to measure what transfer is worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax.numpy as jnp
import numpy as np

from .._errors import require, require_known, require_number, require_unique
from .._types import Array, Float
from . import _distance as distance
from . import _shape as shape
from ._front import front
from ._problem import MultitaskProblem

_GROUP = 8  # variables that are rotated together
_MARGIN = 0.1  # of the box, which holds no optimum


@dataclass(frozen=True)
class _Landscape:
    """A distance function, how wide its box is, and the value of z at its optimum."""

    g: Callable[[Array], Array]
    width: float
    optimum: float = 0.0

    def __call__(self, z: Array) -> Array:
        return self.g(z + self.optimum)


_LANDSCAPES = {
    "sphere": _Landscape(distance.sphere, 20),
    "mean": _Landscape(distance.mean, 20),
    "rosenbrock": _Landscape(distance.rosenbrock, 4, optimum=1),
    "rastrigin": _Landscape(distance.rastrigin, 4),
    "ackley": _Landscape(distance.ackley, 20),
    "griewank": _Landscape(distance.griewank, 100),
}
LANDSCAPES = tuple(_LANDSCAPES)
"""The names of the distance functions that related tasks go through in turn."""


def related_tasks(
    tasks: int,
    relatedness: float,
    dimensions: int = 50,
    objectives: int = 2,
    seed: int = 0,
    landscapes: Sequence[str] = LANDSCAPES,
) -> MultitaskProblem:
    """Return any number of tasks whose optima are as near to each other as the dial says.

    Every genotype is K - 1 position genes and, behind them, n distance genes x. Task t has its
    optimum where x = o_t, and its distance function is g_t(w_t R_t (x - o_t)): the named landscapes
    in turn, each task with its own rotation and scaling R_t. With uniform random points c, shared,
    and u_t, the task's own, both at least a tenth of the box away from its faces,
    o_t = relatedness c + (1 - relatedness) u_t. So the distance between any two optima falls
    linearly with the dial, from that of independent points at 0 to none at 1, where the tasks still
    differ in their landscapes. The fronts are a circle, f2 = 1 - f1^2 and f2 = 1 - sqrt(f1) in turn
    in two objectives, and a sphere's octant in more.

    Variables are rotated in groups of eight neighbours, so that cost and memory grow linearly with
    their number. Task t is the same however many tasks there are.

    Args:
      tasks: how many.
      relatedness: from 0, independent optima, to 1, one optimum for all.
      dimensions: genes, of all tasks alike; more than the number of objectives.
      objectives: 2, 3 or 4.
      seed: draws the optima, rotations and scales.
      landscapes: distinct names among `LANDSCAPES`; one alone makes all tasks alike in kind.

    Returns:
      A problem in [0, 1]^D whose variables are its genes.

    >>> problem = related_tasks(3, relatedness=1.0, dimensions=20)
    >>> problem.tasks, problem.evaluate(jnp.full((3, 4, 20), 0.5)).shape
    (('1 sphere', '2 mean', '3 rosenbrock'), (3, 4, 2))

    Raises:
      InputError: a number is out of range, or a name unknown or given twice.
    """
    _require_arguments(tasks, relatedness, dimensions, objectives, seed, landscapes)
    names = [landscapes[task % len(landscapes)] for task in range(tasks)]
    rows = [_LANDSCAPES[name] for name in names]
    shapes = [_shape_of(task, objectives) for task in range(tasks)]
    position = objectives - 1
    optima, turns = _drawn(tasks, relatedness, dimensions - position, seed)
    turns *= np.array([row.width for row in rows])[:, None, None, None]

    def evaluator(chosen: tuple[int, ...], values: Float[Array, "T N D"]) -> Float[Array, "T N K"]:
        own = list(chosen)
        where, turn = (jnp.asarray(array[own], values.dtype) for array in (optima, turns))
        z = _turned(values[..., position:] - where[:, None], turn)
        distances = _each([rows[task] for task in own], z)
        return _each([shapes[task] for task in own], values[..., :position], 1 + distances)

    return MultitaskProblem(
        name=f"{tasks} tasks, relatedness {relatedness:g}",
        tasks=tuple(f"{number} {name}" for number, name in enumerate(names, 1)),
        boxes=(np.tile([[0.0], [1.0]], dimensions),) * tasks,
        objectives=(objectives,) * tasks,
        evaluator=evaluator,
        fronts=tuple(partial(front, of, objectives) for of in shapes),
        optima=tuple(optima),
    )


def _require_arguments(
    tasks: int,
    relatedness: float,
    dimensions: int,
    objectives: int,
    seed: int,
    landscapes: Sequence[str],
) -> None:
    require_number("tasks", tasks, 1, whole=True)
    require_number("relatedness", relatedness, 0, 1)
    require_number("objectives", objectives, 2, 4, whole=True)
    require_number("dimensions", dimensions, objectives + 1, whole=True)
    require_number("seed", seed, 0, whole=True)
    require(len(landscapes) > 0, "`landscapes` must name at least one landscape, got none.")
    require_unique("landscapes", landscapes)
    for name in landscapes:
        require_known("landscapes", name, LANDSCAPES)


def _shape_of(task: int, objectives: int) -> Callable[[Array, Array], Array]:
    if objectives > 2:
        return shape.sphere
    return (shape.sphere, shape.concave, shape.convex)[task % 3]


def _drawn(
    tasks: int, relatedness: float, variables: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the optima [T, n] and the rotations, each row scaled, [T, groups, 8, 8]."""
    groups, last = -(-variables // _GROUP), variables % _GROUP
    optima, turns = np.empty((tasks, variables)), np.empty((tasks, groups, _GROUP, _GROUP))
    shared = np.random.default_rng((seed, 0)).uniform(_MARGIN, 1 - _MARGIN, variables)
    for task in range(tasks):
        rng = np.random.default_rng((seed, task + 1))
        own = rng.uniform(_MARGIN, 1 - _MARGIN, variables)
        optima[task] = relatedness * shared + (1 - relatedness) * own
        bases = np.linalg.qr(rng.normal(size=(groups, _GROUP, _GROUP))).Q
        if last:  # a smaller group; what pads it is zero
            bases[-1] = np.eye(_GROUP)
            bases[-1, :last, :last] = np.linalg.qr(rng.normal(size=(last, last))).Q
        turns[task] = bases * 2 ** rng.uniform(-1, 1, (groups, _GROUP, 1))
    return optima, turns


def _turned(x: Float[Array, "T N n"], turns: Float[Array, "T groups 8 8"]) -> Float[Array, "T N n"]:
    """Multiply each task's groups of variables by its matrices."""
    tasks, rows, variables = x.shape
    groups = turns.shape[1]
    padded = jnp.pad(x, ((0, 0), (0, 0), (0, groups * _GROUP - variables)))
    padded = padded.reshape(tasks, rows, groups, _GROUP)
    z = jnp.einsum("tgij,tngj->tngi", turns, padded, precision="highest")
    return z.reshape(tasks, rows, -1)[..., :variables]


def _each(functions: Sequence[Callable[..., Array]], *arrays: Array) -> Array:
    """Apply to each task's rows its own function, in one call for each distinct function."""
    distinct = dict.fromkeys(functions)
    if len(distinct) == 1:
        return functions[0](*arrays)
    tasks = [
        np.array([task for task, own in enumerate(functions) if own is function])
        for function in distinct
    ]
    results = [
        function(*(array[own] for array in arrays))
        for function, own in zip(distinct, tasks, strict=True)
    ]
    return jnp.concatenate(results)[np.argsort(np.concatenate(tasks))]
