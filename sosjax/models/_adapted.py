"""The weights of an adapted network in a file, which says how they were made."""

import json
from pathlib import Path
from typing import Any

from .._errors import InputError, require
from ._jat import Jat
from ._weights import load_metadata, load_weights, save_weights

JACK_NAME = "jack.safetensors"
"""What a run's folder calls the network that its sets are of, where that was adapted."""


def save_adapted(path: Path, jat: Jat) -> None:
    """Write an adapted network's weights, whole or not at all; `load` reads those of a family.

    Raises:
      InputError: the file cannot be written.
    """
    metadata = {"adaptation": json.dumps(jat.adaptation)}
    if jat.architecture is not None:
        metadata["architecture"] = json.dumps(jat.architecture)
    save_weights(path, jat.bare_params, metadata)


def load_adapted(path: Path, jat: Jat) -> Jat:
    """Return the network with the weights of a file of `save_adapted`.

    Raises:
      InputError: the file is missing or damaged, or the weights are another network's.
    """
    adaptation = adaptation_in(path)
    require(adaptation is not None, f"{path} must say how it was adapted, got no word of it.")
    return jat.with_params(load_weights(path, jat.bare_params), adaptation)


def adaptation_in(path: Path) -> dict[str, Any] | None:
    """Return what a safetensors file says of the adaptation of its network; `None` if nothing.

    Raises:
      InputError: the file is missing or damaged.
    """
    described = load_metadata(path).get("adaptation")
    try:
        return None if described is None else dict(json.loads(described))
    except (TypeError, ValueError):
        raise InputError(
            f"{path} must say in JSON how it was adapted, got a damaged text."
        ) from None
