"""The files that people have: safetensors, sharded or not, and PyTorch's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError, listing, require
from .._files import read_json
from ._weights import load_arrays

INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
WHOLE = "model.safetensors"
PICKLE = "pytorch_model.bin"
PICKLES = (".pth", ".pt", ".bin", ".ckpt")


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a checkpoint.

    Args:
      path: a safetensors or PyTorch file, or a folder with `model.safetensors`, with its shards and
        their index, or with `pytorch_model.bin`, sharded or not.

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
        return _sharded(folder, INDEX, lambda path: load_arrays(path)[0])
    if (folder / PICKLE).is_file():
        return _torch_state(folder / PICKLE)
    if (folder / f"{PICKLE}.index.json").is_file():
        return _sharded(folder, f"{PICKLE}.index.json", _torch_state)
    names = sorted(one.name for one in folder.iterdir())
    other = [name for name in names if Path(name).suffix in (*PICKLES, ".safetensors")]
    other = other if len(other) == 1 else []
    raise InputError(
        f"`path` must be a folder with {WHOLE}, {INDEX} or {PICKLE}, got one with "
        f"{listing(names) or 'nothing'}: {folder}"
        + (f"; name {other[0]} itself as `path`, with its `family`." if other else ".")
    )


def _sharded(
    folder: Path, index: str, read: Callable[[Path], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    content = read_json(folder / index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not all(isinstance(one, str) for one in places.values()):
        raise InputError(
            f"{folder / index} must have a `weight_map` from names to files, got none."
        )
    files = sorted(set(places.values()))
    lost = [name for name in files if not (folder / name).is_file()]
    require(
        not lost, f"`path` must hold every shard that {index} names, got none of {listing(lost)}."
    )
    arrays: dict[str, np.ndarray] = {}
    for name in files:
        arrays |= read(folder / name)
    absent = [name for name in places if name not in arrays]
    require(
        not absent, f"the shards must hold what {index} names, got them without {listing(absent)}."
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
