"""A member in PyTorch's names and layouts, with a file of plain PyTorch that builds it."""

import importlib.util
import re
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from .._files import write_json, write_whole
from .._tree import named_leaves, with_leaves
from ..models._efficientnet import block_shapes
from ..models._families import options_of
from ..models._int8 import SCALE
from ..models._jat import Jat
from ..models._weights import save_arrays
from ..sets._member import Member
from ._formats import refused
from ._stored import Stored

FOLDER = "pytorch"
MODULE = "_pytorch_network.py"

_Names = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]


class _Family(NamedTuple):
    """How PyTorch has a family.

    Attributes:
      names: pairs (pattern, replacement) for `re.sub`, applied in turn to our dotted names.
      query: a pattern of the kernels of queries, whose columns say which heads there are.
    """

    names: _Names
    query: str = r"(?!)"


_ENCODER: _Names = (
    (r"\.intermediate\.", ".intermediate.dense."),
    (r"^(encoder\.layer\.\d+)\.output\.", r"\1.output.dense."),
    (r"^(encoder\.layer\.\d+)\.norm\.", r"\1.output.LayerNorm."),
    (r"^embeddings\.norm\.", "embeddings.LayerNorm."),
    (r"^pooler\.", "pooler.dense."),
    (r"^head\.", "classifier."),
)
"""Of encoders of texts."""
_FAMILIES = {
    "resnet": _Family(
        (
            (r"^stem\.", "conv1."),
            (r"^stem_norm\.", "bn1."),
            (r"^stages\.(\d+)\.", lambda found: f"layer{int(found[1]) + 1}."),
            (r"\.norm(\d)\.", r".bn\1."),
            (r"\.project\.", ".downsample.0."),
            (r"\.project_norm\.", ".downsample.1."),
            (r"^head\.", "fc."),
        )
    ),
    "bert": _Family(
        (
            (r"\.attention\.(query|key|value)\.", r".attention.self.\1."),
            (r"\.attention\.output\.", ".attention.output.dense."),
            (r"\.attention\.norm\.", ".attention.output.LayerNorm."),
            *_ENCODER,
        ),
        r"\.query\.kernel$",
    ),
    "mpnet": _Family(
        (
            (
                r"\.attention\.(query|key|value|output)\.",
                lambda found: f".attention.attn.{found[1][0]}.",
            ),
            (r"\.attention\.norm\.", ".attention.LayerNorm."),
            *_ENCODER,
        ),
        r"\.query\.kernel$",
    ),
    "efficientnet": _Family(
        (
            (r"^stem\.", "_conv_stem."),
            (r"^stem_norm\.", "_bn0."),
            (r"^blocks\.", "_blocks."),
            (r"\.expand\.", "._expand_conv."),
            (r"\.expand_norm\.", "._bn0."),
            (r"\.depthwise\.", "._depthwise_conv."),
            (r"\.depthwise_norm\.", "._bn1."),
            (r"\.project\.", "._project_conv."),
            (r"\.project_norm\.", "._bn2."),
            (r"^features\.", "_conv_head."),
            (r"^features_norm\.", "_bn1."),
            (r"^head\.", "_fc."),
        )
    ),
    "lstm": _Family(
        (
            (r"^lstm\.(\d+)\.input\.kernel$", r"lstm.weight_ih_l\1"),
            (r"^lstm\.(\d+)\.input\.bias$", r"lstm.bias_ih_l\1"),
            (r"^lstm\.(\d+)\.recurrent\.kernel$", r"lstm.weight_hh_l\1"),
            (r"^lstm\.(\d+)\.recurrent\.bias$", r"lstm.bias_hh_l\1"),
            (r"^head\.", "fc."),
        )
    ),
    "vit": _Family(
        (
            (r"^patch_embeddings\.", "vit.embeddings.patch_embeddings.projection."),
            (r"^(cls_token|position_embeddings)$", r"vit.embeddings.\1"),
            (r"^layers\.", "vit.encoder.layer."),
            (r"\.attention\.(query|key|value)\.", r".attention.attention.\1."),
            (r"\.attention\.output\.", ".attention.output.dense."),
            (r"\.mlp\.fc1\.", ".intermediate.dense."),
            (r"\.mlp\.fc2\.", ".output.dense."),
            (r"^layernorm\.", "vit.layernorm."),
            (r"^head\.", "classifier."),
        ),
        r"\.query\.kernel$",
    ),
    "m2m100": _Family(((r"^", "model."),), r"\.q_proj\.kernel$"),
}
"""ResNets as in torchvision, EfficientNet-Lite as in efficientnet_lite_pytorch, LSTMs as PyTorch's,
the others as in the checkpoints of transformers."""

_LAST = {"kernel": "weight", "scale": "weight", "embedding": "weight"}
_LAST |= {"mean": "running_mean", "var": "running_var"}


def require_family(jat: Jat) -> None:
    """Refuse a network that there is no PyTorch for.

    Raises:
      InputError: it is of none of the families.
    """
    family = (jat.architecture or {}).get("family")
    if family not in _FAMILIES:
        came = f"one of {family!r}" if family else "a function"
        raise refused("pytorch", f"networks of {', '.join(sorted(_FAMILIES))}, got {came}")


