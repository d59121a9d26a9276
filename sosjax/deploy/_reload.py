"""An export loaded again: by its user, and by the fresh process that checks it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export as jax_export

from .._errors import require
from ..models._exported import described, read_exported, whole_file
from ..models._jat import Jat
from ..models._weights import load_arrays
from ._latency import latency
from ._network import Network
from ._onnx import FILE as ONNX
from ._onnx import onnx_network
from ._pytorch import FOLDER as PYTORCH
from ._pytorch import pytorch_network

TOLERANCE = 1e-4


class Reloaded(NamedTuple):
    """What a fresh process found of an export.

    Attributes:
      gaps: by format the largest absolute difference from the logits that are expected.
      latency_ms: by format the median time of a run by the size of the batch.
      failed: why a format that can be done without does not hold, in a sentence each.
    """

    gaps: dict[str, float]
    latency_ms: dict[str, dict[str, float]]
    failed: dict[str, str]


def load_network(folder: str | Path, jat: Jat | None = None) -> Network:
    """Load an exported network as JAX arrays and a function; int8 becomes float32.

    Args:
      folder: what `export` wrote.
      jat: the network that the member was cut out of; only needed where that is of no family of
        `sosjax`. Its weights do not matter, and the parameters are as its own.

    Raises:
      InputError: a file is missing, damaged or of another version, or `jat` is needed, or not the
        network that was exported.
    """
    folder = Path(folder)
    member = read_exported(folder, jat)
    network = Network(member.apply, member.params, member.classes)
    if member.content["architecture"] is None:
        _check_function(folder, network)
    return network


def load_stablehlo(folder: str | Path) -> Any:
    """Load the exported program: a function from inputs [B, ...] to logits, for any B.

    Raises:
      InputError: the file is missing or damaged, or of a version that this JAX does not read.
    """
    return _program(Path(folder), "network.stablehlo")


def differences(folder: Path) -> dict[str, float]:
    """Load what every export holds and return its largest differences from the check logits."""
    check, _ = load_arrays(folder / "check.safetensors")
    content = described(folder)
    weights, _ = load_arrays(folder / "weights.safetensors")
    function = _program(folder, "function.stablehlo")
    loaded = {
        "stablehlo": load_stablehlo(folder),
        "safetensors": lambda inputs: function(
            [weights[name] for name in content["weights"]], inputs
        ),
    }
    if content["architecture"] is not None:
        loaded["architecture"] = load_network(folder)
    return {name: _gap(network, check) for name, network in loaded.items()}


def reloaded(folder: Path) -> Reloaded:
    """Load every format again, compare it with the check logits, and time it."""
    check, _ = load_arrays(folder / "check.safetensors")
    found = Reloaded(differences(folder), {}, {})
    # The formats of others are read by others, and may fail in ways of their own.
    for name, load in _others(folder).items():
        try:
            network = load()
            found.gaps[name] = _gap(network, check)
            found.latency_ms[name] = latency(network, check["inputs"])
        except Exception as error:
            said = " ".join(str(error).split())[:200].rstrip(".")
            found.failed[name] = f"it does not load again: {type(error).__name__}: {said}."
    found.latency_ms["stablehlo"] = latency(load_stablehlo(folder), check["inputs"])
    return found


def verify_in_fresh_process(folder: Path) -> Reloaded:
    """Load an export in a new Python process, compare its outputs, and time it.

    Raises:
      RuntimeError: what every export holds does not load or differs by more than 1e-4. Other
        formats fail instead; they may differ by more where logits are above 1, relative to them.
    """
    command = [sys.executable, "-m", "sosjax.deploy", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"The export does not load again: {ended.stderr.strip()[-2000:]}")
    found = Reloaded(**json.loads(ended.stdout.splitlines()[-1]))
    others = _others(folder)
    if not all(gap <= TOLERANCE for name, gap in found.gaps.items() if name not in others):
        raise RuntimeError(f"The export gives other outputs when loaded again: {found.gaps}")
    check, _ = load_arrays(folder / "check.safetensors")
    largest = max(1.0, float(np.abs(check["logits"]).max()))
    for name in found.gaps.keys() & others.keys():
        if not found.gaps[name] <= TOLERANCE * largest:
            gap = found.gaps.pop(name)
            found.failed[name] = f"its outputs differ from the member's by {gap:.1e}."
    return found


def _others(folder: Path) -> dict[str, Callable[[], Callable[[np.ndarray], np.ndarray]]]:
    """Return how to load the other formats that the folder holds."""
    loads = {
        "onnx": (folder / ONNX, onnx_network),
        "pytorch": (folder / PYTORCH, pytorch_network),
    }
    return {
        name: lambda path=path, load=load: load(path)
        for name, (path, load) in loads.items()
        if path.exists()
    }


def _gap(network: Callable[[Any], Any], check: dict[str, np.ndarray]) -> float:
    # A second batch size shows that the batch is free.
    whole, part = network(check["inputs"]), network(check["inputs"][:3])
    gaps = (whole - check["logits"], part - check["logits"][:3])
    # numpy's maximum, and not Python's: that of NaN must be NaN.
    return float(np.max([np.abs(np.asarray(gap)).max() for gap in gaps]))


def _program(folder: Path, name: str) -> Any:
    # Checked first: the parser of a damaged program may end the process.
    content = whole_file(folder, name, described(folder))
    return jax.jit(jax_export.deserialize(bytearray(content)).call)


def _check_function(folder: Path, network: Network) -> None:
    """Refuse a network of the same groups that gives other logits."""
    check, _ = load_arrays(folder / "check.safetensors")
    gap = np.abs(np.asarray(network(check["inputs"])) - check["logits"]).max()
    # Far more than rounding on any machine, far less than what another function makes.
    require(
        gap <= 1e-2 * np.abs(check["logits"]).max(),
        f"`jat` must be the network that was exported, got one whose logits differ by {gap:.1e}.",
    )
