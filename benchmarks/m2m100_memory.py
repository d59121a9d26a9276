"""Whether M2M100-418M fits: its graph, masks, and one masked translation step by step.

    python benchmarks/m2m100_memory.py

Builds the network of the true shapes with random weights, finds what can be removed, keeps about
half of the units, evaluates that sub-network once at batch 1, and compares it with the network cut
for real and with the dense network whose removed weights are zero.

Prints the groups, the times and the peak of memory (it must stay below 16 GB), and writes
`benchmarks/results/m2m100_memory.json`.
"""

import argparse
import resource
import sys
import time
from collections import Counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from record import record

import sosjax
from sosjax._tree import named_leaves, with_leaves
from sosjax.models._decoding import Decoding, cached_steps, greedy, silenced
from sosjax.models._m2m100 import M2m100, M2m100Options
from sosjax.models._module import functional

LIMIT_GB = 16


def peak_gb() -> float:
    """Return the most memory that this process has held so far, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def random_weights(shapes: Any) -> Any:
    """Draw weights leaf by leaf; each is on the device once and nowhere else."""
    key = jax.random.key(0)
    leaves = {}
    for place, (name, leaf) in enumerate(named_leaves(shapes).items()):
        drawn = jax.random.normal(jax.random.fold_in(key, place), leaf.shape, leaf.dtype)
        leaves[name] = jax.block_until_ready(1 + 0.1 * drawn if "scale" in name else 0.03 * drawn)
    return with_leaves(shapes, leaves)


def timed(run: Any, *inputs: Any) -> tuple[Any, float]:
    """Return what a function gives, and the seconds that it took."""
    start = time.perf_counter()
    found = jax.block_until_ready(run(*inputs))
    return found, round(time.perf_counter() - start, 2)


def groups_by_kind(graph: sosjax.Graph) -> dict[str, int]:
    """Return how many groups there are of each kind: side, part and number of units."""
    kinds: Counter[str] = Counter()
    for group in graph.groups:
        leaves = {leaf for leaf, _ in group.places}
        side, _, _, *part = min(leaves).split("/")
        names = sorted({leaf.split("/")[-2] for leaf in leaves})
        owner = f"{part[0]} " if "attn" in part[0] else ""
        kinds[f"{side} {owner}{'+'.join(names)} of {group.size}"] += 1
    return dict(sorted(kinds.items()))


def evaluated(graph: sosjax.Graph, params: Any, length: int) -> dict[str, Any]:
    """Evaluate half of the network masked, cut and silenced; return what it took."""
    rng = np.random.default_rng(0)
    masks = [rng.random(size) < 0.5 for size in graph.sizes]
    for mask in masks:
        mask[0] = True
    ids = jnp.asarray(rng.integers(4, 128000, (1, 2, length)), jnp.int32)
    run = jax.jit(graph.masked)
    masked, first = timed(run, params, masks, ids)
    _, second = timed(run, params, masks, ids)
    facts: dict[str, Any] = {"masked_compiled_s": first, "masked_s": second}
    facts["peak_gb_masked"] = round(peak_gb(), 2)
    small = graph.shrink(params, masks)
    cut, _ = timed(jax.jit(small.apply), small.params, ids)
    scale = float(jnp.abs(masked).max())
    facts["cut_differs"] = float(jnp.abs(cut - masked).max()) / scale
    facts["peak_gb_cut"] = round(peak_gb(), 2)
    del small, cut
    quiet = silenced(graph, params, masks)
    steps = cached_steps(graph.apply)
    # Random weights repeat the token that they are given: with another end no text stops early.
    decoding = Decoding(length=length, end=0)
    texts, facts["greedy_compiled_s"] = timed(greedy, steps, quiet, ids[:, 0], decoding)
    _, facts["greedy_s"] = timed(greedy, steps, quiet, ids[:, 0], decoding)
    facts["greedy_tokens"] = int((np.asarray(texts) != decoding.pad).sum())
    plain = graph.apply(quiet, ids)
    facts["silenced_differs"] = float(jnp.abs(plain - masked).max()) / scale
    kept = np.array([*(mask.sum() for mask in masks), *(1 for _ in graph.blocks)])
    facts["kept_parameters"] = int(graph.cost(kept)["parameters"])
    return facts


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description="Memory of M2M100-418M: graph, masks, one run.")
    parser.add_argument("--length", type=int, default=32, help="tokens of source and of text")
    length = parser.parse_args().length
    options = M2m100Options(length=length)
    apply, shapes = functional(lambda: M2m100(options, nnx.Rngs(0)))
    example = jax.ShapeDtypeStruct((1, 2, length), jnp.int32)
    graph, seconds = timed(sosjax.trace, apply, shapes, example)
    facts: dict[str, Any] = {"trace_s": seconds, "peak_gb_trace": round(peak_gb(), 2)}
    cost = graph.cost(np.array(graph.sizes))
    facts |= {
        "parameters": int(cost["parameters"]),
        "gflops": round(int(cost["flops"]) / 1e9, 2),
        "units": sum(graph.sizes),
        "groups": len(graph.groups),
        "kinds": groups_by_kind(graph),
        "blocks": len(graph.blocks),
    }
    params = random_weights(shapes)
    facts["peak_gb_weights"] = round(peak_gb(), 2)
    facts |= evaluated(graph, params, length)
    facts["peak_gb"] = round(peak_gb(), 2)
    for name, value in facts.items():
        if name != "kinds":
            print(f"{name:<18} {value:,}" if isinstance(value, int) else f"{name:<18} {value:.3g}")
    for name, count in facts["kinds"].items():
        print(f"{count:>4} groups: {name}")
    print(record("m2m100_memory", {"seed": 0, "length": length, **facts}, ("flax",)))
    if facts["peak_gb"] >= LIMIT_GB:
        raise SystemExit(f"M2M100-418M must fit in {LIMIT_GB} GB, took {facts['peak_gb']} GB.")


if __name__ == "__main__":
    main()
