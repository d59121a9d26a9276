"""Random search under the multitask contract: the baseline every strategy must beat."""

from collections.abc import Callable
from typing import Any, final

import jax

from .._types import Array
from ._mo_mfea import MOMFEA, State


@final
class RandomSearch:
    """Fresh samples every generation, kept as MO-MFEA keeps its children.

    Attributes:
      population_size: individuals over all tasks.
    """

    def __init__(
        self,
        population_size: int,
        solution: Any,
        tasks: int,
        sample: Callable[[Array, int], Any],
    ) -> None:
        """Fix the shapes.

        Args:
          population_size: as `MOMFEA`.
          solution: a genotype of any pytree structure.
          tasks: the number of tasks.
          sample: `sample(key, count)` draws genotypes.
        """
        self._memory = MOMFEA(population_size, solution, tasks)
        self._sample = sample
        self.population_size = population_size
        self.default_params = self._memory.default_params

    def init(self, key: Array, population: Any, fitness: Array, params: Any) -> State:
        """Start from an evaluated population, as `MOMFEA.init`."""
        return self._memory.init(key, population, fitness, params)

    def ask(self, key: Array, state: State, params: Any) -> tuple[Any, State]:
        """Return fresh samples, whatever came before."""
        del params
        return self._sample(key, self.population_size), state

    def tell(
        self, key: Array, population: Any, fitness: Array, state: State, params: Any
    ) -> tuple[State, dict[str, jax.Array]]:
        """Keep the best of old and new for each task, as `MOMFEA.tell`."""
        return self._memory.tell(key, population, fitness, state, params)
