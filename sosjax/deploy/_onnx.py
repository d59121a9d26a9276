"""A network as ONNX: the only file that knows jax2onnx and onnxruntime."""

import contextlib
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from ._formats import FormatError

OPSET = 18
"""Of the end of 2022; onnxruntime reads it from 1.14 on."""

FILE = "network.onnx"


def onnx_bytes(equations: ClosedJaxpr) -> bytes:
    """Return a network as an ONNX file, with a batch of any size.

    Args:
      equations: of inputs [batch, ...] to logits, with the weights inside.

    Raises:
      FormatError: jax2onnx has no ONNX for it; its primitive is named.
    """
    (row,) = equations.in_avals
    example = jax.ShapeDtypeStruct(row.shape, row.dtype)
    with _undisturbed():
        from jax2onnx import to_onnx  # pyright: ignore[reportMissingImports]

        try:
            model = to_onnx(
                partial(_run, equations),
                [example],
                opset=OPSET,
                model_name="sosjax",
                input_names=["inputs"],
                output_names=["logits"],
            )
            del model.graph.value_info[:]  # shapes, which whoever reads the file infers again
            return model.SerializeToString()
        except Exception as error:  # of many kinds, as the operators are
            raise FormatError(_sentence(error)) from error


def onnx_network(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return what onnxruntime makes of a file on the CPU: a function from inputs to logits."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run(None, {"inputs": np.asarray(inputs)})[0])


def _run(equations: ClosedJaxpr, inputs: Any) -> Any:
    """Return the logits; windows over images are written so that onnxruntime can run them."""
    jaxpr = equations.jaxpr
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*equations.consts, inputs), strict=True))

    def value(place: Any) -> Any:
        return place.val if isinstance(place, Literal) else values[place]

    for equation in jaxpr.eqns:
        reads = [value(place) for place in equation.invars]
        if equation.primitive.name == "reduce_window_max" and reads[0].ndim > 3:
            written = [_largest(reads[0], equation.params)]
        else:
            params = equation.primitive.get_bind_params(equation.params)
            written = equation.primitive.bind(*reads, **params)
            written = written if equation.primitive.multiple_results else [written]
        values |= dict(zip(equation.outvars, written, strict=True))
    (output,) = jaxpr.outvars
    return value(output)


def _largest(array: jax.Array, params: dict[str, Any]) -> jax.Array:
    """Return maxima over windows of one or two axes, those of images in any layout.

    jax2onnx makes a pooling over as many axes as there are, and onnxruntime pools over three at
    most: so all other axes become one.
    """
    sizes, steps, pads = (
        params[name] for name in ("window_dimensions", "window_strides", "padding")
    )
    windows = list(zip(sizes, steps, pads, strict=True))
    moved = [axis for axis, window in enumerate(windows) if window != (1, 1, (0, 0))]
    dilated = {*params["base_dilation"], *params["window_dilation"]} != {1}
    if dilated or not 1 <= len(moved) <= 2:
        return jax.lax.reduce_window_max_p.bind(array, **params)
    order = [axis for axis in range(array.ndim) if axis not in moved] + moved
    turned = array.transpose(order)
    outer = turned.shape[: -len(moved)]
    size, step, pad = zip((1, 1, (0, 0)), *(windows[axis] for axis in moved), strict=True)
    rows = turned.reshape(-1, *turned.shape[-len(moved) :])
    found = jax.lax.reduce_window(rows, -np.inf, jax.lax.max, size, step, pad)
    return found.reshape(*outer, *found.shape[1:]).transpose(np.argsort(order).tolist())


def _sentence(error: Exception) -> str:
    said = " ".join(str(error).split())[:200].rstrip(".")
    # Whatever fails does so for an equation: that of the innermost frame that has one.
    frames = traceback.walk_tb(error.__traceback__)
    found: list[Any] = [frame.f_locals.get("eqn") for frame, _ in frames]
    names = [str(one.primitive) for one in found if hasattr(one, "primitive")]
    if not names:
        return f"jax2onnx cannot write the network: {type(error).__name__}: {said}."
    return f"jax2onnx cannot write JAX's primitive {names[-1]!r} in opset {OPSET}: {said}."


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep quiet, and put functions of JAX back that jax2onnx leaves replaced by its own."""
    modules: tuple[Any, ...] = (jax.numpy, jax.lax, jax.nn)
    kept = [dict(vars(module)) for module in modules]
    loggers = [logging.getLogger(name) for name in ("jax2onnx", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for module, before in zip(modules, kept, strict=True):
            for name, value in before.items():
                if vars(module).get(name) is not value:
                    setattr(module, name, value)
