"""The files that people have: safetensors, sharded or not, and PyTorch's own."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError, listing, require
from .._files import read_json
from ._weights import load_arrays

INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
WHOLE = "model.safetensors"
PICKLES = (".pth", ".pt", ".bin", ".ckpt")


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a checkpoint.

    Args:
      path: a safetensors or PyTorch file, or a folder with `model.safetensors`, with its shards and
        their index, or with `pytorch_model.bin`.

    Returns:
      The arrays by the names they have in the file.

    Raises:
      InputError: no such file, shards are missing, the file is damaged, or it is a pickle that
        holds more than arrays.
    """
    if path.is_dir():
        return _folder_state(path)
    require(path.is_file(), f"`path` must be a folder or a weights file, got no such file: {path}.")
    if path.suffix in PICKLES:
        return _torch_state(path)
    return load_arrays(path)[0]


def _folder_state(folder: Path) -> dict[str, np.ndarray]:
    if (folder / WHOLE).is_file():
        return load_arrays(folder / WHOLE)[0]
    if (folder / INDEX).is_file():
        return _sharded(folder)
    pickles = [one for one in (folder / "pytorch_model.bin",) if one.is_file()]
    require(
        pickles,
        f"`path` must be a folder with {WHOLE}, {INDEX} or pytorch_model.bin, got one with "
        f"{listing(sorted(one.name for one in folder.iterdir())) or 'nothing'}: {folder}.",
    )
    return _torch_state(pickles[0])


def _sharded(folder: Path) -> dict[str, np.ndarray]:
    places = read_json(folder / INDEX).get("weight_map")
    require(
        isinstance(places, dict) and all(isinstance(name, str) for name in places.values()),
        f"{folder / INDEX} must have a `weight_map` from names to files, got none.",
    )
    files = sorted(set(places.values()))
    lost = [name for name in files if not (folder / name).is_file()]
    require(
        not lost, f"`path` must hold every shard that {INDEX} names, got none of {listing(lost)}."
    )
    arrays: dict[str, np.ndarray] = {}
    for name in files:
        arrays |= load_arrays(folder / name)[0]
    absent = [name for name in places if name not in arrays]
    require(
        not absent, f"the shards must hold what {INDEX} names, got them without {listing(absent)}."
    )
    return arrays


def _torch_state(path: Path) -> dict[str, np.ndarray]:
    """Read a PyTorch file by torch's reader that admits arrays and nothing that runs."""
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(
            f"`path` must be safetensors, got the pickle {path.name}, which is only read by "
            "PyTorch's weights-only reader: pip install 'sosjax[torch]', or save it as safetensors."
        ) from None
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # it raises errors of many kinds
        raise InputError(
            f"{path} must be a PyTorch file of arrays alone, got one that its weights-only reader "
            f"refuses ({type(error).__name__}): save `model.state_dict()` as safetensors."
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    good = isinstance(content, dict) and all(hasattr(leaf, "numpy") for leaf in content.values())
    require(good, f"{path} must be a state dict, names to arrays, got another object.")
    return {name: leaf.detach().float().numpy() for name, leaf in content.items()}


def read_config(folder: Path) -> dict[str, Any]:
    """Read the `config.json` of a Hugging Face folder.

    Raises:
      InputError: there is none, or it is no JSON object.
    """
    path = folder / CONFIG
    require(
        path.is_file(),
        f"`path` must be a folder with config.json, got one without: {folder}; "
        "for bare weights name the family, such as `family='resnet50'`.",
    )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} must be JSON, got a mistake: {error}.") from None
    require(isinstance(config, dict), f"{path} must be a JSON object, got {type(config).__name__}.")
    return config
