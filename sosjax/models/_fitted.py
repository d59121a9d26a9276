"""Foreign arrays in the places of ours: matched by name, every leaf accounted for."""

import re
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from .._errors import listing, require, require_finite
from .._tree import named_leaves, with_leaves
from ._family import Family

_WEIGHTS = ("kernel", "scale", "embedding")
_LAST = {"running_mean": "mean", "running_var": "var"}


def fitted(family: Family, shapes: Any, state: dict[str, np.ndarray]) -> Any:
    """Return a network's parameters from a PyTorch-style state dict.

    Kernels are turned (`[out, in]` to `[in, out]`, `OIHW` to `HWIO`), and floating arrays become
    float32.

    Args:
      family: says how the file's names become ours.
      shapes: the wanted tree, of `jax.ShapeDtypeStruct`.
      state: the file's arrays by name; emptied as they are used, so that memory is not held twice.

    Raises:
      InputError: leaves are missing, unexpected, of another shape or not finite; all are named.
    """
    wanted = {name.replace("/", "."): leaf for name, leaf in named_leaves(shapes).items()}
    names = _matched(family, wanted, state)
    missing = [name for name in wanted if name not in names]
    left = [name for name in state if name not in names.values() and not _is_ignored(family, name)]
    require(
        not missing and not left,
        f"the weights must be those of the {family.name!r} network, got them"
        + (f" without {listing(missing)}" if missing else "")
        + (" and" if missing and left else "")
        + (f" with unexpected {listing(left)}" if left else "")
        + ".",
    )
    turned = {ours: _turned(ours, state[theirs]) for ours, theirs in names.items()}
    wrong = [
        f"{names[ours]} {list(state[names[ours]].shape)} for {list(leaf.shape)}"
        for ours, leaf in wanted.items()
        if turned[ours].shape != leaf.shape
    ]
    require(not wrong, f"the weights must fit the {family.name!r} network, got {listing(wrong)}.")
    leaves = {}
    for ours, leaf in wanted.items():
        array = np.ascontiguousarray(turned.pop(ours), leaf.dtype)
        state.pop(names[ours], None)
        require_finite(f"weights {names[ours]}", array)
        # On the device at once: else everything would be there twice at the end.
        leaves[ours.replace(".", "/")] = jnp.asarray(array)
    return with_leaves(shapes, leaves)


def _matched(family: Family, wanted: dict[str, Any], state: dict[str, Any]) -> dict[str, str]:
    """Return the file's name of each leaf of ours that it has."""
    names: dict[str, str] = {}
    for theirs in state:
        ours = _ours(_renamed(family.renames, theirs), wanted)
        if ours is not None:
            require(
                ours not in names,
                f"the weights must have each array once, got {names.get(ours)} and {theirs} for "
                f"one place of the {family.name!r} network.",
            )
            names[ours] = theirs
    for pattern, ours in family.tied.items():
        _tie(ours, [theirs for theirs in state if re.search(pattern, theirs)], names, state)
    return names


def _tie(ours: str, copies: list[str], names: dict[str, str], state: dict[str, Any]) -> None:
    """Let a copy stand in for an array that the file leaves out; copies must be equal to it."""
    if copies and ours not in names:
        names[ours] = copies[0]
    for theirs in copies:
        require(
            np.array_equal(state[theirs], state[names[ours]]),
            f"the weights must have one array for {names[ours]} and {theirs}, which are tied, got "
            "two that differ.",
        )


def _renamed(renames: Sequence[tuple[str, str]], name: str) -> str:
    for pattern, replacement in renames:
        name = re.sub(pattern, replacement, name)
    return name


def _ours(name: str, wanted: dict[str, Any]) -> str | None:
    """Return which of our leaves a name stands for, its last part translated."""
    outer, _, last = name.rpartition(".")
    lasts = _WEIGHTS if last == "weight" else (_LAST.get(last, last),)
    options = [f"{outer}.{one}" if outer else one for one in lasts]
    return next((one for one in (*options, name) if one in wanted), None)


def _is_ignored(family: Family, name: str) -> bool:
    return any(re.search(pattern, name) for pattern in family.ignored)


def _turned(ours: str, array: np.ndarray) -> np.ndarray:
    """Return a view with the axes in our order: inputs, then outputs, which PyTorch has first."""
    if ours.rpartition(".")[2] != "kernel" or array.ndim < 2:
        return array
    return array.transpose(*range(2, array.ndim), 1, 0)
