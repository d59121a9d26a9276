"""The Jack of All Trades: one pretrained network with its parameters and what can be removed."""

import json
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, final

import jax
import numpy as np

from .._errors import InputError, require, require_finite, require_known, require_name
from .._tree import named_leaves
from ..graph._graph import Graph, build_graph
from ..graph._group import Group, Head, Statistics
from ._resnet import ResNet, resnet_groups, resnet_statistics
from ._weights import load_arrays, load_weights

FAMILIES = ("resnet",)


@final
class Jat:
    """A pretrained network to find sub-networks of.

    Attributes:
      name: for reports.
      graph: what can be removed, resolved against the traced network.
      params: the parameters, a pytree of arrays.
      architecture: how to build the network again in another process: `{"family": ...}`, or
        `None` where only the caller has its function.
    """

    def __init__(
        self,
        apply: Callable[..., Any],
        params: Any,
        *,
        input_shape: Sequence[int],
        groups: Sequence[Group],
        head: Head,
        statistics: Sequence[Statistics] = (),
        name: str = "network",
        architecture: dict[str, Any] | None = None,
    ) -> None:
        """Trace the network and check what is said of it. Nothing is compiled.

        Args:
          apply: a pure function `apply(params, inputs) -> logits`, from float32
            inputs [B, *input_shape] to [B, classes].
          params: a pytree of finite arrays.
          input_shape: the shape of one example.
          groups: the removable groups.
          head: the classifier.
          statistics: the moments that normalisations read, to be estimated again for each
            sub-network.
          name: for reports.
          architecture: see the class.

        Raises:
          InputError: a parameter is not finite, or groups, statistics or head do not fit the
            network.
        """
        require_name("model.name", name)
        for path, leaf in named_leaves(params).items():
            require(
                hasattr(leaf, "shape") and hasattr(leaf, "dtype"),
                f"`params` must have arrays as leaves, got {type(leaf).__name__} at {path}.",
            )
            kind = jax.numpy.dtype(leaf.dtype)
            require(
                kind == np.float32 or not jax.numpy.issubdtype(kind, np.floating),
                f"`params` must be float32, so that bytes and outputs are exact, got {kind} "
                f"at {path}.",
            )
            require_finite(f"params {path}", np.asarray(leaf))
        example = jax.ShapeDtypeStruct(tuple(input_shape), np.float32)
        self.name = name
        self.params = jax.tree.map(jax.numpy.asarray, params)
        self.architecture = architecture
        self.graph: Graph = build_graph(apply, params, example, groups, statistics, head)


def resnet(
    weights: str | Path,
    widths: Sequence[int],
    depths: Sequence[int],
    *,
    classes: int = 10,
    input_shape: Sequence[int] = (28, 28, 1),
    name: str = "resnet",
) -> Jat:
    """Return a BatchNorm ResNet with weights from a safetensors file.

    Args:
      weights: the file, one tensor per leaf (`params/stem/kernel`, ...).
      widths: channels of each stage.
      depths: blocks of each stage.
      classes: outputs of the head.
      input_shape: height, width and channels of an image.
      name: for reports.

    Raises:
      InputError: widths and depths differ in number, or the file does not fit.
    """
    widths, depths = tuple(widths), tuple(depths)
    require(
        0 < len(widths) == len(depths) and min(widths + depths) >= 1,
        f"`model.widths` and `model.depths` must name the same stages with whole numbers of at "
        f"least 1, got {list(widths)} and {list(depths)}.",
    )
    architecture = {
        "family": "resnet",
        "widths": widths,
        "depths": depths,
        "classes": classes,
        "input_shape": tuple(input_shape),
    }
    net, shapes = _network(architecture)
    return Jat(
        net.apply,
        load_weights(Path(weights), shapes),
        input_shape=input_shape,
        groups=resnet_groups(widths, depths),
        head=Head("params/head/kernel", "params/head/bias"),
        statistics=resnet_statistics(depths),
        name=name,
        architecture=architecture,
    )


def fashion_resnet() -> Jat:
    """Return the embedded JAT: a ResNet of 77,754 parameters trained on Fashion-MNIST.

    It was trained on the first 50,000 training images (`benchmarks/train_fashion_resnet.py`) and
    classifies 92.4 % of the 10,000 test images rightly.
    """
    with resources.as_file(
        resources.files("sosjax") / "data" / "fashion_resnet.safetensors"
    ) as path:
        _, metadata = load_arrays(path)
        architecture = json.loads(metadata["architecture"])
        return resnet(path, architecture["widths"], architecture["depths"], name="fashion-resnet")


def network_from(architecture: dict[str, Any]) -> tuple[Callable[..., Any], Any]:
    """Build a network again from its architecture.

    Returns:
      `apply` and the full parameters' shapes as `jax.ShapeDtypeStruct`.

    Raises:
      InputError: the family is unknown.
    """
    net, shapes = _network(architecture)
    return net.apply, shapes


def _network(architecture: dict[str, Any]) -> tuple[ResNet, Any]:
    require_known("model.family", architecture.get("family", ""), FAMILIES)
    net = ResNet(
        widths=tuple(architecture["widths"]),
        depths=tuple(architecture["depths"]),
        classes=architecture["classes"],
    )
    example = jax.ShapeDtypeStruct((1, *architecture["input_shape"]), np.float32)
    try:
        shapes = jax.eval_shape(net.init, jax.random.key(0), example)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"`model` must be a network that traces, got: {error}") from error
    return net, shapes
