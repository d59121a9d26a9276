"""MO-MFEA (Gupta, Ong, Feng, Tan, 2017, doi 10.1109/TCYB.2016.2554622)."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from .._types import Array, Float, Int, Key
from ._multifactorial import assortative_mating, tournament
from ._params import Fixed, mating
from ._rank import pareto_order
from ._strategy import AbstractStrategy


@final
@dataclass(frozen=True, eq=False)
class MOMFEA(AbstractStrategy):
    """Many tasks, many objectives, and one random mating probability for each pair of tasks.

    Parents are chosen by binary tournaments on front and crowding distance and mate
    assortatively; the best of parents and children of a task survive.

    >>> strategy = MOMFEA(8, {"x": jnp.zeros(3)}, tasks=2)
    >>> params, key = strategy.default_params, jax.random.key(0)
    >>> def judge(genotypes, skill_factors):  # two objectives of each row's own task
    ...     distance = jnp.abs(genotypes["x"][:, 1:] - skill_factors[:, None]).sum(-1)
    ...     return jnp.stack([genotypes["x"][:, 0] + distance, 1 - genotypes["x"][:, 0]], -1)
    >>> population = strategy.sample(key)
    >>> state = strategy.init(key, population, judge(population, strategy.skill_factors), params)
    >>> for step in range(3):
    ...     ask_key, tell_key = jax.random.split(jax.random.fold_in(key, step))
    ...     children, state = strategy.ask(ask_key, state, params)
    ...     costs = judge(children, strategy.skill_factors)
    ...     state, metrics = strategy.tell(tell_key, children, costs, state, params)
    >>> state.population.shape, int(metrics["generation_counter"])
    ((8, 3), 3)
    """

    @property
    def default_params(self) -> Fixed:
        """The paper's: rmp 0.4, both indices 10, one mutated gene for each child on average."""
        rmp = jnp.full((self.tasks, self.tasks), 0.4)
        return Fixed(**mating(self.num_dims, 10, 10), rmp=rmp)

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return pareto_order(costs, keep)

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Fixed
    ) -> tuple[Float[Array, "T N D"], Any]:
        select_key, mate_key = jax.random.split(key)
        parents = tournament(select_key, population.shape[:2], population.shape[1])
        levels = self.genotype.levels
        mated = assortative_mating(mate_key, population, parents, params.rmp, params, levels)
        return mated, memory
