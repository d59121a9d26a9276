"""A network as programs for a batch of any size."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
from jax import export as jax_export
from jax.extend.core import ClosedJaxpr, InconclusiveDimensionOperation

from .._errors import InputError
from ._stored import Stored

PLATFORMS = ("cpu", "cuda", "tpu")


def programs(stored: Stored, example: jax.ShapeDtypeStruct) -> dict[str, bytes]:
    """Return the StableHLO files of a network by their names.

    Args:
      stored: the network.
      example: the shape and dtype of one input, without the batch.

    Raises:
      InputError: the network cannot be traced for a batch of any size.
    """

    def function(weights: list[Any], inputs: Any) -> Any:
        return stored.apply(dict(zip(stored.arrays, weights, strict=True)), inputs)

    weights = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in stored.arrays.values()]
    rows = _any_batch(example)
    return {
        "network.stablehlo": _stablehlo(partial(stored.apply, stored.arrays), rows),
        "function.stablehlo": _stablehlo(function, weights, rows),
    }


def equations(stored: Stored, example: jax.ShapeDtypeStruct) -> ClosedJaxpr:
    """Return the network with its weights as JAX's own equations; arguments as for `programs`."""
    with _tracing():
        return jax.make_jaxpr(partial(stored.apply, stored.arrays))(_any_batch(example))


def _stablehlo(function: Callable[..., Any], *examples: Any) -> bytes:
    frames = jax.config.jax_traceback_in_locations_limit  # pyright: ignore
    # Else the file would name the source files of this machine.
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        with _tracing():
            exported = jax_export.export(jax.jit(function), platforms=PLATFORMS)(*examples)
        return bytes(exported.serialize())
    finally:
        jax.config.update("jax_traceback_in_locations_limit", frames)


@contextlib.contextmanager
def _tracing() -> Iterator[None]:
    try:
        # What is exported is what was judged, on accelerators too.
        with jax.default_matmul_precision("highest"):
            yield
    except (TypeError, InconclusiveDimensionOperation) as error:
        raise InputError(
            "`apply` must trace for a batch of any size to be exported (`x.shape[0]`, not "
            f"`len(x)`), got: {error}"
        ) from error


def _any_batch(example: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    (batch,) = jax_export.symbolic_shape("batch")
    return jax.ShapeDtypeStruct((batch, *example.shape), example.dtype)