def write_pytorch(folder: Path, jat: Jat, member: Member, stored: Stored) -> None:
    """Write `config.json`, `model.safetensors` and `network.py`, which builds the network of both.

    Args:
      folder: a new one.
      jat: the network the member was found in, of a family that PyTorch has.
      member: the member.
      stored: it, as it is written.
    """
    architecture = dict(jat.architecture or {})
    family = _FAMILIES[architecture["family"]]
    width = architecture.get("hidden", 0)
    arrays, columns = _apart(stored.arrays, _columns(jat, member), width)
    heads = {
        _name(family, path).removesuffix(".weight").rpartition(".")[0]: _heads(path, kept, jat)
        for path, kept in columns.items()
        if re.search(family.query, path.replace("/", ".")) and len(kept)
    }
    folder.mkdir()
    save_arrays(folder / "model.safetensors", _tensors(family, arrays))
    own: dict[str, Any] = {"classes": list(member.classes), "kept_heads": heads}
    if architecture["family"] == "efficientnet":
        shapes = block_shapes(options_of(architecture))
        own["blocks"] = [[shape.stride, shape.residual] for shape in shapes]
    write_json(folder / "config.json", architecture | own)
    source = resources.files("sosjax.deploy") / MODULE
    write_whole(folder / "network.py", source.read_text(encoding="utf-8"))


def pytorch_network(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return the network that the files of `write_pytorch` make, for inputs as JAX has them."""
    import torch  # pyright: ignore[reportMissingImports]

    place = importlib.util.spec_from_file_location("sosjax_pytorch_export", folder / "network.py")
    assert place is not None and place.loader is not None
    module = importlib.util.module_from_spec(place)
    # No folder of compiled code beside it.
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        place.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = kept
    network = module.load(folder)

    def run(inputs: np.ndarray) -> np.ndarray:
        # Images have their channels last in JAX, and before height and width in PyTorch.
        turned = np.moveaxis(inputs, 3, 1) if inputs.ndim == 4 else inputs
        tensor = torch.from_numpy(np.array(turned, order="C"))
        with torch.no_grad():
            return network(tensor.long() if inputs.dtype.kind == "i" else tensor).numpy()

    return run


def _tensors(family: _Family, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for path, array in arrays.items():
        if array.size == 0:  # of a block that was left out
            continue
        leaf = path.removesuffix(SCALE) if path.removesuffix(SCALE) in arrays else path
        name = _name(family, leaf) + (".scale" if leaf != path else "")
        found[name] = _turned(leaf, array)
        if name.endswith(".running_mean"):
            found[name.replace(".running_mean", ".num_batches_tracked")] = np.zeros((), np.int64)
    return found


def _turned(path: str, array: np.ndarray) -> np.ndarray:
    """Return a kernel [in, out] as [out, in], and HWIO as OIHW; other leaves as they are."""
    if not path.endswith("kernel"):
        return array
    return array.T if array.ndim == 2 else array.transpose(3, 2, 0, 1)


def _name(family: _Family, path: str) -> str:
    name = path.replace("/", ".")
    for pattern, replacement in family.names:
        name = re.sub(pattern, replacement, name)
    before, dot, last = name.rpartition(".")
    return f"{before}{dot}{_LAST.get(last, last)}"


def _columns(jat: Jat, member: Member) -> dict[str, np.ndarray]:
    """Return for each kernel [in, out] which of its full columns the member has kept."""
    full = named_leaves(jat.params) | member.leaves({}, jat.graph.head)
    places = {name: np.arange(np.size(leaf)).reshape(np.shape(leaf)) for name, leaf in full.items()}
    graph, outputs = jat.graph, len(member.bias)
    tree = with_leaves(jat.params, places)
    small = graph.graph.cut_params(tree, member.masks, graph.resized(outputs))
    return {
        name: np.asarray(leaf).max(0, initial=0) % np.shape(full[name])[1]
        if np.size(leaf)
        else np.zeros(0, int)
        for name, leaf in named_leaves(jax.tree.map(np.asarray, small)).items()
        if name.endswith("kernel") and np.ndim(leaf) == 2
    }


def _heads(path: str, columns: np.ndarray, jat: Jat) -> list[int]:
    """Return the heads that the kept columns of a query are of."""
    options = dict(jat.architecture or {})
    part = "" if "heads" in options else "encoder_" if path.startswith("encoder/") else "decoder_"
    size = options["width" if part else "hidden"] // options[f"{part}heads"]
    return np.unique(columns // size).tolist()


def _apart(
    arrays: dict[str, np.ndarray], columns: dict[str, np.ndarray], width: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return arrays and columns with queries, keys and values apart where one kernel has all."""
    found, kept = dict(arrays), dict(columns)
    for path in [path for path in arrays if path.endswith("/qkv/kernel")]:
        before, columns_here = path.removesuffix("qkv/kernel"), kept.pop(path)
        for number, kind in enumerate(("query", "key", "value")):
            own = columns_here // width == number
            kept[f"{before}{kind}/kernel"] = columns_here[own] - number * width
            for leaf in ("kernel", "bias", f"kernel{SCALE}"):
                if f"{before}qkv/{leaf}" in arrays:
                    whole = arrays[f"{before}qkv/{leaf}"]
                    part = whole[..., own] if whole.size else whole
                    found[f"{before}{kind}/{leaf}"] = part
        for leaf in ("kernel", "bias", f"kernel{SCALE}"):
            found.pop(f"{before}qkv/{leaf}", None)
    return found, kept
