"""A flax module as a pure function and a plain tree of arrays."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx


def functional(build: Callable[[], nnx.Module]) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return a module's function and the shapes of its arrays; nothing is computed.

    Args:
      build: makes the module.

    Returns:
      `apply(params, *inputs)` and nested dicts of `jax.ShapeDtypeStruct`, whose keys are the
      module's attributes (numbers in lists as texts).
    """
    definition, state = nnx.split(nnx.eval_shape(build))
    variables = nnx.to_flat_state(state)

    def apply(params: Any, *inputs: Any, method: str = "__call__") -> Any:
        filled = [(path, one.replace(_leaf(params, path))) for path, one in variables]
        module = nnx.merge(definition, nnx.from_flat_state(filled), copy=True)
        return getattr(module, method)(*inputs)

    shapes: dict[str, Any] = {}
    for path, variable in variables:
        value = variable.get_value()
        *outer, name = map(str, path)
        place = shapes
        for key in outer:
            place = place.setdefault(key, {})
        place[name] = jax.ShapeDtypeStruct(value.shape, value.dtype)
    return apply, shapes


def params_of(module: nnx.Module) -> dict[str, Any]:
    """Return a module's arrays as nested dicts with the keys of `functional`."""
    params: dict[str, Any] = {}
    for path, variable in nnx.to_flat_state(nnx.split(module)[1]):
        *outer, name = map(str, path)
        place = params
        for key in outer:
            place = place.setdefault(key, {})
        place[name] = np.asarray(variable.get_value())
    return params


def _leaf(params: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        params = params[str(key)]
    return params
