"""How long a compiled function takes."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

ROUNDS = 7
SHORTEST = 2e-3
"""Seconds that a round lasts at least: a clock is not read for less."""


class Timing(NamedTuple):
    """Seconds of one call: the median of rounds, and half of what lies between the quartiles."""

    median: float
    spread: float


def timed(function: Callable[..., Any], *arguments: Any, rounds: int = ROUNDS) -> Timing:
    """Time a function that is compiled already, or that compiles when it is first called.

    Args:
      function: returns arrays.
      arguments: for it.
      rounds: how often to measure; each is as many calls as take `SHORTEST`.
    """
    jax.block_until_ready(function(*arguments))
    once = _seconds(function, arguments, 1)
    calls = max(1, round(SHORTEST / max(once, 1e-7)))
    found = [_seconds(function, arguments, calls) for _ in range(rounds)]
    low, median, high = np.quantile(found, [0.25, 0.5, 0.75])
    return Timing(float(median), float(high - low) / 2)


def _seconds(function: Callable[..., Any], arguments: Any, calls: int) -> float:
    start, outcome = time.perf_counter(), None
    for _ in range(calls):
        outcome = function(*arguments)
    jax.block_until_ready(outcome)  # the last one is done when all are
    return (time.perf_counter() - start) / calls
