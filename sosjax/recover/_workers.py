"""Several buckets in training at once."""

import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax

from .._progress import Progress

T = TypeVar("T")

MOST = 4
"""Threads at most, however many cores there are: each holds a bucket in memory."""


def workers() -> int:
    """Return how many buckets are trained at once.

    On a CPU a compilation and most of a step keep a single core busy; an accelerator is filled by
    one bucket.
    """
    devices = jax.local_device_count()
    return min(os.cpu_count() or 1, MOST) if jax.default_backend() == "cpu" else devices


def _on(number: int) -> contextlib.AbstractContextManager[Any]:
    """Compute on one of this process's devices, in turns; there is nothing to say of a single one.

    JAX would trace and compile again what it knows without the context.
    """
    devices = jax.local_devices()
    if len(devices) == 1:
        return contextlib.nullcontext()
    return jax.default_device(devices[number % len(devices)])


class _Stopped(Exception):
    """Another bucket failed, or the user has stopped."""


def side_by_side(
    run: Callable[[int, Progress], T], count: int, progress: Progress | None
) -> list[T]:
    """Return what `run` makes of each of so many numbers.

    Each runs on one of this process's devices, in turns. Where one fails, those in progress stop
    the next time that they say how far they are.

    Args:
      run: called with a number and with what to call with lines, from several threads.
      count: how many numbers.
      progress: called with lines, never from two threads at once.

    Raises:
      BaseException: the first that `run` or `progress` raised.
    """
    lock, failures = threading.Lock(), []

    def tell(line: dict[str, Any]) -> None:
        with lock:
            if failures:
                raise _Stopped
            if progress is not None:
                progress(line)

    def tried(number: int) -> T | None:
        if failures:
            return None
        try:
            with _on(number):
                return run(number, tell)
        except _Stopped:
            return None
        except BaseException as failure:
            failures.append(failure)
            return None

    if min(count, workers()) < 2:
        found = [tried(number) for number in range(count)]
    else:
        with ThreadPoolExecutor(workers()) as pool:
            try:
                found = list(pool.map(tried, range(count)))
            except BaseException as interruption:
                failures.append(interruption)  # so that the threads end, which are waited for
                raise
    if failures:
        raise failures[0]
    return found  # pyright: ignore[reportReturnType]
