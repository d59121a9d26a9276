"""How long a network takes on this machine."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

BATCHES = (1, 64)
LEAST, MOST, SECONDS = 3, 50, 0.1
"""Runs that are made at least and at most, and how long they may take beyond the least."""


def latency(network: Callable[[np.ndarray], Any], inputs: np.ndarray) -> dict[str, float]:
    """Return the median time of a run in milliseconds, by the size of the batch.

    Args:
      network: from inputs to an array, of any library.
      inputs: examples [B, ...], repeated to fill the batches.
    """
    found = {}
    for batch in BATCHES:
        rows = np.resize(inputs, (batch, *inputs.shape[1:]))
        np.asarray(network(rows))  # which compiles, where there is something to compile
        found[str(batch)] = 1e3 * _median(network, rows)
    return found


def machine() -> str:
    """Return what the times were measured on: device, cores and system."""
    device = jax.devices()[0].device_kind
    return f"{device}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"


def _median(network: Callable[[np.ndarray], Any], rows: np.ndarray) -> float:
    times: list[float] = []
    while len(times) < LEAST or (len(times) < MOST and sum(times) < SECONDS):
        start = time.perf_counter()
        np.asarray(network(rows))  # waits for it
        times.append(time.perf_counter() - start)
    return statistics.median(times)
