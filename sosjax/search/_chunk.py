"""How many candidates an accelerator takes side by side."""

from dataclasses import replace
from typing import Any

import jax

from ..fitness._placement import population_mesh
from ._evolution import Evolution

EXAMPLES = 16_384
"""Examples of all candidates at once: enough for an accelerator, by arithmetic, unmeasured."""
SHARE = 0.8
"""Of the memory that is free, what a program's own may take."""


def fitted(evolution: Evolution, *arguments: Any) -> Evolution:
    """Return how generations follow, with as many candidates side by side as are worth it and fit.

    What a program needs is what the compiler says. Where compiled programs are kept, none is
    compiled in vain: the next search finds them.

    Args:
      evolution: of a search; where its settings name a chunk, that is taken.
      arguments: of `Evolution.steps`: parameters, examples and so on, as they will be given.
    """
    if evolution.kernel.lanes is None:
        return evolution
    if evolution.settings.chunk is not None:
        return _with(evolution, evolution.settings.chunk)
    kernel, batch, free = evolution.kernel, arguments[1], _free()
    last = -(-evolution.settings.population // 2 ** len(evolution.settings.halving))
    rows = -(-last // population_mesh().size)
    examples = batch.inputs.shape[1]
    if kernel.mode == "raw" or not kernel.graph.statistics:
        examples = min(examples, kernel.side_by_side)
    found = _divisor(rows, EXAMPLES // examples)
    while found > 1 and free is not None:
        if _needed(_with(evolution, found), arguments) <= SHARE * free:
            break
        found = _divisor(rows, found // 2)
    return _with(evolution, found)


def _with(evolution: Evolution, chunk: int) -> Evolution:
    return replace(evolution, kernel=replace(evolution.kernel, chunk=chunk))


def _divisor(rows: int, most: int) -> int:
    """Return the largest divisor up to a number, which leaves no smaller chunk to compile.

    If that is less than half of it, the number itself.
    """
    most = max(1, min(most, rows))
    found = max(one for one in range(1, most + 1) if rows % one == 0)
    return found if 2 * found >= most else most


def _free() -> int | None:
    """Return the free bytes of a device; `None` where it does not say.

    Of several processes half of all bytes, since they must come to the same.
    """
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    several = jax.process_count() > 1
    return stats["bytes_limit"] // 2 if several else stats["bytes_limit"] - stats["bytes_in_use"]


def _needed(evolution: Evolution, arguments: tuple) -> float:
    """Return the bytes that a device needs besides the arguments."""
    try:
        memory = Evolution.advance.lower(evolution, *arguments).compile().memory_analysis()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return float("inf")  # the compiler tried it out, or saw it
    return 0.0 if memory is None else memory.temp_size_in_bytes
