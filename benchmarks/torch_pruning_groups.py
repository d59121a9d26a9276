"""Are the groups those that Torch-Pruning finds on the same architectures in PyTorch?

    python benchmarks/torch_pruning_groups.py        (needs torch and torch-pruning)

Compares ResNet-18, a vision transformer and a BERT, each as a function of arrays and as the PyTorch
module with the same layers. A group is described by the number of its units, of the matrices and
convolutions that make them, and of those that use them up. What differs is explained by rule, and
anything else ends the script with an error:

- attention: Torch-Pruning has one group as wide as all heads together; here it falls into heads,
  the size of queries and keys, and the size of values. Removing a unit of the one group leaves
  heads of different sizes unless every head loses the same ones; it is left to the user.
- the residual width of a transformer: Torch-Pruning cuts it, which changes the mean and variance
  that every layer norm takes over it, so that the cut network is not the masked one. Here it is
  pinned, and the reason said.

Prints a table and writes `benchmarks/results/torch_pruning_groups.json`.
"""

import math
import warnings
from collections import Counter
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
import torch_networks
import torch_pruning  # pyright: ignore[reportMissingImports]
from graph_networks import Network, bert, resnet, vit
from record import record

import sosjax

Shape = tuple[int, int, int]
"""Units, layers that make them, layers that use them up."""

IMAGE = torch.zeros(1, 3, 224, 224)
CASES: dict[str, tuple[Network, Any, Any]] = {
    "ResNet-18": (resnet((2, 2, 2, 2), False), torch_networks.ResNet18, IMAGE),
    "ViT, 12 layers": (vit(12, 192, 3, 768), lambda: torch_networks.ViT(12, 192, 3, 768), IMAGE),
    "BERT, 12 layers": (
        bert(12, 768, 12, 3072, 128, 30522),
        lambda: torch_networks.Bert(12, 768, 12, 3072, 30522),
        torch.zeros(1, 128, dtype=torch.long),
    ),
}


def theirs(module: Any, example: Any) -> Counter[Shape]:
    """Return the groups that Torch-Pruning finds; the head's outputs are kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parameters outside of layers: the class token
        graph = torch_pruning.DependencyGraph().build_dependency(module, example)
    found: Counter[Shape] = Counter()
    for group in graph.get_all_groups(ignored_layers=[module.head]):
        made, used = set(), set()
        for dependency, _ in group:
            layer, handler = dependency.target.module, dependency.handler
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                (made if graph.is_out_channel_pruning_fn(handler) else used).add(layer)
        found[len(group[0].idxs), len(made), len(used)] += 1
    return found


def ours(graph: sosjax.Graph) -> tuple[Counter[Shape], Counter[Shape]]:
    """Return the groups found here: those of attention joined, and as they are."""
    joined: Counter[Shape] = Counter()
    apart: Counter[Shape] = Counter()
    attention: dict[str, list[Shape]] = {}
    for group in graph.groups:
        shape = (group.size, _count(group, last=True), _count(group, last=False))
        apart[shape] += 1
        layer = group.places[0][0].split("/attention/")
        if len(layer) == 2:
            attention.setdefault(layer[0], []).append(shape)
        else:
            joined[shape] += 1
    for parts in attention.values():
        heads, size, *others = sorted(part[0] for part in parts)
        if others != [size]:
            raise SystemExit(f"Attention must have heads and two sizes, got {parts}.")
        # Queries, keys and values make what all heads together have, `out` uses it up.
        joined[math.prod((heads, size)), 3, 1] += 1
    return joined, apart


def _count(group: sosjax.Group, last: bool) -> int:
    """Count the matrices that have a group on their last axis, or on the one before."""
    leaves = {leaf for leaf, axis in group.places if _is_last(leaf, axis) == last}
    return len([leaf for leaf in leaves if leaf.endswith("kernel") or "/conv" in leaf])


def _is_last(leaf: str, axis: int) -> bool:
    return axis == (3 if "/conv" in leaf else 1)


def compare(name: str) -> dict[str, Any]:
    """Return both tools' groups of one architecture; stop at an unexplained difference."""
    (apply, params, inputs), module, example = CASES[name]
    graph = sosjax.trace(apply, params, *inputs)
    joined, apart = ours(graph)
    other = theirs(module().eval(), example)
    missing, more = other - joined, joined - other
    width = {size for size, _, _ in missing}
    trunk = [reason for reason in graph.pinned.values() if "reduce_sum" in reason]
    if more or len(missing) > 1 or (missing and not trunk):
        raise SystemExit(
            f"{name}: unexplained: {dict(missing)} only there, {dict(more)} only here."
        )
    return {
        "here": sum(apart.values()),
        "torch_pruning": sum(other.values()),
        "equal": sum((joined & other).values()),
        "attention_split": sum(apart.values()) - sum(joined.values()),
        "residual_width_only_there": sorted(width),
        "why_pinned_here": trunk[0] if missing else None,
        "sizes_here": _listed(apart),
        "sizes_torch_pruning": _listed(other),
    }


def _listed(groups: Counter[Shape]) -> list[str]:
    return [
        f"{times} x {size} units (made by {made}, used by {used})"
        for (size, made, used), times in sorted(groups.items())
    ]


def main() -> None:
    """Compare all architectures."""
    rows = {name: compare(name) for name in CASES}
    for name, row in rows.items():
        print(
            f"{name:<16} {row['here']:>3} groups here, {row['torch_pruning']:>3} in Torch-Pruning; "
            f"{row['equal']:>3} equal once heads and sizes are taken together"
        )
        if row["residual_width_only_there"]:
            print(
                f"{'':<16} only there: the residual width {row['residual_width_only_there'][0]}; "
                f"pinned here: {row['why_pinned_here']}"
            )
    print(record("torch_pruning_groups", {"seed": 0, "networks": rows}, ("torch", "torch-pruning")))


if __name__ == "__main__":
    main()
