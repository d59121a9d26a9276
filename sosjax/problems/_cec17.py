"""The CEC2017 multi-objective multitask suite (Yuan, Ong, Feng, Qin, Gupta, Da, Zhang, Tan, Jin,
Ishibuchi, 2017, https://arxiv.org/abs/1706.02766): nine pairs of tasks.

A name says how much of the optimum the tasks share (Complete, Partial or No Intersection) and how
similar their landscapes are (High, Medium or Low Similarity).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np

from .._errors import require_known
from .._types import Array, Float
from . import _distance as distance
from . import _shape as shape
from ._front import front
from ._problem import MultitaskProblem


@dataclass(frozen=True)
class _Row:
    """One task: z = matrix (rest - shift), q = 1 + g(z), costs = shape(position, q)."""

    dimensions: int
    objectives: int
    position: int  # how many variables in [0, 1] come first
    box: tuple[float, float]  # of the rest
    g: Callable[[Array], Array]
    shape: Callable[[Array, Array], Array]
    shift: str | None = None
    matrix: str | None = None


def _both(limit: float) -> tuple[float, float]:
    return -limit, limit


# In two objectives the sphere is a circle.
_TASKS = {
    # problem, dimensions, objectives, position, box, g, shape, shift, matrix
    "CIHS": (
        _Row(50, 2, 1, _both(100), distance.sphere, shape.sphere),
        _Row(50, 2, 1, _both(100), distance.mean, shape.concave),
    ),
    "CIMS": (
        _Row(10, 2, 1, _both(5), distance.rosenbrock, shape.concave),
        _Row(10, 2, 1, _both(5), distance.mean, shape.sphere, "S_CIMS_2", "M_CIMS_2"),
    ),
    "CILS": (
        _Row(50, 2, 1, _both(2), distance.rastrigin, shape.sphere),
        _Row(50, 2, 1, _both(1), distance.ackley, shape.convex),
    ),
    "PIHS": (
        _Row(50, 2, 1, _both(100), distance.sphere, shape.convex),
        _Row(50, 2, 1, _both(100), distance.rastrigin, shape.convex, "S_PIHS_2"),
    ),
    "PIMS": (
        _Row(50, 2, 1, (0, 1), distance.sphere, shape.sphere, "S_PIMS_1", "M_PIMS_1"),
        _Row(50, 2, 1, (0, 1), distance.rastrigin, shape.concave, None, "M_PIMS_2"),
    ),
    "PILS": (
        _Row(50, 2, 1, _both(50), distance.griewank, shape.sphere),
        _Row(50, 2, 1, _both(100), distance.ackley, shape.sphere, "S_PILS_2"),
    ),
    "NIHS": (
        _Row(50, 2, 1, _both(80), distance.rosenbrock, shape.sphere),
        _Row(50, 2, 1, _both(80), distance.sphere, shape.convex),
    ),
    "NIMS": (
        _Row(20, 3, 2, _both(20), distance.rosenbrock, shape.sphere),
        _Row(20, 2, 2, _both(20), distance.sphere, shape.concave, None, "M_NIMS_2"),
    ),
    "NILS": (
        _Row(25, 3, 2, _both(50), distance.griewank, shape.sphere, "S_NILS_1"),
        _Row(50, 2, 2, _both(100), distance.ackley, shape.concave),
    ),
}
CEC17 = tuple(_TASKS)
"""The names of the nine problems."""


def cec17(name: str, published_bracket: bool = False) -> MultitaskProblem:
    """Return one of the nine problems of the suite.

    The same arguments give the same object.

    Args:
      name: one of `CEC17`.
      published_bracket: multiply both terms of Rosenbrock's function in the first task of CIMS by
        100, as some published code does by a misplaced bracket; for comparison with such code. It
        concerns no other task.

    >>> cec17("CIHS").evaluate(jnp.zeros((2, 1, 50)))[:, 0].tolist()
    [[490001.0, 0.0], [0.0, 901.0]]

    Raises:
      InputError: there is no such problem.
    """
    require_known("name", name, CEC17)
    return _built(name, bool(published_bracket))


@cache
def _built(name: str, published_bracket: bool) -> MultitaskProblem:
    rows = _TASKS[name]
    functions = [partial(_task_costs, row, row.g) for row in rows]
    if published_bracket and name == "CIMS":
        functions[0] = partial(_task_costs, rows[0], distance.bracketed_rosenbrock)

    def evaluator(tasks: tuple[int, ...], values: Float[Array, "T N D"]) -> Float[Array, "T N K"]:
        costs = [functions[task](values[i]) for i, task in enumerate(tasks)]
        most = max(cost.shape[-1] for cost in costs)
        return jnp.stack([jnp.pad(one, ((0, 0), (0, most - one.shape[-1]))) for one in costs])

    return MultitaskProblem(
        name=name,
        tasks=tuple(f"{name} {number}" for number in (1, 2)),
        boxes=tuple(_box(row) for row in rows),
        objectives=tuple(row.objectives for row in rows),
        evaluator=evaluator,
        fronts=tuple(partial(front, row.shape, row.objectives) for row in rows),
        optima=tuple(_optimum(row) for row in rows),
    )


def _task_costs(
    row: _Row, g: Callable[[Array], Array], values: Float[Array, "N D"]
) -> Float[Array, "N K"]:
    z = values[:, row.position : row.dimensions]
    if row.shift is not None:
        z = z - jnp.asarray(_constants()[row.shift], z.dtype)
    if row.matrix is not None:
        z = jnp.matmul(z, jnp.asarray(_constants()[row.matrix].T, z.dtype), precision="highest")
    return row.shape(values[:, : row.position], 1 + g(z))


def _box(row: _Row) -> np.ndarray:
    box = np.tile(np.array(row.box, float)[:, None], row.dimensions)
    box[:, : row.position] = [[0], [1]]
    return box


def _optimum(row: _Row) -> np.ndarray:
    """Return the genes of the rest variables where z is the optimum of g."""
    # No matrix goes with Rosenbrock, or z = 1 would have to be solved for.
    shift = 0.0 if row.shift is None else _constants()[row.shift]
    value = shift + (row.g is distance.rosenbrock)
    low, high = row.box
    return np.broadcast_to((value - low) / (high - low), row.dimensions - row.position)


@cache
def _constants() -> Mapping[str, np.ndarray]:
    with (
        resources.as_file(resources.files("sosjax") / "data" / "cec17") as folder,
        np.load(folder / "cec17_mtmo.npz") as file,
    ):
        return MappingProxyType({name: file[name] for name in file.files})
