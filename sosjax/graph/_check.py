"""What a user gives a graph, checked at the door."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._errors import nearest, require, require_number
from .._tree import named_leaves
from ._count import CONTRACTIONS
from ._equation import Equation
from ._group import Block, Group
from ._layout import Rules
from ._relations import Relations

WEIGHTS = 1024
"""Constants of fewer numbers are taken for filters and the like, not for weights."""


def check_leaf(name: str, leaf: Any) -> None:
    """Refuse leaves that are no arrays, and arrays whose memory was given away."""
    require(
        _is_array(leaf),
        f"`params` must have arrays as leaves, got {type(leaf).__name__} at {name}; take functions "
        "and settings out first (`nnx.split`, `equinox.partition`).",
    )
    deleted = getattr(leaf, "is_deleted", None)
    require(
        _traced(leaf) or deleted is None or not deleted(),
        f"`params` must still hold its arrays, got a deleted or donated one at {name}.",
    )


def check_inputs(inputs: Sequence[Any]) -> None:
    """Refuse inputs that are no arrays."""
    for leaf in jax.tree.leaves(tuple(inputs)):
        require(_is_array(leaf), f"`inputs` must have arrays as leaves, got {type(leaf).__name__}.")


def check_params(shapes: Any, params: Any) -> None:
    """Refuse parameters that are not those a network was traced with."""
    wanted, leaves = named_leaves(shapes), named_leaves(params)
    for name, shape in wanted.items():
        require(
            name in leaves and np.shape(leaves[name]) == shape.shape,
            f"`params` must have a leaf {name} of shape {list(shape.shape)}, got "
            f"{list(np.shape(leaves[name])) if name in leaves else 'none'}.",
        )
    for name, leaf in leaves.items():
        require(
            name in wanted, f"`params` must have the leaves of the traced network, got {name} too."
        )
        check_leaf(name, leaf)


def checked_counts(groups: Sequence[Group], blocks: Sequence[Block], kept: Any) -> np.ndarray:
    """Return counts as int64; refuse those that are no whole numbers, too few or too many."""
    require(
        not _traced(kept),
        "`kept` must be known numbers, got a traced array: use `graph.costs.approximate` in `jit`.",
    )
    kept = np.asarray(kept)
    whole = kept.dtype.kind in "biu" or kept.size == 0
    allowed = (len(groups), len(groups) + len(blocks))
    require(
        whole and kept.ndim >= 1 and kept.shape[-1] in allowed,
        f"`kept` must hold one whole number for each of {len(groups)} groups, then, if wanted, one "
        f"for each of {len(blocks)} blocks, got {kept.dtype} of shape {list(kept.shape)}.",
    )
    sizes = np.array([*(group.size for group in groups), *(1 for _ in blocks)], np.int64)
    lowest = np.array([*(1 for _ in groups), *(0 for _ in blocks)], np.int64)
    width = kept.shape[-1]
    require(
        bool(((kept >= lowest[:width]) & (kept <= sizes[:width])).all()),
        f"`kept` must hold 1 to {sizes[: len(groups)].tolist()} units of the groups and 0 or 1 of "
        f"the blocks, got {kept.min(initial=1)} to {kept.max(initial=1)}.",
    )
    return kept.astype(np.int64)


def check_closure(relations: Relations) -> None:
    """Refuse weights that the network holds itself: they could not be cut, nor be counted.

    Tables that are only added or looked up in, such as positions, are not weights.
    """
    program = relations.program
    producer = {number: eqn for eqn in program.region.equations for number in eqn.writes}
    leaves = set(program.leaves.values())
    for equation in program.region.equations:
        for side in relations.weights(equation) if equation.name in CONTRACTIONS else []:
            roots = _roots(equation.reads[side], producer)
            for number in () if roots & leaves else roots & set(program.constants):
                constant = program.avals[number]
                size = int(np.prod(constant.shape))
                require(
                    size < WEIGHTS or not jnp.issubdtype(constant.dtype, jnp.floating),
                    "`apply` must take its weights as `params`, got a constant of shape "
                    f"{list(constant.shape)} of its own that it multiplies with data at "
                    f"{equation.source or 'an unknown line'}; make it a parameter, and name it in "
                    "`protect` if it must stay.",
                )


def _roots(start: int, producer: dict[int, Equation]) -> set[int]:
    """Return what a value is made of, as far as nothing produces it."""
    seen, waiting, roots = {start}, [start], set()
    while waiting:
        number = waiting.pop()
        if number not in producer:
            roots.add(number)
            continue
        fresh = set(producer[number].reads) - seen
        seen |= fresh
        waiting += fresh
    return roots


def _is_array(leaf: Any) -> bool:
    return (hasattr(leaf, "shape") and hasattr(leaf, "dtype")) or isinstance(
        leaf, (int, float, complex)
    )


def _traced(array: Any) -> bool:
    return isinstance(array, Tracer)


def check_patterns(
    leaves: Iterable[str], protect: str | Sequence[str], only: str | Sequence[str], granularity: int
) -> Rules:
    """Return what the user said of groups; refuse patterns that match no leaf."""
    require_number("granularity", granularity, 1, whole=True)
    names = list(leaves)
    patterns = {"protect": _patterns("protect", protect), "only": _patterns("only", only)}
    require(len(patterns["only"]) > 0, "`only` must name a pattern of leaf paths, got none.")
    for key, several in patterns.items():
        for pattern in several:
            require(
                pattern == "*" or any(fnmatchcase(name, pattern) for name in names),
                f"`{key}` must match the path of a leaf, got {pattern!r}{nearest(pattern, names)}.",
            )
    return Rules(patterns["protect"], patterns["only"], granularity)


def _patterns(argument: str, given: Any) -> tuple[str, ...]:
    several = (given,) if isinstance(given, str) else given
    good = isinstance(several, (list, tuple)) and all(isinstance(one, str) for one in several)
    require(good, f"`{argument}` must be a pattern of leaf paths or a list of them, got {given!r}.")
    return tuple(several)


def check_masks(
    groups: Sequence[Group], blocks: Sequence[Block], masks: Sequence[Any], concrete: bool = False
) -> None:
    """Refuse masks of another number or shape; where values are at hand, empty ones too."""
    allowed = (len(groups), len(groups) + len(blocks))
    came = len(masks) if isinstance(masks, (list, tuple)) else f"a {type(masks).__name__}"
    require(
        came in allowed,
        f"`masks` must be a list of one array for each of {len(groups)} groups, then, if wanted, "
        f"one for each of {len(blocks)} blocks, got {came}.",
    )
    for group, mask in zip(groups, masks, strict=False):
        require(
            np.shape(mask) == (group.size,),
            f"`masks` {group.name} must have shape [{group.size}], got {list(np.shape(mask))}.",
        )
        known = not _traced(mask)
        require(
            known or not concrete,
            f"`masks` {group.name} must be known to cut by, got a traced array.",
        )
        require(
            not known or bool(np.any(np.asarray(mask) != 0)),
            f"`masks` {group.name} must keep 1 to {group.size} units, got none.",
        )
        require(
            not concrete or bool(np.isin(np.asarray(mask), (0, 1)).all()),
            f"`masks` {group.name} must say of each unit whether it is kept, got other numbers "
            "than 0 and 1.",
        )
    for block, mask in zip(blocks, masks[len(groups) :], strict=False):
        require(
            np.shape(mask) == (1,),
            f"`masks` {block.name} must have shape [1], got {list(np.shape(mask))}.",
        )
