"""A pretrained network from the files that people have."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import listing, nearest, require
from .._files import read_json
from ..graph._head import Head
from ._adapted import adaptation_in
from ._checkpoint import CONFIG, read_config, read_state
from ._exported import DESCRIPTION, read_exported
from ._families import FAMILIES, NAMED, Built, architecture_of, built
from ._fitted import fitted
from ._hub import is_hub, local, no_such_path
from ._jat import Jat
from ._timm import from_timm, is_timm
from ._weights import architecture_in, load_weights, save_weights

_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls": "cls",  # as newer files say it
    "pooling_mode_mean": "mean",
}
IMAGES = "preprocessor_config.json"
"""Where an image network's folder names the constants that its images are normalised by."""


def load(
    path: str | Path,
    *,
    family: str | None = None,
    name: str | None = None,
    protect: Any = (),
    only: Any = "*",
    granularity: int = 1,
    license: str | None = None,
    source: str | None = None,
    **options: Any,
) -> Jat:
    """Read a pretrained network.

    Args:
      path: a folder in Hugging Face layout (`config.json` with safetensors, sharded or not), also
        timm's, or one that `sosjax.export` wrote; a file that `save` wrote; or a bare state dict,
        safetensors or PyTorch's, with `family`. A PyTorch file is only read by PyTorch's
        weights-only reader. `hf://OWNER/NAME` is fetched by the hub's client, if there is one;
        nothing else goes to the network.
      family: whose weights a bare state dict holds: a family (`"resnet"`, with its options) or a
        named network (`"resnet50"`, `"efficientnet-lite0"`).
      name: for reports; the path's by default.
      protect: patterns of leaf paths that must not be cut.
      only: patterns of leaf paths; a group is removable if one of its leaves matches.
      granularity: kept counts are multiples of it, or all.
      license: of the weights, for the cards of what is exported.
      source: where they are from, likewise; by default the name of a repository of the hub.
      options: of the family, over those that the files name: `length=64` for the tokens of a text.

    Returns:
      The network. Every array of the file has its place, or is known not to be needed.

    Raises:
      InputError: there is no such file, the architecture is none of ours, or arrays are missing,
        unexpected or of another shape; they are named.
    """
    source = source or (str(path) if is_hub(path) else None)
    path = local(path)
    require(path.exists(), no_such_path(path))
    about = {"protect": protect, "only": only, "granularity": granularity}
    about |= {"license": license, "source": source}
    if (path / DESCRIPTION).is_file():
        return _member(path, name or path.resolve().stem, **about)
    architecture, own = _architecture(path, family, options)
    network = built(architecture)
    shapes = network.shapes
    params = load_weights(path, shapes) if own else fitted(network.family, shapes, read_state(path))
    jat = _jat(network, params, name=name or path.resolve().stem, **about)
    jat.adaptation = adaptation_in(path) if own else None
    return jat


def jat_of(architecture: dict[str, Any], params: Any, **about: Any) -> Jat:
    """Return a network of a known family with parameters at hand, just trained for example.

    Args:
      architecture: `{"family": ..., option: value, ...}`, or `{"family": "resnet18", ...}`.
      params: nested dicts of arrays, as `sosjax.models.params_of` has them of a module.
      about: `name`, `protect`, `only`, `granularity`, `license` and `source`, as for `Jat`.

    Raises:
      InputError: the description is none of a network, or `Jat` refuses it.
    """
    architecture = dict(architecture)
    return _jat(built(_named(architecture.pop("family", ""), architecture)), params, **about)


def _jat(network: Built, params: Any, **about: Any) -> Jat:
    return Jat(
        network.apply,
        params,
        input_shape=network.example.shape,
        input_dtype=network.example.dtype,
        vocabulary=getattr(network.options, "vocabulary", None),
        head=network.head,
        architecture=architecture_of(network.family, network.options),
        **about,
    )


