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
from ..graph._classifier import Classifier, classifier
from ..graph._graph import trace
from ..graph._head import Head, Statistics
from ._resnet import ResNet, resnet_statistics
from ._weights import load_arrays, load_weights

FAMILIES = ("resnet",)


@final
class Jat:
    """A pretrained network to find sub-networks of.

    Attributes:
      name: for reports.
      graph: what can be removed, found in the traced network, with head and statistics.
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
        head: Head,
        statistics: Sequence[Statistics] = (),
        protect: str | Sequence[str] = (),
        only: str | Sequence[str] = "*",
        granularity: int = 1,
        name: str = "network",
        architecture: dict[str, Any] | None = None,
    ) -> None:
        """Trace the network and check what is said of it. Nothing is compiled.

        Args:
          apply: a pure function `apply(params, inputs) -> logits`, from float32
            inputs [B, *input_shape] to [B, classes].
          params: a pytree of finite arrays.
          input_shape: the shape of one example.
          head: the classifier.
          statistics: the moments that normalisations read, to be estimated again for each
            sub-network.
          protect: patterns of leaf paths that must not be cut.
          only: patterns of leaf paths; a group is removable if one of its leaves matches.
          granularity: kept counts are multiples of it, or all.
          name: for reports.
          architecture: see the class.

        Raises:
          InputError: a parameter is not finite, nothing can be removed, or statistics or head do
            not fit the network.
        """
        require_name("model.name", name)
        for path, leaf in named_leaves(params).items():
            require(
                hasattr(leaf, "shape") and hasattr(leaf, "dtype"),
                f"`params` must have arrays as leaves, got {type(leaf).__name__} at {path}.",
            )
            kind = leaf.dtype
            other = (np.floating, jax.dtypes.extended)  # random keys are of an extended type
            require(
                kind == np.float32 or not any(jax.numpy.issubdtype(kind, one) for one in other),
                f"`params` must be float32, so that bytes and outputs are exact, got {kind} "
                f"at {path}.",
            )
            require_finite(f"params {path}", np.asarray(leaf))
        example = jax.ShapeDtypeStruct((1, *input_shape), np.float32)
        self.name = name
        self.params = jax.tree.map(jax.numpy.asarray, params)
        self.architecture = architecture
        graph = trace(apply, params, example, protect=protect, only=only, granularity=granularity)
        require(
            len(graph.groups) > 0,
            f"`apply` must be a network with something to remove, got none:\n{graph.summary()}",
        )
        self.graph: Classifier = classifier(graph, statistics, head)


def resnet(
    weights: str | Path,
    widths: Sequence[int],
    depths: Sequence[int],
    *,
    classes: int = 10,
    input_shape: Sequence[int] = (28, 28, 1),
    name: str = "resnet",
    **removal: Any,
) -> Jat:
    """Return a BatchNorm ResNet with weights from a safetensors file.

    Args:
      weights: the file, one tensor per leaf (`params/stem/kernel`, ...).
      widths: channels of each stage.
      depths: blocks of each stage.
      classes: outputs of the head.
      input_shape: height, width and channels of an image.
      name: for reports.
      removal: `protect`, `only` and `granularity`, as for `sosjax.trace`.

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
        head=Head("params/head/kernel", "params/head/bias"),
        statistics=resnet_statistics(depths),
        name=name,
        architecture=architecture,
        **removal,
    )


def fashion_resnet(**removal: Any) -> Jat:
    """Return the embedded JAT: a ResNet of 77,754 parameters trained on Fashion-MNIST.

    It was trained on the first 50,000 training images (`benchmarks/train_fashion_resnet.py`) and
    classifies 92.4 % of the 10,000 test images rightly.

    Args:
      removal: `protect`, `only` and `granularity`, as for `sosjax.trace`.
    """
    with resources.as_file(
        resources.files("sosjax") / "data" / "fashion_resnet.safetensors"
    ) as path:
        _, metadata = load_arrays(path)
        architecture = json.loads(metadata["architecture"])
        widths, depths = architecture["widths"], architecture["depths"]
        return resnet(path, widths, depths, name="fashion-resnet", **removal)


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
