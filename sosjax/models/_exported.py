"""A member that was exported: its description, its weights, and the function for them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from .._errors import InputError, require
from .._files import read_json
from ..graph._graph import graph_of
from ..graph._layout import Rules
from ._families import network_from
from ._int8 import restored, stored_shapes
from ._weights import load_weights

FORMAT = "sosjax-network"
VERSION = 3
DESCRIPTION = "architecture.json"


class Exported(NamedTuple):
    """A network of its own small size.

    Attributes:
      apply: `apply(params, inputs)`.
      params: numpy arrays in nested dicts.
      classes: the names of the outputs.
      content: what its description says.
    """

    apply: Callable[..., Any]
    params: dict[str, Any]
    classes: tuple[str, ...]
    content: dict[str, Any]


def read_exported(folder: Path, apply: Any = None) -> Exported:
    """Read a folder that `sosjax.export` wrote.

    Args:
      folder: the folder.
      apply: the full network's `apply(params, inputs)`, with dicts as parameters; only needed
        where the architecture is of no family of `sosjax`.

    Raises:
      InputError: a file is missing, damaged or of another version, or `apply` is needed, or finds
        other groups than were exported.
    """
    content = described(folder)
    whole_file(folder, "weights.safetensors", content)
    try:
        classes, architecture = tuple(content["classes"]), content["architecture"]
        leaves = content["leaves"].items()
        full = _tree({name: _struct(leaf["full"], leaf["dtype"]) for name, leaf in leaves})
        wanted = {name: _struct(*one) for name, one in stored_shapes(content["leaves"]).items()}
        if architecture is not None:
            apply, full = network_from(architecture)
        cut = _cut_of(content)
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None
    require(
        apply is not None,
        "`apply` must be the full network's function, since the architecture names no family, "
        "got None.",
    )
    params = _tree(restored(load_weights(folder / "weights.safetensors", wanted)))
    small = _small_apply(apply, full, cut)
    try:
        jax.eval_shape(small, params, cut.example)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from None
    return Exported(small, params, classes, content)


def described(folder: Path) -> dict[str, Any]:
    """Return what `architecture.json` says.

    Raises:
      InputError: there is none, or it is of another format or version.
    """
    content = read_json(folder / "architecture.json")
    require(
        isinstance(content, dict)
        and content.get("format") == FORMAT
        and content.get("version") == VERSION,
        f"{folder}/architecture.json must be a {FORMAT} file of version {VERSION}.",
    )
    return content


def whole_file(folder: Path, name: str, description: dict[str, Any]) -> bytes:
    """Read a file whose checksum is in the description."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise InputError(f"{folder}/{name} must be a file, got none: {error.strerror}.") from None
    digests = description.get("files")
    require(
        isinstance(digests, dict) and digests.get(name) == hashlib.sha256(content).hexdigest(),
        f"{folder}/{name} must be the file that was exported, got another or a damaged one.",
    )
    return content


def _damaged(folder: Path, error: Exception) -> InputError:
    return InputError(
        f"{folder}/architecture.json must be a whole {FORMAT} file, got a damaged one: {error!r}."
    )


class _Cut(NamedTuple):
    """What an architecture says of how the full network was cut."""

    example: jax.ShapeDtypeStruct
    rules: Rules
    groups: list[tuple[str, int]]
    masks: list[np.ndarray]
    resized: dict[tuple[str, int], int]


def _cut_of(content: dict[str, Any]) -> _Cut:
    head, classes = content["head"], len(content["classes"])
    resized = {} if head is None else {(head["kernel"], 1): classes, (head["bias"], 0): classes}
    masks = [np.isin(np.arange(group["size"]), group["kept"]) for group in content["groups"]]
    return _Cut(
        jax.ShapeDtypeStruct((1, *content["input_shape"]), np.dtype(content["input_dtype"])),
        Rules(tuple(content["protect"]), tuple(content["only"])),
        [(group["name"], group["size"]) for group in content["groups"]],
        masks + [np.array([block["kept"]]) for block in content["blocks"]],
        resized,
    )


def _small_apply(apply: Callable[..., Any], full: Any, cut: _Cut) -> Callable[..., Any]:
    """Find the groups of the full network again and leave out what the member does not keep."""
    graph = graph_of(apply, full, (cut.example,), cut.rules)
    found = [(group.name, group.size) for group in graph.groups]
    require(
        cut.groups == found,
        f"`apply` must be the function that was exported, with groups {cut.groups}, got {found}.",
    )
    return graph.shrunk_apply(cut.masks, cut.resized)


def _struct(shape: Any, dtype: str) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype))


def _tree(leaves: dict[str, Any]) -> dict[str, Any]:
    """Build nested dicts from paths `outer/inner/leaf`."""
    tree: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *outer, name = path.split("/")
        place = tree
        for key in outer:
            place = place.setdefault(key, {})
        place[name] = leaf
    return tree
