"""What is installed, which devices there are, where programs are kept, what is missing for what."""

import argparse
import json
import os
import platform
import re
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from ._parser import NAME
from ._programs import keep_programs, kept_programs

SHOWN = ("jax", "jaxlib", "numpy", "flax", "optax", "evosax", "chex", "orbax-checkpoint")
USES = {
    "text": "tokenizers; BLEU and chrF of translations",
    "data": "folders of images; Parquet tables",
    "onnx": "exports as ONNX",
    "hub": "networks by hf://OWNER/NAME",
    "plots": "figures of a run as PNG",
    "torch": ".pth files; exports as PyTorch; the benchmarks beside it",
}
FAULT = 1


def doctor(arguments: argparse.Namespace) -> int:
    """Print what was found.

    Returns:
      1 if JAX does not compute or a needed package is missing, else 0.
    """
    found = {
        "sosjax": _version(NAME),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "packages": {name: _version(name) for name in SHOWN},
        **_devices(),
        "extras": _extras(),
    }
    found["faults"] = _faults(found)
    print(json.dumps(found, indent=2) if arguments.json else _told(found))
    return FAULT if found["faults"] else 0


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> dict[str, Any]:
    """Return the devices that JAX shows, whether the first computes, and where programs are."""
    try:
        import jax
        import jax.numpy as jnp

        keep_programs()
        found = [
            {
                "kind": device.device_kind,
                "platform": device.platform,
                "memory": (device.memory_stats() or {}).get("bytes_limit"),
            }
            for device in jax.devices()
        ]
        product = float((jnp.ones((64, 64)) @ jnp.ones((64, 64))).sum())
    except Exception as error:  # whatever a broken installation throws is what is asked for
        trouble = f"{type(error).__name__}: {error}"
        return {"devices": [], "computes": False, "trouble": trouble, "cache": None}
    right = product == 64.0**3
    return {"devices": found, "computes": right, "trouble": None, "cache": kept_programs()}


def _extras() -> dict[str, dict[str, Any]]:
    """Return for each extra what it is for, and which of its packages are missing."""
    found = {name: {"for": use, "missing": []} for name, use in USES.items()}
    for line in metadata.requires(NAME) or []:
        asked = re.fullmatch(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"].*", line)
        if asked and asked[2] in found and _version(asked[1]) is None:
            found[asked[2]]["missing"].append(asked[1])
    return found


def _faults(found: dict[str, Any]) -> list[str]:
    """Return what keeps sosjax from working, or from working fast, each in a sentence."""
    faults = [
        f"`{name}` is not installed: pip install {name}."
        for name, version in found["packages"].items()
        if version is None
    ]
    if found["trouble"]:
        faults.append(f"JAX has no device to compute on: {found['trouble']}")
    elif not found["computes"]:
        faults.append("JAX computes a product of matrices wrongly on the first device.")
    platforms = {device["platform"] for device in found["devices"]}
    if platforms == {"cpu"} and shutil.which("nvidia-smi"):
        faults.append("There is an NVIDIA GPU that JAX does not see: pip install 'jax[cuda13]'.")
    if platforms == {"cpu"} and any(Path("/dev").glob("accel[0-9]*")):
        faults.append("There is a TPU that JAX does not see: pip install 'jax[tpu]'.")
    return faults


def _told(found: dict[str, Any]) -> str:
    """Return the same for people."""
    rows = [
        ("sosjax", f"{found['sosjax']}, Python {found['python']}, {found['system']}"),
        ("packages", ", ".join(f"{name} {number}" for name, number in found["packages"].items())),
        *(("device", _device(device)) for device in found["devices"]),
        ("cache", _cache(found["cache"])),
    ]
    for name, extra in found["extras"].items():
        lacking = f"pip install '{NAME}[{name}]'  (lacks {', '.join(extra['missing'])})"
        state = lacking if extra["missing"] else "there"
        rows.append((f"[{name}]", f"{extra['for']}: {state}"))
    rows += [("fault", fault) for fault in found["faults"]] or [("faults", "none")]
    return "\n".join(f"{key:<10}{text}" for key, text in rows)


def _device(device: dict[str, Any]) -> str:
    memory = "" if device["memory"] is None else f", {device['memory'] / 2**30:.1f} GiB"
    names = dict.fromkeys((device["platform"], device["kind"]))  # of a CPU they are the same
    return ", ".join(names) + memory


def _cache(cache: dict[str, Any] | None) -> str:
    if cache is None or cache["folder"] is None:
        return "none: compiled programs are not kept"
    return f"{cache['folder']}: {cache['programs']} programs, {cache['bytes'] / 2**20:.0f} MiB"
