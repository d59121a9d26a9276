"""Convolutions that are fast inside a loop on a CPU, and their gradients with them.

XLA turns a convolution into the form that its fast CPU code takes in the outermost computation
alone: the gradients of one within `scan` or `map` ran 10 to 20 times slower (JAX 0.10, two cores).
Here they are written in that form from the start, with the transpositions spelled out. Windows of
3 x 3 take fewer multiplications there: see `winograd`. What is computed is the same.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
from jax import lax

from ._equation import Equation
from ._program import Program
from ._winograd import is_worth, winograd


def with_fast_gradients(program: Program) -> Program:
    """Return the program with plain convolutions of [B, ..., C] images replaced by such.

    Their gradient can be taken in reverse mode only.
    """
    equations = [
        replace(equation, run=_runner(equation)) if _is_plain(equation) else equation
        for equation in program.region.equations
    ]
    return replace(program, region=replace(program.region, equations=tuple(equations)))


def _is_plain(equation: Equation) -> bool:
    """Return whether it is ungrouped and undilated, with batch first and channels last."""
    if equation.name != "conv_general_dilated" or equation.run is not None:
        return False
    params = equation.params
    spatial = len(params["window_strides"])
    dilations = (*params["lhs_dilation"], *params["rhs_dilation"])
    return (
        params["dimension_numbers"] == _numbers(spatial)
        and params["feature_group_count"] == params["batch_group_count"] == 1
        and all(one == 1 for one in dilations)
    )


def _runner(equation: Equation) -> Any:
    names = ("window_strides", "padding", "precision", "preferred_element_type")
    how = tuple((name, equation.params[name]) for name in names)
    return lambda images, kernel: [convolution(how, images, kernel)]


def _numbers(spatial: int) -> lax.ConvDimensionNumbers:
    inside = tuple(range(1, spatial + 1))
    images = (0, spatial + 1, *inside)
    return lax.ConvDimensionNumbers(
        images, (spatial + 1, spatial, *(place - 1 for place in inside)), images
    )


def _convolved(images: Any, kernel: Any, **how: Any) -> Any:
    numbers = _numbers(images.ndim - 2)
    return lax.conv_general_dilated(images, kernel, dimension_numbers=numbers, **how)


def _undilated(images: Any, kernel: Any, window_strides: Any, padding: Any, **how: Any) -> Any:
    plain = partial(_convolved, window_strides=window_strides, padding=padding, **how)
    if not is_worth(images, kernel, window_strides, padding):
        return plain(images, kernel)
    fewer = partial(winograd, padding=padding, **how)
    return lax.platform_dependent(images, kernel, cpu=fewer, default=plain)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def convolution(how: tuple[tuple[str, Any], ...], images: Any, kernel: Any) -> Any:
    """Convolve images [B, ..., C] with a kernel [..., C, D]."""
    return _undilated(images, kernel, **dict(how))


def _forward(how: Any, images: Any, kernel: Any) -> tuple[Any, tuple[Any, Any]]:
    return convolution(how, images, kernel), (images, kernel)


def _backward(how: Any, kept: tuple[Any, Any], slope: Any) -> tuple[Any, Any]:
    (images, kernel), options = kept, dict(how)
    strides, padding = options.pop("window_strides"), options.pop("padding")
    inside = range(1, images.ndim - 1)
    sizes = [(images.shape[i], kernel.shape[i - 1], slope.shape[i]) for i in inside]
    # Of the slope with zeros between its entries, one for each place that a stride left out.
    spread = [(out - 1) * stride + 1 for (_, _, out), stride in zip(sizes, strides, strict=True)]
    pads = [
        (window - 1 - low, size + low - wide)
        for (size, window, _), (low, _), wide in zip(sizes, padding, spread, strict=True)
    ]
    turned = lax.rev(kernel, tuple(range(kernel.ndim - 2))).swapaxes(-1, -2)
    ones = (1,) * len(strides)
    if tuple(strides) == ones:
        to_images = _undilated(slope, turned, window_strides=ones, padding=pads, **options)
    else:
        to_images = _convolved(
            slope, turned, window_strides=ones, padding=pads, lhs_dilation=strides, **options
        )
    pads = [
        (low, wide + window - size - low - 1)
        for (size, window, _), (low, _), wide in zip(sizes, padding, spread, strict=True)
    ]
    # Channels take the place of examples, which are summed over.
    to_kernel = _convolved(
        images.swapaxes(0, -1),
        slope.transpose(*inside, 0, slope.ndim - 1),
        window_strides=ones,
        padding=pads,
        rhs_dilation=strides,
        **options,
    )
    return to_images, to_kernel.transpose(*inside, 0, kernel.ndim - 1)


convolution.defvjp(_forward, _backward)
