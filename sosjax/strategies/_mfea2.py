"""MFEA-II (Bali, Ong, Gupta, Tan, 2020, doi 10.1109/TEVC.2019.2906927)."""

from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from .._types import Array, Float, Int, Key
from ._multifactorial import mating_within
from ._params import Learnt, mating
from ._rank import cost_order
from ._rmp import learn_rmp
from ._strategy import AbstractStrategy


@final
@dataclass(frozen=True, eq=False)
class MFEA2(AbstractStrategy):
    """MFEA whose random mating probabilities are learnt anew every generation.

    A refused parent mates within its own task. Metrics and the state's memory hold the learnt
    matrix `rmp` [T, T]; see `learn_rmp` for how it differs from the paper's.

    >>> import jax
    >>> strategy = MFEA2(8, jnp.zeros(3), tasks=2)
    >>> population = strategy.sample(jax.random.key(0))
    >>> state = strategy.init(jax.random.key(1), population, jnp.ones(8), strategy.default_params)
    >>> state.memory.shape
    (2, 2)
    """

    @property
    def default_params(self) -> Learnt:
        """Crossover index 2, mutation index 5 and tasks told apart by their average gene."""
        return Learnt(**mating(self.num_dims, 2, 5), sharpness=jnp.asarray(1.0))

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return cost_order(costs, keep)

    def _start(self, key: Key[Array, ""], population: Float[Array, "T N D"]) -> Array:
        return learn_rmp(population)

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Learnt
    ) -> tuple[Float[Array, "T N D"], Any]:
        rmp = learn_rmp(population, params.sharpness)
        everyone = jnp.broadcast_to(np.arange(population.shape[1]), population.shape[:2])
        levels = self.genotype.levels
        return mating_within(key, population, everyone, rmp, params, levels), rmp

    def _shown(self, memory: Array) -> dict[str, Array]:
        return {"rmp": memory}
