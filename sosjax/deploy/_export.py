"""A member as files: safetensors with an architecture, StableHLO for any batch size, and others.

The folder holds `weights.safetensors` and `architecture.json`; `network.stablehlo`, the network
with its weights inside, and `function.stablehlo`, the same as a function of a list of the weights
(in the order of `weights` in the JSON file) and the inputs (both `jax.export`, symbolic batch, CPU,
CUDA and TPU); `check.safetensors`, inputs and the logits expected of them; and `README.md`, a card.
Where asked for, `network.onnx` and `pytorch/` lie beside them.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError
from .._files import new_folder, sha256, write_json, write_whole
from ..environments._environment import Environment
from ..graph._certify import Certificate
from ..models._jat import Jat
from ..models._weights import save_arrays
from ..sets._member import Member
from ..sets._origin import check_network
from ..sets._set_of_sets import SetOfSets
from ..tasks._dataset import Dataset
from ._accuracy import error_on_test
from ._architecture import described_member
from ._card import Facts, card
from ._certify import certify, check_inputs
from ._formats import FormatError, asked_formats, require_quantisation
from ._latency import machine
from ._network import Network, shrink
from ._onnx import FILE as ONNX
from ._onnx import OPSET, onnx_bytes
from ._programs import equations, programs
from ._pytorch import FOLDER as PYTORCH
from ._pytorch import require_family, write_pytorch
from ._reload import Reloaded, verify_in_fresh_process
from ._reload import load_network as load_network
from ._reload import load_stablehlo as load_stablehlo
from ._stored import Stored, stored

PLACES = {
    "safetensors": "weights.safetensors",
    "stablehlo": "network.stablehlo",
    "onnx": ONNX,
    "pytorch": PYTORCH,
}
"""The file or folder of each format."""


def export(
    jat: Jat,
    member: Member,
    folder: str | Path,
    *,
    formats: Sequence[str] = (),
    quantize: str | None = None,
    sets: SetOfSets | None = None,
    environment: Environment | None = None,
    data: Dataset | None = None,
) -> Certificate:
    """Shrink, certify and write a member; a fresh process loads each file again and compares.

    Args:
      jat: the network the member was found in.
      member: from `SetOfSets.select`.
      folder: must not exist; made whole or not at all.
      formats: what to write beside safetensors and StableHLO, which are always written: `onnx`
        (opset 18, batches of any size), `pytorch` (names, layouts and a module of plain PyTorch
        for a family of `sosjax.models`). Each must be installed.
      quantize: `int8` stores matrices as int8 with a float32 scale for each output; every format
        makes them float32 again when it runs.
      sets: where the member is from: `jat` is checked to be their network, and the card tells what
        the search saw, and the Jack's errors.
      environment: what it was chosen for, for the card.
      data: what it is judged on, for the card; with `quantize` the error of what is stored is
        measured on the test split, beside that of the member in float32.

    Returns:
      The certificate; all but `reloaded` is also in `architecture.json`. A format that cannot hold
      the member, though the others can, is in `failed`, and nothing of it in the folder.

    Raises:
      InputError: the folder exists or cannot be written; a format or a quantisation is unknown,
        not installed, or not for this network; the network does not trace for any batch, or is
        not that of the sets.
      RuntimeError: what was loaded again does not give the same outputs.
    """
    if sets is not None:
        check_network(jat, sets)
    if "pytorch" in formats:  # before what it needs is asked to be installed
        require_family(jat)
    folder, asked = Path(folder), asked_formats(formats)
    require_quantisation(quantize)
    try:
        with new_folder("folder", folder) as aside:
            network, inputs = shrink(jat, member), check_inputs(jat)
            certificate = certify(jat, member, inputs)
            kept = stored(network, quantize, jat.graph.inputs)
            _write(aside, jat, kept, inputs)
            failed = _write_others(aside, jat, member, kept, asked)
            description = described_member(jat, member, kept, certificate)
            if quantize is not None:
                description["quantization"] = _quantised(network, kept, member, inputs, data)
            found = _verified(aside, description, failed)
            certificate = replace(certificate, reloaded=found.gaps, failed=found.failed)
            description["certificate"] |= {"failed": found.failed} if found.failed else {}
            description["formats"] = _formats(aside, found)
            description["measured_on"] = machine()
            _describe(aside, description)
            facts = Facts(jat, member, certificate, sets, environment, data)
            write_whole(aside / "README.md", card(facts, description))
    except OSError as error:
        raise InputError(f"`folder` {folder} cannot be written: {error.strerror}.") from error
    return certificate


def _write(folder: Path, jat: Jat, kept: Stored, inputs: np.ndarray) -> None:
    """Write what every export holds but its description."""
    save_arrays(folder / "weights.safetensors", kept.arrays)
    for name, content in programs(kept, jat.graph.inputs).items():
        write_whole(folder / name, content)
    check = {"inputs": inputs, "logits": np.asarray(kept.network(inputs))}
    save_arrays(folder / "check.safetensors", check)


def _write_others(
    folder: Path, jat: Jat, member: Member, kept: Stored, asked: Sequence[str]
) -> dict[str, str]:
    """Write the formats that were asked for; return why those that cannot be written cannot."""
    failed = {}
    if "onnx" in asked:
        try:
            write_whole(folder / ONNX, onnx_bytes(equations(kept, jat.graph.inputs)))
        except FormatError as error:
            failed["onnx"] = str(error)
    if "pytorch" in asked:
        write_pytorch(folder / PYTORCH, jat, member, kept)
    return failed


def _verified(folder: Path, description: dict[str, Any], failed: dict[str, str]) -> Reloaded:
    """Let a fresh process check what is written, and take away what does not hold."""
    _describe(folder, description)
    found = verify_in_fresh_process(folder)
    for name in found.failed:
        place = folder / PLACES[name]
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return found._replace(failed=failed | found.failed)


def _describe(folder: Path, description: dict[str, Any]) -> None:
    """Write the description with the checksums of what is there."""
    own = ("architecture.json", "check.safetensors")
    files = {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in own
    }
    write_json(folder / "architecture.json", description | {"files": files})


def _formats(folder: Path, found: Reloaded) -> dict[str, Any]:
    """Return the size on disk of each format that is there, and how long it takes."""
    measured: dict[str, Any] = {}
    for name, file in PLACES.items():
        place = folder / file
        if not place.exists():
            continue
        files = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
        measured[name] = {"bytes": sum(one.stat().st_size for one in files)}
        if name in found.latency_ms:
            measured[name]["latency_ms"] = found.latency_ms[name]
    if "onnx" in measured:
        measured["onnx"]["opset"] = OPSET
    return measured


def _quantised(
    network: Network, kept: Stored, member: Member, inputs: np.ndarray, data: Dataset | None
) -> dict[str, Any]:
    """Return what int8 does to a member: its bytes, its logits, and its error on test data."""
    exact, rough = np.asarray(network(inputs)), np.asarray(kept.network(inputs))
    found: dict[str, Any] = {
        "scheme": "int8",
        "bytes": kept.bytes(),
        "float32_bytes": network.bytes(),
        "relative": float(np.abs(rough - exact).max() / max(np.abs(exact).max(), 1e-30)),
    }
    if data is not None:
        errors = {"test_error": kept.network, "float32_test_error": network}
        found |= {name: error_on_test(one, member, data) for name, one in errors.items()}
    return found
