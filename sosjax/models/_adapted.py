"""The weights of an adapted network in a file, which says how they were made."""

import json
from pathlib import Path

from .._errors import InputError
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
    params = load_weights(path, jat.bare_params)
    try:
        adaptation = dict(json.loads(load_metadata(path)["adaptation"]))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} must say how it was adapted, got no or a damaged text.") from None
    return jat.with_params(params, adaptation)
