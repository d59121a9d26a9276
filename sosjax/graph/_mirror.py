"""Which leaves of a tree stand for which parameters: an optimiser's moments, say."""

from typing import Any

import numpy as np

from .._errors import InputError


def mirrored(tree: dict[str, Any], params: dict[str, Any], cut: set[str]) -> dict[str, str]:
    """Match leaves with parameters by the ends of their paths and by shape.

    Args:
      tree: the tree's leaves by path, such as `0/mu/dense/kernel`.
      params: the parameters by path, such as `dense/kernel`.
      cut: the parameters that will be smaller.

    Returns:
      The parameter's path by that of the leaf; other leaves are left out.

    Raises:
      InputError: a leaf is named like a parameter that is cut, but is of another shape.
    """
    ends: dict[tuple[str, ...], list[str]] = {}
    for name in params:
        parts = tuple(name.split("/"))
        for start in range(len(parts)):
            ends.setdefault(parts[start:], []).append(name)
    found = {}
    for path, leaf in tree.items():
        name = _match(tuple(path.split("/")), ends)
        if name is None or np.ndim(params[name]) == 0:
            continue
        if np.shape(leaf) == np.shape(params[name]):
            found[path] = name
        elif name in cut and np.ndim(leaf) > 0 and path.endswith(name):
            raise InputError(
                f"`tree` must have leaves of the parameters' shapes, got {list(np.shape(leaf))} at "
                f"{path} for {list(np.shape(params[name]))} of {name}: make it anew for the cut "
                "parameters."
            )
    return found


def _match(path: tuple[str, ...], ends: dict[tuple[str, ...], list[str]]) -> str | None:
    """Return the only parameter that shares the longest end of a path."""
    for start in range(len(path)):
        names = ends.get(path[start:])
        if names is not None:
            whole = "/".join(path[start:])
            return whole if whole in names else names[0] if len(names) == 1 else None
    return None
