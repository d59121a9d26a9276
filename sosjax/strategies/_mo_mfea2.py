"""MO-MFEA-II (Bali, Gupta, Ong, Tan, 2021, doi 10.1109/TCYB.2020.2981733)."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from .._types import Array, Float, Int, Key
from ._multifactorial import mating_within, tournament
from ._params import Learnt, mating
from ._rank import pareto_order
from ._rmp import learn_rmp
from ._strategy import AbstractStrategy


@final
@dataclass(frozen=True, eq=False)
class MOMFEA2(AbstractStrategy):
    """MO-MFEA whose random mating probabilities are learnt anew every generation.

    A refused parent mates within its own task. Metrics and the state's memory hold the learnt
    matrix `rmp` [T, T]; see `learn_rmp` for how it differs from the paper's.

    >>> strategy = MOMFEA2(8, jnp.zeros(3), tasks=2)
    >>> float(strategy.default_params.sharpness)
    1.0
    """

    @property
    def default_params(self) -> Learnt:
        """Both indices 10, one mutated gene for each child on average."""
        return Learnt(**mating(self.num_dims, 10, 10), sharpness=jnp.asarray(1.0))

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return pareto_order(costs, keep)

    def _start(self, key: Key[Array, ""], population: Float[Array, "T N D"]) -> Array:
        return learn_rmp(population)

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Learnt
    ) -> tuple[Float[Array, "T N D"], Any]:
        select_key, mate_key = jax.random.split(key)
        parents = tournament(select_key, population.shape[:2], population.shape[1])
        rmp = learn_rmp(population, params.sharpness)
        levels = self.genotype.levels
        return mating_within(mate_key, population, parents, rmp, params, levels), rmp

    def _shown(self, memory: Array) -> dict[str, Array]:
        return {"rmp": memory}
