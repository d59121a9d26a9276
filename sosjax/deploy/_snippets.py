"""How to load each format of an export: pieces of Python that run in its folder."""

from collections.abc import Mapping
from typing import Any

_INPUTS = "inputs = np.zeros({shape}, np.{dtype})"

_STABLEHLO = """
import jax
import numpy as np

with open("network.stablehlo", "rb") as file:
    program = jax.export.deserialize(bytearray(file.read()))
{inputs}
logits = program.call(inputs)  # of any batch
"""
_JAX = """
import numpy as np
import sosjax

network = sosjax.load_network(".")
{inputs}
logits = network(inputs)
"""
_ONNX = """
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("network.onnx", providers=["CPUExecutionProvider"])
{inputs}
(logits,) = session.run(["logits"], {{"inputs": inputs}})
"""
_PYTORCH = """
import torch
from pytorch.network import load

network = load("pytorch")  # a torch.nn.Module
inputs = torch.zeros({shape}, dtype=torch.{dtype}){note}
logits = network(inputs)
"""
_FUNCTION = (
    '`sosjax.load_network(".", jat)` gives arrays and a function; `jat` is the `sosjax.Jat` that '
    "the member was cut out of, whose code no file can hold."
)


def snippets(description: Mapping[str, Any]) -> str:
    """Return Markdown with a piece of Python for each format that is there.

    Args:
      description: what `architecture.json` says.
    """
    shape, dtype = (1, *description["input_shape"]), description["input_dtype"]
    inputs = _INPUTS.format(shape=shape, dtype=dtype)
    known = description["architecture"] is not None
    parts = [("JAX, with sosjax", _JAX.format(inputs=inputs) if known else None)]
    parts.append(("StableHLO, in JAX alone", _STABLEHLO.format(inputs=inputs)))
    if "onnx" in description["formats"]:
        opset = description["formats"]["onnx"]["opset"]
        parts.append((f"ONNX, opset {opset}", _ONNX.format(inputs=inputs)))
    if "pytorch" in description["formats"]:
        image = len(shape) == 4
        parts.append(
            (
                "PyTorch",
                _PYTORCH.format(
                    shape=(1, shape[3], shape[1], shape[2]) if image else shape,
                    dtype="int64" if dtype == "int32" else dtype,
                    note="  # channels come first" if image else "",
                ),
            )
        )
    return "\n\n".join(
        f"### {title}\n\n" + (_FUNCTION if code is None else f"```python\n{code.strip()}\n```")
        for title, code in parts
    )
