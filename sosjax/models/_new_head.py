"""A linear head on a network that ends in features, for every task to fill in."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .._errors import require
from .._tree import named_leaves
from ..graph._head import Head

NEW_HEAD = Head("head/kernel", "head/bias")


def with_new_head(
    apply: Callable[..., Any], params: Any, features: int
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return a network to two outputs, features times zeros; a task's own head takes its place.

    Two, since an axis of one is broadcast, and could not be told from one that has any size.

    Args:
      apply: `apply(params, inputs) -> features [B, F]`.
      params: a dict of arrays or their shapes, without the key `head`.
      features: F.

    Raises:
      InputError: the parameters are no such dict.
    """
    require(
        isinstance(params, dict) and "head" not in params,
        "`head` must be given where a network ends in classes ('last' finds it), got None; and "
        "`params` of one that ends in features must be a dict without the key 'head', which is for "
        f"the tasks' own, got {'it there' if isinstance(params, dict) else type(params).__name__}.",
    )

    def headed(params: Any, inputs: Any) -> Any:
        body = {name: leaf for name, leaf in params.items() if name != "head"}
        return apply(body, inputs) @ params["head"]["kernel"] + params["head"]["bias"]

    return headed, params | {"head": _zeros(params, {"kernel": (features, 2), "bias": (2,)})}


def _zeros(like: Any, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return arrays of zeros, or their shapes where `like` has shapes too."""
    abstract = any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in named_leaves(like).values())
    return {
        name: jax.ShapeDtypeStruct(shape, np.float32) if abstract else np.zeros(shape, np.float32)
        for name, shape in shapes.items()
    }
