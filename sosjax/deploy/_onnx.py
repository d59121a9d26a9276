"""A network as ONNX: the only file that knows jax2onnx and onnxruntime."""

import contextlib
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

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
    function = jaxpr_as_fun(equations)
    (row,) = equations.in_avals
    example = jax.ShapeDtypeStruct(row.shape, row.dtype)
    with _undisturbed():
        from jax2onnx import to_onnx  # pyright: ignore[reportMissingImports]

        try:
            model = to_onnx(
                lambda inputs: function(inputs)[0],
                [example],
                opset=OPSET,
                model_name="sosjax",
                input_names=["inputs"],
                output_names=["logits"],
            )
            return model.SerializeToString()
        except Exception as error:  # of many kinds, as the operators are
            raise FormatError(_sentence(error)) from error


def onnx_network(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return what onnxruntime makes of a file on the CPU: a function from inputs to logits."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, {"inputs": np.asarray(inputs)})[0]


def _sentence(error: Exception) -> str:
    said = " ".join(str(error).split())[:200].rstrip(".")
    # Whatever fails does so for an equation: that of the innermost frame that has one.
    frames = [frame.f_locals.get("eqn") for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [str(getattr(one, "primitive")) for one in frames if hasattr(one, "primitive")]  # noqa: B009
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
