"""What is said of a network, checked against its leaves and its trace."""

from collections.abc import Sequence
from typing import Any

from .._errors import nearest, require, require_unique
from ._contraction import Contraction, leaf_aliases
from ._group import Group, Head, Statistics
from ._mask import head_site
from ._moments import normalised
from ._program import Program


def check_leaves(
    leaves: dict[str, Any], groups: Sequence[Group], statistics: Sequence[Statistics], head: Head
) -> None:
    """Refuse names of leaves that do not exist, axes of a wrong size and shared axes."""
    require_unique("groups", [group.name for group in groups])
    require(len(groups) > 0, "`groups` must hold at least one group, got none.")
    named = [("head", head.kernel), ("head", head.bias)]
    named += [(f"statistics {p.mean}", leaf) for p in statistics for leaf in (p.mean, p.variance)]
    named += [(f"groups {group.name}", leaf) for group in groups for leaf, _ in group.slices]
    for argument, leaf in named:
        require(
            leaf in leaves,
            f"`{argument}` must name a leaf of `params`, got {leaf!r}{nearest(leaf, leaves)}.",
        )
    _check_head(leaves, head)
    _check_axes(leaves, groups, head)


def _check_output(program: Program, head: Head) -> None:
    """Refuse a network that changes its logits: candidates are judged on the head's own."""
    product = program.equations[head_site(program, head).equation].writes[0]
    last = next((one for one in program.equations if program.output in one.writes), None)
    aliases = leaf_aliases(program)
    reads = set(last.reads) if last is not None and last.name == "add" else set()
    added = [aliases.get(number, ("",))[0] for number in reads - {product}]
    require(
        product in reads and added == [head.bias],
        "`apply` must return logits: features times `head.kernel` plus `head.bias` and nothing "
        f"after that, such as a softmax or a scale; got {last.name if last else 'nothing'!r} last.",
    )


def _check_head(leaves: dict[str, Any], head: Head) -> None:
    kernel, bias = leaves[head.kernel].shape, leaves[head.bias].shape
    require(
        len(kernel) == 2 and bias == kernel[1:],
        f"`head` must have a kernel [features, classes] and a bias [classes], "
        f"got {list(kernel)} and {list(bias)}.",
    )


def _check_axes(leaves: dict[str, Any], groups: Sequence[Group], head: Head) -> None:
    owners: dict[tuple[str, int], str] = {(head.kernel, 1): "head", (head.bias, 0): "head"}
    for group in groups:
        for leaf, axis in group.slices:
            shape = leaves[leaf].shape
            require(
                0 <= axis < len(shape) and shape[axis] == group.size,
                f"`groups` {group.name} must lie on axes of {group.size}, "
                f"got axis {axis} of {leaf} {list(shape)}.",
            )
            other = owners.setdefault((leaf, axis), group.name)
            require(
                other == group.name,
                f"`groups` must not share an axis, got axis {axis} of {leaf} "
                f"in {other} and {group.name}.",
            )


def check_sites(
    program: Program,
    sites: Sequence[Contraction],
    groups: Sequence[Group],
    statistics: Sequence[Statistics],
    head: Head,
) -> None:
    """Refuse groups that nothing consumes or produces, and statistics or a head used otherwise."""
    _check_output(program, head)
    consumed = {(site.leaf, axis) for site in sites for axis in site.contracted}
    for group in groups:
        uses = [place in consumed for place in group.slices]
        require(
            any(uses) and not all(uses),
            f"`groups` {group.name} must be produced by one of its leaves and consumed by a "
            f"contraction with another, got {sum(uses)} consuming of {len(uses)}.",
        )
    for pair in statistics:
        source, axis = normalised(program, pair)
        shapes = [program.shapes[program.leaves[leaf]] for leaf in (pair.mean, pair.variance)]
        wanted = (program.shapes[source][axis],)
        require(
            shapes == [wanted, wanted],
            f"`statistics` {pair.mean} must be a mean and a variance of shape {list(wanted)}, "
            f"got {[list(shape) for shape in shapes]}.",
        )
