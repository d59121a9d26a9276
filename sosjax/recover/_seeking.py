"""Sub-networks that a forecast likes, evolved for all tasks at once."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Float
from ..pareto._dominance import nondominated
from ..search._problem import Problem
from ..space._encoding import Ratios
from ..strategies import MOMFEA
from ._forecast import Forecast

POPULATION = 64
GENERATIONS = 200


def seek(
    problem: Problem, forecast: Forecast, known: Float[Array, "T M D"], doubt: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Evolve genotypes of keep ratios towards a low foretold error and low costs.

    Nothing is evaluated but the forecast, so that this takes a second.

    Args:
      problem: the network, its costs and the objectives.
      forecast: of the log error over genes.
      known: genotypes to begin with.
      doubt: how many deviations below the mean an error is taken to be: with more, what nobody has
        tried looks better.
      seed: of everything random.

    Returns:
      Genotypes [T, P, D], and which of them [T, P] no other beats.
    """
    encoding, tasks = ratios_of(problem), len(problem.tasks)
    strategy = MOMFEA(POPULATION * tasks, jnp.zeros(encoding.dimensions), tasks)
    params = replace(strategy.default_params, rmp=jnp.full((tasks, tasks), problem.settings.rmp))

    def judged(rows: Array) -> Array:
        rows = rows.reshape(tasks, POPULATION, -1)

        def one(task: Array, genes: Array) -> Array:
            kept = encoding.kept(genes)
            mean, deviation = forecast(genes_of(encoding, kept, jnp), task)
            costs = problem.costs_of(kept, task)
            return jnp.concatenate([(mean - doubt * deviation)[:, None], jnp.log10(costs)], 1)

        found = jax.lax.map(lambda pair: one(*pair), (jnp.arange(tasks), rows))
        return found.reshape(POPULATION * tasks, -1)

    @jax.jit
    def run(key: Array) -> tuple[Array, Array]:
        first_key, start_key, key = jax.random.split(key, 3)
        first = encoding.sample(first_key, POPULATION * tasks).reshape(tasks, POPULATION, -1)
        places = jnp.arange(min(known.shape[1], POPULATION // 2))
        first = first.at[:, places].set(known[:, places]).reshape(POPULATION * tasks, -1)
        state = strategy.init(start_key, first, judged(first), params)

        def generation(state: Any, key: Array) -> tuple[Any, None]:
            ask_key, tell_key = jax.random.split(key)
            children, state = strategy.ask(ask_key, state, params)
            return strategy.tell(tell_key, children, judged(children), state, params)[0], None

        state, _ = jax.lax.scan(generation, state, jax.random.split(key, GENERATIONS))
        return state.population, state.fitness

    population, fitness = run(jax.random.key(seed))
    population = population.reshape(tasks, POPULATION, -1)
    best = jax.vmap(nondominated)(fitness.reshape(tasks, POPULATION, -1))
    return np.asarray(population), np.asarray(best)


def ratios_of(problem: Problem) -> Ratios:
    """Return the keep ratios over one ranking of each group, with the blocks of the search."""
    graph = problem.jat.graph
    return Ratios(graph.sizes, graph.rules.granularity, problem.encoding.blocks)


def genes_of(encoding: Ratios, kept: Any, xp: Any = np) -> Any:
    """Return the gene of each count: the logarithm to the base of the group's size.

    Args:
      encoding: says what the counts are of.
      kept: [..., G + blocks].
      xp: numpy, or its like in JAX.
    """
    groups = len(encoding.sizes)
    sizes = np.log(np.maximum(np.array(encoding.sizes, np.float32), 2))
    ratios = xp.log(xp.maximum(kept[..., :groups], 1)) / sizes
    return xp.concatenate([ratios, kept[..., groups:]], -1)


def spread(costs: np.ndarray, count: int) -> list[int]:
    """Choose rows whose first costs are spread evenly on a log axis.

    Args:
      costs: of the rows that may be chosen, [M].
      count: how many are wanted.
    """
    logs = np.log10(costs)
    left, chosen = list(range(len(logs))), []
    for wanted in np.linspace(logs.min(), logs.max(), min(count, len(logs))):
        best = min(left, key=lambda row: abs(logs[row] - wanted))
        left.remove(best)
        chosen.append(best)
    return chosen
