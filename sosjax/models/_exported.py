"""A member that was exported: its description, its weights, and the function for them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from .._errors import InputError, require
from .._files import read_json
from .._tree import with_leaves
from ..graph._graph import Graph, graph_of
from ..graph._layout import Rules
from ._families import network_from
from ._int8 import restored, stored_shapes
from ._jat import Jat
from ._weights import load_weights

FORMAT = "sosjax-network"
VERSION = 3
DESCRIPTION = "architecture.json"


class Exported(NamedTuple):
    """A network of its own small size.

    Attributes:
      apply: `apply(params, inputs)`.
      params: numpy arrays, in nested dicts for a family, else in the network's own structure.
      classes: the names of the outputs.
      content: what its description says.
    """

    apply: Callable[..., Any]
    params: dict[str, Any]
    classes: tuple[str, ...]
    content: dict[str, Any]


def read_exported(folder: Path, jat: Jat | None = None) -> Exported:
    """Read a folder that `sosjax.export` wrote.

    Args:
      folder: the folder.
      jat: the network that the member was cut out of; only needed where that is of no family of
        `sosjax`. Its weights do not matter.

    Raises:
      InputError: a file is missing, damaged or of another version, or `jat` is needed, or has
        other groups than were exported.
    """
    content = described(folder)
    whole_file(folder, "weights.safetensors", content)
    try:
        classes, architecture = tuple(content["classes"]), content["architecture"]
        wanted = {name: _struct(*one) for name, one in stored_shapes(content["leaves"]).items()}
        cut = _cut_of(content)
        if architecture is not None:
            apply, full = network_from(architecture)
            graph = graph_of(apply, full, (cut.example,), cut.rules)
        else:
            require(
                jat is not None,
                "`jat` must be the network that the member was cut out of, since that is of no "
                "family, got None.",
            )
            assert jat is not None
            graph = jat.graph.graph
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from None
    small = _small_apply(graph, cut)
    weights = restored(load_weights(folder / "weights.safetensors", wanted))
    params = with_leaves(graph.shapes, weights)
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


def _small_apply(graph: Graph, cut: _Cut) -> Callable[..., Any]:
    """Leave out of the full network what the member does not keep."""
    found = [(group.name, group.size) for group in graph.groups]
    require(
        cut.groups == found,
        f"`jat` must be the network that was exported, with groups {cut.groups}, got {found}.",
    )
    return graph.shrunk_apply(cut.masks, cut.resized)


def _struct(shape: Any, dtype: str) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype))