def fashion_resnet(**removal: Any) -> Jat:
    """Return the embedded JAT: a ResNet of 77,754 parameters trained on Fashion-MNIST.

    It was trained on the first 50,000 training images (`python -m benchmarks.train_fashion_resnet`)
    and classifies 92.4 % of the 10,000 test images rightly.

    Args:
      removal: `protect`, `only` and `granularity`, as for `sosjax.trace`.
    """
    embedded = resources.files("sosjax") / "data" / "fashion_resnet.safetensors"
    source = "embedded in sosjax; trained on Fashion-MNIST (Zalando SE, MIT)"
    with resources.as_file(embedded) as path:
        return load(path, name="fashion-resnet", license="apache-2.0", source=source, **removal)


def save(path: str | Path, jat: Jat) -> None:
    """Write a network of a known family to one safetensors file that `load` reads again.

    Raises:
      InputError: the network is of no family, or the file cannot be written.
    """
    require(
        jat.architecture is not None,
        "`jat` must be of a family of `sosjax.models` to be read again, got one of a function.",
    )
    described = {"architecture": json.dumps(jat.architecture)}
    save_weights(Path(path), jat.bare_params, described)


def _member(folder: Path, name: str, **about: Any) -> Jat:
    """Return an exported member as a network to find smaller ones in."""
    member = read_exported(folder)
    content, head = member.content, member.content["head"]
    return Jat(
        member.apply,
        member.params,
        input_shape=content["input_shape"],
        input_dtype=np.dtype(content["input_dtype"]),
        vocabulary=content["architecture"].get("vocabulary"),
        head=None if head is None else Head(**head),
        name=name,
        **about,
    )


def _architecture(
    path: Path, family: str | None, options: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Return what describes the network, and whether the file is one of ours."""
    if path.is_file() and family is None:
        described = architecture_in(path)
        require(
            described is not None,
            f"`family` must be named for a bare weights file such as {path.name}, one of "
            f"{listing([*NAMED, *FAMILIES], 30)}, got none.",
        )
        return (described or {}) | options, True
    if family is not None:
        return _named(family, options), False
    return _huggingface(path, options), False


def _named(name: str, options: dict[str, Any]) -> dict[str, Any]:
    known = [*NAMED, *FAMILIES]
    require(
        name in known,
        f"`family` must be one of {listing(known, 30)}, got {name!r}{nearest(name, known)}.",
    )
    return {"family": name} | NAMED.get(name, {}) | options


def _huggingface(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    config = read_config(folder)
    if is_timm(config):
        described = from_timm(config)
        return _named(described.pop("family"), described | options)
    kind = str(config.get("model_type"))
    readers = {kind: one for one in FAMILIES.values() for kind in one.model_types}
    require(
        kind in readers,
        f"{folder / CONFIG} must have a `model_type` among {listing(readers)}, got {kind!r}.",
    )
    family = readers[kind]
    assert family.from_huggingface is not None
    if (folder / IMAGES).is_file():
        config = {**read_json(folder / IMAGES), **config}
    found = architecture_of(family, family.from_huggingface(config))
    return found | _sentence_transformers(folder, found, options) | options


def _sentence_transformers(
    folder: Path, architecture: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Return what the files beside an encoder say of pooling and length, as far as it has them."""
    found: dict[str, Any] = {}
    pooling, length = folder / "1_Pooling" / CONFIG, folder / "sentence_bert_config.json"
    if "pooling" in architecture and "pooling" not in options and pooling.is_file():
        said = read_json(pooling)
        named = [key for key, value in said.items() if key.startswith("pooling_mode_") and value]
        named += [f"pooling_mode_{said['pooling_mode']}"] if said.get("pooling_mode") else []
        require(
            len(named) <= 1 and all(name in _POOLING for name in named),
            f"{pooling} must name one of {listing(list(_POOLING)[:2])}, got {listing(named)}; "
            "the option `pooling` has the last word.",
        )
        found |= {"pooling": _POOLING[named[0]]} if named else {}
    if "length" in architecture and length.is_file():
        found |= {"length": read_json(length).get("max_seq_length") or architecture["length"]}
    return found
