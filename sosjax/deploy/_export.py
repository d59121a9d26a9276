"""A member as files: safetensors with an architecture, and StableHLO for any batch size.

The folder holds `weights.safetensors` and `architecture.json`; `network.stablehlo`, the network
with its weights inside, and `function.stablehlo`, the same as a function of a list of the weights
(in the order of `leaves` in the JSON file) and the inputs (both `jax.export`, symbolic batch, CPU,
CUDA and TPU); and `check.safetensors`, inputs and the logits expected of them.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export as jax_export
from jax.extend.core import InconclusiveDimensionOperation

from .._errors import InputError, require
from .._files import new_folder, sha256, write_json, write_whole
from .._tree import named_leaves, with_leaves
from ..graph._certify import Certificate
from ..models._exported import FORMAT, VERSION, described, read_exported, whole_file
from ..models._jat import Jat
from ..models._weights import load_arrays, save_arrays, save_weights
from ..sets._member import Member
from ._certify import certify, check_inputs
from ._network import Network, shrink

FILES = ("weights.safetensors", "network.stablehlo", "function.stablehlo")
PLATFORMS = ("cpu", "cuda", "tpu")
TOLERANCE = 1e-4


def export(jat: Jat, member: Member, folder: str | Path) -> Certificate:
    """Shrink, certify and write a member; a fresh process loads each file again and compares.

    Args:
      jat: the network the member was found in.
      member: from `SetOfSets.select`.
      folder: must not exist; made whole or not at all.

    Returns:
      The certificate; all but `reloaded` is also in `architecture.json`.

    Raises:
      InputError: the folder exists or cannot be written.
      RuntimeError: what was loaded again does not give the same outputs.
    """
    folder = Path(folder)
    try:
        with new_folder("out", folder) as aside:
            network, inputs = shrink(jat, member), check_inputs(jat)
            certificate = certify(jat, member, inputs)
            save_weights(aside / "weights.safetensors", network.params)
            for name, content in _programs(jat, network).items():
                write_whole(aside / name, content)
            description = _architecture(jat, member, network, certificate)
            files = {name: sha256(aside / name) for name in FILES}
            write_json(aside / "architecture.json", description | {"files": files})
            check = {"inputs": inputs, "logits": np.asarray(network(inputs))}
            save_arrays(aside / "check.safetensors", check)
            reloaded = verify_in_fresh_process(aside)
    except OSError as error:
        raise InputError(f"`out` {folder} cannot be written: {error.strerror}.") from error
    return replace(certificate, reloaded=reloaded)


def load_network(folder: str | Path, apply: Any = None) -> Network:
    """Load an exported network as JAX arrays and a function.

    Args:
      folder: what `export` wrote.
      apply: the full network's `apply(params, inputs)`, with dicts as parameters; only needed
        where the architecture is of no family of `sosjax`.

    Raises:
      InputError: a file is missing, damaged or of another version, or `apply` is needed, or not
        the function that was exported.
    """
    folder = Path(folder)
    member = read_exported(folder, apply)
    network = Network(member.apply, member.params, member.classes)
    if member.content["architecture"] is None:
        _check_function(folder, network)
    return network


def _check_function(folder: Path, network: Network) -> None:
    """Refuse a function of the same groups that gives other logits."""
    check, _ = load_arrays(folder / "check.safetensors")
    gap = np.abs(np.asarray(network(check["inputs"])) - check["logits"]).max()
    # Far more than rounding on any machine, far less than what another function makes.
    require(
        gap <= 1e-2 * np.abs(check["logits"]).max(),
        "`apply` must be the function that was exported, got one whose logits differ by "
        f"{gap:.1e}.",
    )


def load_stablehlo(folder: str | Path) -> Any:
    """Load the exported program: a function from inputs [B, ...] to logits, for any B.

    Raises:
      InputError: the file is missing or damaged, or of a version that this JAX does not read.
    """
    return _program(Path(folder), "network.stablehlo")


def _program(folder: Path, name: str) -> Any:
    # Checked first: the parser of a damaged program may end the process.
    content = whole_file(folder, name, described(folder))
    return jax.jit(jax_export.deserialize(bytearray(content)).call)


def differences(folder: Path) -> dict[str, float]:
    """Load every format again and return its largest absolute difference from the check logits."""
    check, _ = load_arrays(folder / "check.safetensors")
    content = described(folder)
    weights, _ = load_arrays(folder / "weights.safetensors")
    function = _program(folder, "function.stablehlo")
    loaded = {
        "stablehlo": load_stablehlo(folder),
        "safetensors": lambda inputs: function(
            [weights[name] for name in content["leaves"]], inputs
        ),
    }
    if content["architecture"] is not None:
        loaded["architecture"] = load_network(folder)
    found = {}
    for name, network in loaded.items():
        # A second batch size shows that the batch is free.
        whole, part = network(check["inputs"]), network(check["inputs"][:3])
        gaps = (whole - check["logits"], part - check["logits"][:3])
        # numpy's maximum, and not Python's: that of NaN must be NaN.
        found[name] = float(np.max([np.abs(np.asarray(gap)).max() for gap in gaps]))
    return found


def verify_in_fresh_process(folder: Path) -> dict[str, float]:
    """Load an export in a new Python process and compare its outputs.

    Returns:
      The largest absolute difference by format.

    Raises:
      RuntimeError: a format does not load or differs by more than 1e-4.
    """
    command = [sys.executable, "-m", "sosjax.deploy", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"The export does not load again: {ended.stderr.strip()[-2000:]}")
    found = json.loads(ended.stdout.splitlines()[-1])
    if not all(gap <= TOLERANCE for gap in found.values()):
        raise RuntimeError(f"The export gives other outputs when loaded again: {found}")
    return found


def _programs(jat: Jat, network: Network) -> dict[str, bytes]:
    leaves = named_leaves(network.params)

    def function(weights: list[Any], inputs: Any) -> Any:
        named = dict(zip(leaves, weights, strict=True))
        return network.apply(with_leaves(network.params, named), inputs)

    (batch,) = jax_export.symbolic_shape("batch")
    row = jat.graph.inputs
    example = jax.ShapeDtypeStruct((batch, *row.shape), row.dtype)
    weights = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves.values()]
    return {
        "network.stablehlo": _stablehlo(partial(network.apply, network.params), example),
        "function.stablehlo": _stablehlo(function, weights, example),
    }


def _stablehlo(function: Callable[..., Any], *examples: Any) -> bytes:
    frames = jax.config.jax_traceback_in_locations_limit  # pyright: ignore
    # Else the file would name the source files of this machine.
    jax.config.update("jax_traceback_in_locations_limit", 0)
    try:
        # What is exported is what was judged, on accelerators too.
        with jax.default_matmul_precision("highest"):
            exported = jax_export.export(jax.jit(function), platforms=PLATFORMS)(*examples)
        return bytes(exported.serialize())
    except (TypeError, InconclusiveDimensionOperation) as error:
        raise InputError(
            "`apply` must trace for a batch of any size to be exported (`x.shape[0]`, not "
            f"`len(x)`), got: {error}"
        ) from error
    finally:
        jax.config.update("jax_traceback_in_locations_limit", frames)


def _architecture(
    jat: Jat, member: Member, network: Network, certificate: Certificate
) -> dict[str, Any]:
    full, rules = named_leaves(jat.graph.graph.shapes), jat.graph.rules
    return {
        "format": FORMAT,
        "version": VERSION,
        "architecture": jat.architecture,
        "task": member.task,
        "classes": list(member.classes),
        "input_shape": list(jat.graph.inputs.shape),
        "input_dtype": str(jat.graph.inputs.dtype),
        "head": None if jat.graph.head is None else asdict(jat.graph.head),
        "protect": list(rules.protect),
        "only": list(rules.only),
        "groups": [
            {"name": group.name, "size": group.size, "kept": np.flatnonzero(mask).tolist()}
            for group, mask in zip(jat.graph.groups, member.masks, strict=False)
        ],
        "blocks": [
            {"name": block.name, "kept": bool(mask.all())}
            for block, mask in zip(
                jat.graph.blocks, member.masks[len(jat.graph.groups) :], strict=False
            )
        ],
        "leaves": {
            name: {
                "dtype": str(leaf.dtype),
                "full": list(full[name].shape),
                "shape": list(leaf.shape),
            }
            for name, leaf in named_leaves(network.params).items()
        },
        "scores": asdict(member.scores),
        "certificate": {key: value for key, value in asdict(certificate).items() if value != {}},
    }
