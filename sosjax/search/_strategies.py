"""The strategies that a search can be asked for, by name."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from ..strategies import MOMFEA, MOMFEA2, AbstractStrategy, AdaptiveDE, RandomSearch
from ._settings import STRATEGIES, Settings

if TYPE_CHECKING:
    from ..strategies import Decomposition


def make_strategy(
    settings: Settings, tasks: int, genes: int, draw: Callable[[Any, int], Any]
) -> "tuple[AbstractStrategy | Decomposition, Any]":
    """Return the strategy that the settings name, and its parameters.

    Args:
      settings: name the strategy, and give population and rmp.
      tasks: the number of tasks.
      genes: of a genotype.
      draw: `draw(key, count)` returns first genotypes [count, genes].

    Raises:
      InputError: the population cannot be shared out among the directions of an evosax algorithm.
    """
    shape = (settings.population * tasks, jnp.zeros(genes), tasks)
    if settings.strategy not in STRATEGIES:
        from ..strategies import Decomposition

        strategy = Decomposition(
            *shape,
            algorithm=settings.strategy,
            objectives=len(settings.objectives),
            directions=settings.directions,
        )
        return strategy, strategy.default_params
    if settings.strategy == "random":
        strategy = RandomSearch(*shape, draw=draw)
        return strategy, strategy.default_params
    if settings.strategy == "mo-mfea":
        strategy = MOMFEA(*shape)
        rmp = jnp.full((tasks, tasks), settings.rmp)
        return strategy, replace(strategy.default_params, rmp=rmp)
    strategy = {"adaptive-de": AdaptiveDE, "mo-mfea-ii": MOMFEA2}[settings.strategy](*shape)
    return strategy, strategy.default_params
