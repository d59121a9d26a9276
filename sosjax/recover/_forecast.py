"""What recovery will make of a sub-network, foretold from those that were recovered."""

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np

from .._types import AnyArray, Array, Float

LENGTHS = (0.15, 0.3, 0.6)
BENDS = (0.03, 0.1, 0.3, 1.0)
SLOPES = (1.0, 4.0)
COMMON = (0.5, 0.8, 0.95)
LEVEL = 0.5
"""The variance of a task's level around the mean of its log errors."""


class Shape(NamedTuple):
    """A covariance of log errors over genes.

    Attributes:
      length: over which the error bends, root mean square of the genes' differences.
      bend: the variance of what is not linear.
      slope: the variance of the slopes.
      common: the share that all tasks have in common.
    """

    length: float
    bend: float
    slope: float
    common: float


@final
@dataclass(frozen=True)
class Forecast:
    """A Gaussian process of log errors over genes, for all tasks at once.

    What one task learns of an allocation serves the others as far as they agree; one sub-network's
    validation error is noisy, and the process averages over its neighbours (Rasmussen and Williams,
    2006, http://gaussianprocess.org/gpml/; several tasks: Bonilla, Chai and Williams, 2007).

    Attributes:
      genes: of the recovered sub-networks, [N, D].
      tasks: the number of each one's task, [N].
      shape: the covariance.
      levels: each task's mean log error, [T].
      whitening: inverse of the Cholesky factor of the errors' covariance with noise, [N, N].
      pull: the inverse of that covariance times the log errors above their levels, [N].
    """

    genes: Float[Array, "N D"]
    tasks: Array
    shape: Shape
    levels: Float[Array, " T"]
    whitening: Float[Array, "N N"]
    pull: Float[Array, " N"]

    def __call__(self, genes: Float[Array, "M D"], task: Any) -> tuple[Array, Array]:
        """Return mean and deviation of the log error of sub-networks for a task, [M] each."""
        tasks = jnp.full(len(genes), task)
        toward = covariance(jnp, self.shape, genes, self.genes, tasks, self.tasks)
        own = self.shape.slope * (genes**2).mean(1) + self.shape.bend + LEVEL
        left = own - ((toward @ self.whitening.T) ** 2).sum(1)
        return self.levels[task] + toward @ self.pull, jnp.sqrt(jnp.maximum(left, 0))


def forecast(
    genes: np.ndarray,
    tasks: np.ndarray,
    errors: np.ndarray,
    losses: np.ndarray,
    examples: np.ndarray,
    count: int,
) -> Forecast:
    """Fit a forecast; of a few shapes the likeliest is taken.

    Args:
      genes: of the recovered sub-networks, [N, D] in [0, 1].
      tasks: the number of each one's task, [N].
      errors: validation error of each, in [0, 1].
      losses: validation loss of each, not negative; of values and tokens it is the error.
      examples: how many validation examples each error is the mean of: it says how noisy it is.
      count: of the tasks; the level of one that has no sub-network is the mean of all.
    """
    genes = np.asarray(genes, np.float64)
    logs, noise = steadied(tasks, errors, losses, examples)
    levels = np.full(count, logs.mean())
    for task in np.unique(tasks):
        levels[task] = logs[tasks == task].mean()
    above = logs - levels[tasks]
    best, found = -np.inf, None
    for shape in (Shape(*values) for values in product(LENGTHS, BENDS, SLOPES, COMMON)):
        full = covariance(np, shape, genes, genes, tasks, tasks) + np.diag(noise + 1e-4)
        whitening = np.linalg.inv(np.linalg.cholesky(full))
        likelihood = np.log(np.diag(whitening)).sum() - 0.5 * ((whitening @ above) ** 2).sum()
        if likelihood > best:
            best, found = likelihood, (shape, whitening)
    assert found is not None
    shape, whitening = found
    arrays = (genes, levels, whitening, whitening.T @ (whitening @ above))
    genes32, *others = (jnp.asarray(one, jnp.float32) for one in arrays)
    return Forecast(genes32, jnp.asarray(tasks), shape, *others)


def steadied(
    tasks: np.ndarray, errors: np.ndarray, losses: np.ndarray, examples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return log errors that are half of what the losses say, and their noise, [N] each.

    The noise is the binomial variance, which stands in for values and tokens too, whose errors are
    means of other things; a smaller one that was fitted foretold worse. An error
    counts the wrong examples, a loss weighs how wrong each example is: it tells sub-networks apart
    that err equally often. What it is in errors is a line through those of a task.
    """
    # Half an example more: the logarithm of no error at all.
    shares = np.clip(errors, 0, 1 - 0.5 / examples) + 0.5 / examples
    logs, lines = np.log(shares), np.log(np.maximum(losses, 1e-9))
    for task in np.unique(tasks):
        own = tasks == task
        apart = lines[own] - lines[own].mean()
        slope = (apart * logs[own]).sum() / max((apart**2).sum(), 1e-9)
        lines[own] = logs[own].mean() + slope * apart
    return (logs + lines) / 2, (1 - shares) / (shares * examples)


def covariance(
    xp: Any, shape: Shape, one: Any, other: Any, tasks: Any, others: Any
) -> Float[AnyArray, "M N"]:
    """Return the covariance of the log errors of two lists of sub-networks."""
    square = ((one[:, None] - other[None]) ** 2).mean(-1)
    likeness = shape.bend * xp.exp(-square / (2 * shape.length**2))
    likeness = likeness + shape.slope * (one @ other.T) / one.shape[1]
    same = tasks[:, None] == others[None]
    return likeness * xp.where(same, 1.0, shape.common) + LEVEL * same
