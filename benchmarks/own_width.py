"""What does a sub-network cost to judge, beside the whole network, when it runs at its own width?

    python -m benchmarks.own_width --weights MINILM

On a CPU candidates are judged one after the other, each at little more than the width that its
masks keep. Here populations of random keep ratios, of about so many parameters each, go through
MiniLM and a ResNet-18 for images of 28 x 28: once with masks alone, once so. Both programs run in
one process, in turns; the ratio is that of the medians. That they do the same work is checked
first: their features must agree. FLOPs needed are those of the sub-networks cut for real.

The ResNet has random weights; without MINILM, a folder in Hugging Face layout, it is alone. Writes
`results/own_width.json`.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax import Jat, Ratios
from sosjax.models import built, jat_of

from .record import record

SHARES = (1.0, 0.5, 0.2, 0.05)
"""Of the parameters that can be removed, about."""
CANDIDATES, POOL, REPEATS = 8, 4_000, 5
TOLERANCE = 1e-4


def resnet18(widths: Sequence[int] = (64, 128, 256, 512)) -> Jat:
    """Return a ResNet-18 for small images, with random weights."""
    architecture = {
        "family": "resnet",
        "widths": tuple(widths),
        "depths": (2, 2, 2, 2),
        "classes": 10,
        "input_shape": (28, 28, 1),
        "stem": "small",
        "mean": 0.3,
        "deviation": 0.4,
    }
    rng = np.random.default_rng(0)

    def draw(leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if leaf.ndim == 1:
            return rng.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype)
        return (rng.normal(size=leaf.shape) / np.sqrt(leaf.size / leaf.shape[-1])).astype(
            leaf.dtype
        )

    params = jax.tree.map(draw, built(architecture).shapes)
    return jat_of(architecture, params, name="ResNet-18")


def population(
    jat: Jat, share: float, candidates: int = CANDIDATES, depth: bool = True
) -> list[np.ndarray]:
    """Return masks of random keep ratios, [N, size]; see `SHARES`.

    Args:
      jat: the network.
      share: of the parameters that can be removed, about.
      candidates: how many.
      depth: whether blocks may be left out.
    """
    graph, blocks = jat.graph, len(jat.graph.blocks) if depth else 0
    encoding = Ratios(graph.sizes, graph.rules.granularity, blocks)
    if share == 1:
        return [np.ones((candidates, size), bool) for size in (*graph.sizes, *[1] * blocks)]
    genes = encoding.sample(jax.random.key(0), POOL, 0.0, 1.0)
    kept = np.asarray(encoding.kept(genes)).astype(np.int64)
    least = np.array([*[1] * len(graph.sizes), *[0] * blocks])
    whole = np.array([*graph.sizes, *[1] * blocks])
    low, cost, high = (graph.cost(one, graph.classes)["parameters"] for one in (least, kept, whole))
    chosen = np.argsort(np.abs((cost - low) / (high - low) - share))[:candidates]
    rng = np.random.default_rng(0)
    return [
        np.stack([rng.permutation(size) < count for count in kept[chosen, place]])
        for place, size in enumerate(whole)
    ]


def timed(call: Callable[..., Any], *arguments: Any) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    jax.block_until_ready(call(*arguments))
    return time.perf_counter() - start


def difference(jat: Jat, ways: Sequence[Callable[..., Any]], masks: list[np.ndarray]) -> float:
    """Return by how much features differ, as a share of the largest.

    Raises:
      SystemExit: by more than rounding explains.
    """
    one, other = (np.asarray(way(masks)) for way in ways)
    found = float(np.abs(one - other).max() / np.abs(one).max())
    if found > TOLERANCE:
        raise SystemExit(f"{jat.name}: features differ by {found} of the largest")
    return found


def rows_of(jat: Jat, inputs: Any) -> list[dict[str, Any]]:
    """Return what every share costs."""
    graph, estimate, given = jat.graph, bool(jat.graph.statistics), jnp.asarray(inputs)

    def program(narrow: bool) -> Callable[..., Any]:
        def one(masks: list[Any]) -> Any:
            return graph.features(jat.params, given, masks, estimate, narrow=narrow)[0]

        return jax.jit(lambda masks: jax.lax.map(one, masks))

    ways = program(False), program(True)
    full = population(jat, 1.0)
    first = [round(timed(way, full), 2) for way in ways]
    whole = graph.cost(np.array([len(mask[0]) for mask in full]), graph.classes)
    rows = []
    for share in SHARES:
        masks = population(jat, share)
        apart = difference(jat, ways, masks)
        seconds = np.median([[timed(way, masks) for way in ways] for _ in range(REPEATS)], 0)
        cost = graph.cost(np.stack([mask.sum(1) for mask in masks], -1), graph.classes)
        rows.append(
            {
                "share": share,
                "parameters": round(float(cost["parameters"].mean())),
                "flops_needed": round(float(cost["flops"].mean() / whole["flops"]), 3),
                "ratio": round(float(seconds[1] / seconds[0]), 3),
                "difference": apart,
                "first_call_seconds": {"masked": first[0], "own_width": first[1]},
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--weights", type=Path, help="the folder of MiniLM")
    parser.add_argument("--examples", type=int, default=64)
    asked = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    rng = np.random.default_rng(0)
    cases: list[tuple[Jat, Any]] = [
        (resnet18(), rng.random((asked.examples, 28, 28, 1), np.float32))
    ]
    if asked.weights is not None:
        jat = sosjax.load(asked.weights, length=16, name="MiniLM")
        shape = (asked.examples, *jat.graph.inputs.shape)
        cases.append((jat, rng.integers(1_000, 20_000, shape).astype(np.int32)))
    found = {jat.name: rows_of(jat, inputs) for jat, inputs in cases}
    print(
        f"{'network':<12}{'share':>7}{'parameters':>12}{'FLOPs needed':>14}{'time of masked':>16}"
    )
    for name, rows in found.items():
        for row in rows:
            print(
                f"{name:<12}{row['share']:>7.0%}{row['parameters']:>12,}"
                f"{row['flops_needed']:>14.1%}{row['ratio']:>16.2f}"
            )
    for name, rows in found.items():
        print(
            f"{name}: the first call took {rows[0]['first_call_seconds']['own_width']} s, with "
            f"masks alone {rows[0]['first_call_seconds']['masked']} s"
        )
    facts = {
        "seed": 0,
        "device": jax.devices()[0].device_kind,
        "examples": asked.examples,
        "candidates": CANDIDATES,
        "networks": found,
    }
    print(record("own_width", facts))


if __name__ == "__main__":
    main()
