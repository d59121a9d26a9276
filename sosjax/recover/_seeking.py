"""Sub-networks that a forecast likes, evolved for all tasks at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Float, Key
from ..environments._environment import Environment
from ..search._problem import Problem
from ..space._encoding import Ratios
from ..strategies import MOMFEA
from ._forecast import Forecast

Aim = Callable[[Array, Array, Array], Array]

POPULATION = 64
GENERATIONS = 200
STEEP = 10.0
"""What a decade beyond an environment's limits adds to a log error: far more than it may lower."""


def aimed(
    problem: Problem,
    forecast: Forecast,
    caution: float,
    smallest: float,
    environments: Sequence[Environment] = (),
) -> Aim:
    """Return what is sought: of counts [P, G + blocks], a task and a place, objectives [P, K].

    In place 0: a low foretold log error, then low costs in decades. In place `i`: a low error alone
    within the limits of environment `i - 1`.

    Args:
      problem: the network, its costs and which of them are objectives.
      forecast: of the log error over genes.
      caution: how many deviations above the mean an error is taken to be.
      smallest: a share of each cost of the whole network; to be smaller is worth nothing.
      environments: where members will run.
    """

    def aim(kept: Array, task: Array, place: Array) -> Array:
        mean, deviation = forecast(traits_of(problem, kept, jnp), task)
        error, costs = mean + caution * deviation, problem.costs_of(kept, task)
        least = smallest * jnp.asarray(problem.dense)[task]
        own = jnp.stack([costs[name] for name in problem.settings.costs], -1)
        front = jnp.concatenate([error[:, None], jnp.log10(jnp.maximum(own, least))], 1)
        beyond = [jnp.zeros(len(kept))]
        for one in environments:
            there = one.each_costs(costs, kept, jnp.asarray(problem.outputs)[task], jnp)
            beyond.append(one.excess(there, jnp))
        within = jnp.zeros_like(front).at[:, 0].set(error + STEEP * jnp.stack(beyond)[place])
        return jnp.where(place == 0, front, within)

    return aim


def seek(
    problem: Problem, aim: Aim, known: Float[Array, "T M D"], places: int, key: Key[Array, ""]
) -> np.ndarray:
    """Evolve genotypes of keep ratios towards what is sought, for one place after the other.

    Nothing is evaluated but a forecast, so that each takes a second.

    Args:
      problem: the network and its tasks.
      aim: what is sought.
      known: genotypes to begin with.
      places: of the aim.
      key: of everything random; each place has its own.

    Returns:
      Genotypes [T, places * P, D].
    """
    encoding, tasks = ratios_of(problem), len(problem.tasks)
    strategy = MOMFEA(POPULATION * tasks, jnp.zeros(encoding.dimensions), tasks)
    params = replace(strategy.default_params, rmp=jnp.full((tasks, tasks), problem.settings.rmp))

    def judged(rows: Array, place: Array) -> Array:
        rows = rows.reshape(tasks, POPULATION, -1)
        found = jax.lax.map(
            lambda pair: aim(encoding.kept(pair[1]), pair[0], place), (jnp.arange(tasks), rows)
        )
        return found.reshape(POPULATION * tasks, -1)

    @jax.jit
    def run(key: Array, place: Array) -> Array:
        first_key, start_key, key = jax.random.split(key, 3)
        first = encoding.sample(first_key, POPULATION * tasks).reshape(tasks, POPULATION, -1)
        begun = jnp.arange(min(known.shape[1], POPULATION // 2))
        first = first.at[:, begun].set(known[:, begun]).reshape(POPULATION * tasks, -1)
        state = strategy.init(start_key, first, judged(first, place), params)

        def generation(state: Any, key: Array) -> tuple[Any, None]:
            ask_key, tell_key = jax.random.split(key)
            children, state = strategy.ask(ask_key, state, params)
            costs = judged(children, place)
            return strategy.tell(tell_key, children, costs, state, params)[0], None

        state, _ = jax.lax.scan(generation, state, jax.random.split(key, GENERATIONS))
        return state.population.reshape(tasks, POPULATION, -1)

    found = [run(jax.random.fold_in(key, place), jnp.int32(place)) for place in range(places)]
    return np.concatenate([np.asarray(own) for own in found], 1)


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


def traits_of(problem: Problem, kept: Any, xp: Any = np) -> Any:
    """Return what a forecast goes by: genes, those of a group 0 where its block is gone.

    Args:
      problem: the network.
      kept: [..., G + blocks].
      xp: numpy, or its like in JAX.
    """
    encoding, graph = ratios_of(problem), problem.jat.graph
    genes, blocks = genes_of(encoding, kept, xp), kept[..., len(encoding.sizes) :]
    inside = [
        [all(leaf in block.leaves for leaf, _ in group.places) for block in graph.blocks]
        for group in graph.groups
    ]
    within = np.array(inside, bool).reshape(len(graph.groups), -1)[:, : encoding.blocks]
    there = xp.where(within, blocks[..., None, :], 1).prod(-1)
    return xp.concatenate([genes[..., : len(graph.groups)] * there, blocks], -1)
