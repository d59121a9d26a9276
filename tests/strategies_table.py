"""The table of all strategies, toy problems for them, and one way to drive them.

A new strategy is a new row of `ROWS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from sosjax.strategies._adaptive_de import AdaptiveDE
from sosjax.strategies._mfea import MFEA
from sosjax.strategies._mfea2 import MFEA2
from sosjax.strategies._mo_mfea import MOMFEA
from sosjax.strategies._mo_mfea2 import MOMFEA2
from sosjax.strategies._nsga2 import NSGA2
from sosjax.strategies._random import RandomSearch

PEOPLE, GENERATIONS = 40, 60
SOLUTION = {
    "reals": jnp.zeros((2, 2)),
    "half": jnp.zeros((), jnp.float16),
    "nested": {"bits": jnp.zeros(3, bool), "wholes": jnp.zeros(2, jnp.int32)},
}
BOUNDS = (
    {"reals": -1, "half": -2, "nested": {"bits": 0, "wholes": [1, -3]}},
    {"reals": 3, "half": 2, "nested": {"bits": 1, "wholes": [5, 0]}},
)


@dataclass(frozen=True)
class Row:
    """What a strategy can do.

    Attributes:
      make: the class.
      tasks: how many tasks it is tried with.
      objectives: how many objectives.
      learns: it is not the baseline that the others must beat.
    """

    make: Callable[..., Any]
    tasks: int = 2
    objectives: int = 2
    learns: bool = True

    def strategy(self, size=PEOPLE, solution=SOLUTION, bounds=BOUNDS, tasks=None, **options):
        """Return the strategy, for the mixed solution or another one."""
        tasks = tasks or self.tasks
        bounds = bounds if solution is SOLUTION else None
        return self.make(size, solution, tasks=tasks, bounds=bounds, **options)


ROWS = {
    "MOMFEA": Row(MOMFEA),
    "MOMFEA2": Row(MOMFEA2),
    "NSGA2": Row(NSGA2, tasks=1),
    "AdaptiveDE": Row(AdaptiveDE),
    "MFEA": Row(MFEA, objectives=1),
    "MFEA2": Row(MFEA2, objectives=1),
    "RandomSearch": Row(RandomSearch, learns=False),
}


def each(rows):
    """Parametrise a test by rows of the table."""
    return pytest.mark.parametrize("row", rows.values(), ids=list(rows))


each_row = each(ROWS)


def distance(task, solution):
    """Return how far from a task's optimum everything but the first real gene is."""
    reals = (solution["reals"].ravel() + 1) / 4
    off = (~solution["nested"]["bits"]).sum() + jnp.abs(solution["nested"]["wholes"][0] - 2 - task)
    half = jnp.abs(solution["half"].astype(jnp.float32)) / 2
    return jnp.abs(reals[1:] - 0.3 * (1 + task)).mean() + 0.1 * half + 0.1 * off


def zdt(task, solution):
    """ZDT1, two objectives; the optimum is elsewhere for each task."""
    first = (solution["reals"][0, 0] + 1) / 4
    g = 1 + 9 * distance(task, solution)
    return jnp.stack([first, g * (1 - jnp.sqrt(first / g))])


def single(task, solution):
    """One objective, 0 at best."""
    return (distance(task, solution) + jnp.abs(solution["reals"][0, 0] - 1))[None]


def judge_of(row):
    """Return the toy problem with the row's number of objectives."""
    return single if row.objectives == 1 else zdt


def run(strategy, key, judge, generations=GENERATIONS, params=None, start=None):
    """Run a strategy in one scan.

    Returns:
      The final state, and of every generation: the state before, the children, their costs, the
      state after and the metrics.
    """
    params = strategy.default_params if params is None else params
    start_key, loop_key = jax.random.split(key)
    start = strategy.sample(start_key) if start is None else start
    evaluate = jax.vmap(judge)
    costs = evaluate(strategy.skill_factors, start)

    def generation(before, key):
        ask_key, tell_key = jax.random.split(key)
        children, asked = strategy.ask(ask_key, before, params)
        costs = evaluate(strategy.skill_factors, children)
        state, metrics = strategy.tell(tell_key, children, costs, asked, params)
        return state, (before, children, costs, state, metrics)

    state = strategy.init(start_key, start, costs, params)
    return jax.lax.scan(generation, state, jax.random.split(loop_key, generations))
