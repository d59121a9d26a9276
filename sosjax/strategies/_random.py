"""Random search under the multitask contract: the baseline every strategy must beat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax

from .._types import Array, Float, Int, Key
from ._params import Operators, operators
from ._rank import pareto_order
from ._strategy import AbstractStrategy


@final
@dataclass(frozen=True, eq=False)
class RandomSearch(AbstractStrategy):
    """Fresh samples every generation, of which the best are kept as MO-MFEA keeps its children.

    Attributes:
      draw: `draw(key, count)` returns solutions, each leaf with a leading axis; None: uniform.
    """

    draw: Callable[[Any, int], Any] | None = None

    @property
    def default_params(self) -> Operators:
        """Numbers that are not used."""
        return Operators(**operators(self.num_dims, 20, 20))

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return pareto_order(costs, keep)

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Any
    ) -> tuple[Float[Array, "T N D"], Any]:
        del params
        if self.draw is None:
            return jax.random.uniform(key, population.shape, population.dtype), memory
        rows = self._rows(self.draw(key, self.population_size))
        return rows.reshape(population.shape), memory
