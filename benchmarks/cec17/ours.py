"""Our side of the CEC2017 benchmark: strategies on problems, all seeds in one program."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sosjax.pareto import igd, legacy_igd, nondominated
from sosjax.problems import MultitaskProblem
from sosjax.strategies import MOMFEA, MOMFEA2, NSGA2, AdaptiveDE, RandomSearch

INDIVIDUALS = 100
CHECKPOINTS = 20


@dataclass(frozen=True)
class Contestant:
    """A strategy and the numbers it runs with.

    Attributes:
      strategy: its class.
      changes: what differs from its default parameters.
      separate: whether each task has a population of its own that knows of no other.
    """

    strategy: type
    changes: tuple[tuple[str, float], ...] = ()
    separate: bool = False


# The operators of DDMTOLab's MO-MFEA and MO-MFEA-II: children of an accepted pair do not mutate.
DDMTOLAB = (("crossover_eta", 2.0), ("mutation_eta", 5.0), ("mated_mutation_rate", 0.0))
CONTESTANTS = {
    "AdaptiveDE": Contestant(AdaptiveDE),
    "MO-MFEA-II": Contestant(MOMFEA2, DDMTOLAB),
    "MO-MFEA": Contestant(MOMFEA, (*DDMTOLAB, ("rmp", 0.3))),
    "NSGA-II": Contestant(NSGA2, separate=True),
    "random": Contestant(RandomSearch),
}
ABLATIONS = {
    "no transfer": Contestant(AdaptiveDE, (("transfer", 0.0),)),
    "no proportional step": Contestant(AdaptiveDE, (("proportional_rate", 0.0),)),
}


def run(
    contestant: Contestant, problem: MultitaskProblem, seeds: np.ndarray, evaluations: int
) -> dict[str, np.ndarray]:
    """Return the indicators of every seed and task.

    Args:
      contestant: what runs.
      problem: on what.
      seeds: one for each run, [S].
      evaluations: of all tasks together, the first population among them.

    Returns:
      `igd` and `legacy_igd` [S, T], `history` [S, C, T] of the IGD at `checkpoints` [C].
    """
    generations = evaluations // (INDIVIDUALS * len(problem.tasks)) - 1
    marks = np.unique(np.linspace(0, generations, CHECKPOINTS + 1).astype(int)[1:])
    one = partial(_run, contestant, problem, marks)
    found = jax.jit(jax.vmap(one))(jax.vmap(jax.random.key)(jnp.asarray(seeds)))
    found = {name: np.asarray(value) for name, value in found.items()}
    spent = (marks + 1) * INDIVIDUALS * len(problem.tasks)
    return found | {"checkpoints": spent}


def _run(
    contestant: Contestant, problem: MultitaskProblem, marks: np.ndarray, key: Any
) -> dict[str, Any]:
    """Run one seed; between two marks lie as many generations as there are."""
    start, generation = driver(contestant, problem)
    start_key, loop_key = jax.random.split(key)
    fronts = [
        jnp.asarray(_padded(problem, task), jnp.float32) for task in range(len(problem.tasks))
    ]

    def measured(costs: jax.Array, indicator: Callable) -> jax.Array:
        return jnp.stack([indicator(one, front) for one, front in zip(costs, fronts, strict=True)])

    def until(state: Any, span: tuple[jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        def step(number: jax.Array, state: Any) -> Any:
            return generation(jax.random.fold_in(loop_key, number), state)

        state = jax.lax.fori_loop(span[0], span[1], step, state)
        return state, measured(_costs(state, problem), igd)

    spans = jnp.asarray(np.concatenate([[0], marks[:-1]])), jnp.asarray(marks)
    state, history = jax.lax.scan(until, start(start_key), spans)
    costs = _costs(state, problem)
    return {
        "igd": history[-1],
        "legacy_igd": measured(costs, legacy_igd),
        "history": history,
        "costs": costs,
    }


def driver(contestant: Contestant, problem: MultitaskProblem) -> tuple[Callable, Callable]:
    """Return `start(key) -> state` and `generation(key, state) -> state`."""
    tasks, solution = len(problem.tasks), jnp.zeros(problem.genes)
    together = 1 if contestant.separate else tasks
    strategy = contestant.strategy(INDIVIDUALS * together, solution, together)
    params = strategy.default_params
    for name, value in contestant.changes:
        params = params.replace(**{name: jnp.full_like(getattr(params, name), value)})
    each = jax.vmap if contestant.separate else (lambda function: function)

    def keys(key: Any) -> Any:
        return jax.random.split(key, tasks) if contestant.separate else key

    def judge(population: jax.Array) -> jax.Array:
        genes = population.reshape(tasks, INDIVIDUALS, -1)
        return problem.evaluate(genes).reshape(*population.shape[:-1], -1)

    def start(key: Any) -> Any:
        population = each(strategy.sample)(keys(key))
        costs = judge(population)
        return each(lambda *given: strategy.init(*given, params))(keys(key), population, costs)

    def generation(key: Any, state: Any) -> Any:
        ask_key, tell_key = jax.random.split(key)
        children, state = each(lambda *given: strategy.ask(*given, params))(keys(ask_key), state)
        told = each(lambda *given: strategy.tell(*given, params))
        return told(keys(tell_key), children, judge(children), state)[0]

    return start, generation


def _costs(state: Any, problem: MultitaskProblem) -> jax.Array:
    """Return what was found as [T, N, K]; infinite where it is dominated."""
    costs = state.fitness.reshape(len(problem.tasks), INDIVIDUALS, -1)
    return jnp.where(jax.vmap(nondominated)(costs)[..., None], costs, jnp.inf)


def _padded(problem: MultitaskProblem, task: int) -> np.ndarray:
    """Return the true front with zeros in the columns that other tasks alone have."""
    front = problem.front(task)
    return np.pad(front, ((0, 0), (0, max(problem.objectives) - front.shape[1])))
