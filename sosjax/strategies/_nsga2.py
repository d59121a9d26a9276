"""NSGA-II (Deb, Pratap, Agarwal, Meyarivan, 2002, doi 10.1109/4235.996017)."""

from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from .._errors import require
from .._types import Array, Float, Int, Key
from ._multifactorial import assortative_mating, tournament
from ._params import Mating, Operators, operators
from ._rank import pareto_order
from ._strategy import AbstractStrategy


@final
@dataclass(frozen=True, eq=False)
class NSGA2(AbstractStrategy):
    """The single-task baseline of two or more objectives; for several tasks, `jax.vmap` it.

    Binary tournaments by front and crowding distance, SBX, polynomial mutation; the best of
    parents and children survive. `MOMFEA` of one task does the same with the same key.

    >>> strategy = NSGA2(20, jnp.zeros(3))
    >>> params, key = strategy.default_params, jax.random.key(0)
    >>> def judge(x):  # two objectives
    ...     return jnp.stack([x[:, 0] + x[:, 2], 1 - x[:, 0] + x[:, 1]], -1)
    >>> population = strategy.sample(key)
    >>> state = strategy.init(key, population, judge(population), params)
    >>> for step in range(5):
    ...     ask_key, tell_key = jax.random.split(jax.random.fold_in(key, step))
    ...     children, state = strategy.ask(ask_key, state, params)
    ...     state, metrics = strategy.tell(tell_key, children, judge(children), state, params)
    >>> state.population.shape, int(metrics["generation_counter"])
    ((20, 3), 5)
    """

    def __post_init__(self) -> None:
        AbstractStrategy.__post_init__(self)
        require(self.tasks == 1, f"`tasks` must be 1 for NSGA-II, got {self.tasks}.")

    @property
    def default_params(self) -> Operators:
        """Both indices 20, and one mutated gene for each child in expectation."""
        return Operators(**operators(self.num_dims, 20, 20))

    def _best_first(self, costs: Float[Array, "M K"], keep: int) -> Int[Array, " keep"]:
        return pareto_order(costs, keep)

    def _children(
        self, key: Key[Array, ""], population: Float[Array, "T N D"], memory: Any, params: Operators
    ) -> tuple[Float[Array, "T N D"], Any]:
        select_key, mate_key = jax.random.split(key)
        parents = tournament(select_key, population.shape[:2], population.shape[1])
        # Every pair is of one task, and accepted.
        mating = Mating(**vars(params), mated_mutation_rate=params.mutation_rate)
        rmp = jnp.ones((1, 1))
        levels = self.genotype.levels
        return assortative_mating(mate_key, population, parents, rmp, mating, levels), memory
