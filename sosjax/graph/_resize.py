"""Which primitives can run on smaller arrays than they were traced for, and with what parameters.

The network's own function is never called again on smaller arrays: module libraries check shapes,
and code such as `sqrt(x.shape[-1])` would change its meaning.
"""

from collections.abc import Sequence
from typing import Any

from .._errors import InputError

Shape = tuple[Any, ...]
"""Sizes of axes: whole numbers, or symbols for a batch of any size."""

_FREE = frozenset(
    [
        "abs",
        "add",
        "and",
        "cbrt",
        "ceil",
        "clamp",
        "concatenate",
        "convert_element_type",
        "copy",
        "cos",
        "div",
        "dot_general",
        "eq",
        "erf",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "floor",
        "ge",
        "gt",
        "integer_pow",
        "is_finite",
        "le",
        "log",
        "log1p",
        "logistic",
        "lt",
        "max",
        "min",
        "mul",
        "ne",
        "neg",
        "not",
        "or",
        "pow",
        "reduce_max",
        "reduce_min",
        "reduce_sum",
        "reduce_window_max",
        "reduce_window_sum",
        "rem",
        "round",
        "rsqrt",
        "select_n",
        "select_and_scatter_add",
        "sign",
        "sin",
        "sqrt",
        "square",
        "squeeze",
        "stop_gradient",
        "sub",
        "tanh",
        "transpose",
    ]
)
"""Primitives whose parameters do not speak of the sizes of axes."""


def resized_params(
    name: str, params: dict[str, Any], traced: Sequence[Shape], shapes: Sequence[Shape]
) -> dict[str, Any]:
    """Return a primitive's parameters for operands of other shapes than the traced ones.

    Raises:
      InputError: it is not known how this primitive runs on smaller arrays.
    """
    if name in _FREE:
        _refuse_mixing(name, params, traced[0], shapes[0])
        return params
    if name == "conv_general_dilated":
        if params["feature_group_count"] == 1 and params["batch_group_count"] == 1:
            return params
        raise InputError("`groups` must not cut the channels of a grouped convolution, got one.")
    if name == "broadcast_in_dim":
        return {**params, "shape": _broadcast_shape(params, traced[0], shapes[0])}
    if name == "reshape":
        new_sizes = _reshaped(params["new_sizes"], traced[0], shapes[0])
        return {**params, "new_sizes": new_sizes}
    raise InputError(
        f"`groups` must not cut the operands of `{name}`, which cannot be made smaller yet, "
        f"got shapes {shapes} for {traced}."
    )


def _refuse_mixing(name: str, params: dict[str, Any], traced: Shape, shape: Shape) -> None:
    """Refuse to reduce or pool over a cut axis: under a mask the removed units would be felt."""
    windows = params.get("window_dimensions", ())
    pooled = [axis for axis, size in enumerate(windows) if size != 1]
    reduced = params["axes"] if name in ("reduce_max", "reduce_min", "reduce_sum") else ()
    if any(shape[axis] != traced[axis] for axis in (*reduced, *pooled)):
        raise InputError(
            f"`groups` must not cut an axis that `{name}` goes over, got {shape} for {traced}."
        )


def _broadcast_shape(params: dict[str, Any], traced: Shape, shape: Shape) -> Shape:
    sizes = list(params["shape"])
    for axis, target in enumerate(params["broadcast_dimensions"]):
        if shape[axis] != traced[axis]:
            sizes[target] = shape[axis]
    return tuple(sizes)


def _reshaped(new_sizes: Shape, traced: Shape, shape: Shape) -> Shape:
    """Follow a cut axis through a reshape that only adds or drops axes of size one."""
    kept = [axis for axis, size in enumerate(traced) if size != 1]
    places = [axis for axis, size in enumerate(new_sizes) if size != 1]
    if [traced[axis] for axis in kept] != [new_sizes[axis] for axis in places]:
        raise InputError(
            "`groups` must not cut an axis that a reshape merges or splits, "
            f"got {traced} reshaped to {new_sizes}."
        )
    sizes = list(new_sizes)
    for axis, place in zip(kept, places, strict=True):
        sizes[place] = shape[axis]
    return tuple(sizes)
