"""MFEA (Gupta, Ong, Feng, 2016, doi 10.1109/TEVC.2015.2458037)."""

from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from .._types import Array, Float, Int, Key
from ._multifactorial import assortative_mating
from ._params import Fixed, mating
from ._rank import cost_order
from ._strategy import AbstractStrategy


@final
@dataclass(frozen=True, eq=False)
class MFEA(AbstractStrategy):
    """Many tasks of one objective each, and one random mating probability for each pair of them.

    Every individual mates once a generation, with a random partner; the best of parents and
    children of a task survive, its best one in its first row.

    >>> import jax
    >>> strategy = MFEA(20, jnp.zeros(3), tasks=2)
    >>> params, key = strategy.default_params, jax.random.key(0)
    >>> def judge(genotypes):  # the tasks' optima differ
    ...     return jnp.square(genotypes - 0.2 - 0.6 * strategy.skill_factors[:, None]).sum(-1)
    >>> population = strategy.sample(key)
    >>> state = strategy.init(key, population, judge(population), params)
    >>> for step in range(60):
    ...     ask_key, tell_key = jax.random.split(jax.random.fold_in(key, step))
    ...     children, state = strategy.ask(ask_key, state, params)
    ...     state, metrics = strategy.tell(tell_key, children, judge(children), state, params)
    >>> bool((state.fitness.reshape(2, 10)[:, 0] < 0.01).all())
    True
    """

    @property
    def default_params(self) -> Fixed:
        """The paper's: rmp 0.3, crossover index 2, mutation index 5."""
        rmp = jnp.full((self.tasks, self.tasks), 0.3)
        return Fixed(**mating(self.num_dims, 2, 5), rmp=rmp)

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return cost_order(costs, keep)

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Fixed
    ) -> tuple[Float[Array, "T N D"], Any]:
        everyone = jnp.broadcast_to(np.arange(population.shape[1]), population.shape[:2])
        levels = self.genotype.levels
        mated = assortative_mating(key, population, everyone, params.rmp, params, levels)
        return mated, memory
