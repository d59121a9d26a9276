"""What recovery will make of a sub-network, foretold from those that were recovered."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np

from .._types import Array, Float

LENGTHS = (0.15, 0.3, 0.6)
BENDS = (0.03, 0.1, 0.3, 1.0)
SLOPES = (1.0, 4.0)
COMMON = (0.5, 0.8, 0.95)
LEVEL = 10.0
"""The variance of a task's level: nothing is known of it beforehand."""


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
      inverse: of the covariance of the errors, noise included, [N, N].
      pull: `inverse` times the log errors, [N].
    """

    genes: Float[Array, "N D"]
    tasks: Array
    shape: Shape
    inverse: Float[Array, "N N"]
    pull: Float[Array, " N"]

    def __call__(self, genes: Float[Array, "M D"], task: Array) -> tuple[Array, Array]:
        """Return mean and deviation of the log error of sub-networks for a task, [M] each."""
        tasks = jnp.full(len(genes), task)
        toward = covariance(jnp, self.shape, genes, self.genes, tasks, self.tasks)
        own = self.shape.slope * (genes**2).mean(1) + self.shape.bend + LEVEL
        left = own - ((toward @ self.inverse) * toward).sum(1)
        return toward @ self.pull, jnp.sqrt(jnp.maximum(left, 0))


def forecast(
    genes: np.ndarray, tasks: Sequence[int], errors: np.ndarray, examples: np.ndarray
) -> Forecast:
    """Fit a forecast; of a few shapes the likeliest is taken.

    Args:
      genes: of the recovered sub-networks, [N, D] in [0, 1].
      tasks: the number of each one's task, [N].
      errors: validation error of each, in [0, 1].
      examples: how many validation examples each error is the mean of: it says how noisy it is.
    """
    genes, numbers = np.asarray(genes, np.float64), np.asarray(tasks)
    # Half an example more: the logarithm of no error at all.
    shares = np.clip(errors, 0, 1 - 0.5 / examples) + 0.5 / examples
    logs, noise = np.log(shares), (1 - shares) / (shares * examples) + 1e-4
    best, found = -np.inf, None
    for shape in (Shape(*values) for values in product(LENGTHS, BENDS, SLOPES, COMMON)):
        full = covariance(np, shape, genes, genes, numbers, numbers) + np.diag(noise)
        inverse = np.linalg.inv(full)
        likelihood = -0.5 * (logs @ inverse @ logs + np.linalg.slogdet(full)[1])
        if likelihood > best:
            best, found = likelihood, (shape, inverse)
    assert found is not None
    shape, inverse = found
    single = (genes, inverse, inverse @ logs)
    genes32, inverse32, pull = (jnp.asarray(one, jnp.float32) for one in single)
    return Forecast(genes32, jnp.asarray(numbers), shape, inverse32, pull)


def covariance(
    xp: Any, shape: Shape, one: Any, other: Any, tasks: Any, others: Any
) -> Float[Array, "M N"]:
    """Return the covariance of the log errors of two lists of sub-networks."""
    square = ((one[:, None] - other[None]) ** 2).mean(-1)
    likeness = shape.bend * xp.exp(-square / (2 * shape.length**2))
    likeness = likeness + shape.slope * (one @ other.T) / one.shape[1]
    same = tasks[:, None] == others[None]
    return likeness * xp.where(same, 1.0, shape.common) + LEVEL * same
