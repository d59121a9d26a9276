"""How long finding the groups takes, and what masks cost when a population is evaluated.

    python benchmarks/graph_speed.py

Traces ResNet-50, BERT-base and an encoder-decoder of M2M100-418M's shapes, each in a process of its
own, without weights. Then evaluates 16 candidates under `vmap`, once with `graph.masked` and once
with the same network masked by hand, side by side on the same masks, with the outputs checked equal
first; the order alternates and the ratio is that of the medians.

Prints tables and writes `benchmarks/results/graph_speed.json`.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from graph_networks import Network, bert, conv, dense, layer_norm, norm, resnet, translator
from record import record

import sosjax

TRACED: dict[str, Callable[[], Network]] = {
    "ResNet-50": partial(resnet, (3, 4, 6, 3), True),
    "BERT-base": partial(bert, 12, 768, 12, 3072, 128, 30522),
    "M2M100-418M": partial(translator, 12, 1024, 16, 4096, 64, 128112),
}
CANDIDATES = 16
REPEATS = 15


def trace_one(name: str) -> dict[str, Any]:
    """Trace a network once in this process, and return what it took."""
    apply, params, inputs = TRACED[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    graph = sosjax.trace(apply, params, *inputs)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": round(seconds, 2),
        "groups": len(graph.groups),
        "blocks": len(graph.blocks),
        "parameters": int(graph.cost(np.array(graph.sizes))["parameters"]),
        "peak_mb": round(peak / 1000),
        "peak_mb_before": round(before / 1000),
    }


def traced_alone(name: str) -> dict[str, Any]:
    """Trace a network in a process of its own: first, and with its own peak of memory."""
    command = [sys.executable, __file__, "--trace", name]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def masked_resnet(params: Any, masks: dict[str, Any], inputs: Any) -> Any:
    """Run ResNet-18 with its masks written by hand, at each place that sums over channels."""

    def kept(hidden: Any, name: str) -> Any:
        return jnp.where(masks[name], hidden, 0)

    stem = params["stem"]
    hidden = jax.nn.relu(norm(stem["norm1"], conv(stem["conv1"], inputs, 2)))
    window = (1, 3, 3, 1), (1, 2, 2, 1), "SAME"
    hidden, trunk = jax.lax.reduce_window(hidden, -jnp.inf, jax.lax.max, *window), "stem"
    for name in sorted(name for name in params if name.startswith("stage")):
        block, stride = params[name], 2 if name.endswith("block0") and name[5] != "0" else 1
        source = kept(hidden, trunk)
        inner = jax.nn.relu(norm(block["norm1"], conv(block["conv1"], source, stride)))
        inner = norm(block["norm2"], conv(block["conv2"], kept(inner, name)))
        if "project" in block:
            project, trunk = block["project"], name[:6]
            hidden = norm(project["norm1"], conv(project["conv1"], source, stride))
        hidden = jax.nn.relu(inner + hidden)
    hidden = kept(hidden.mean((1, 2)), trunk)
    return hidden @ params["head"]["kernel"] + params["head"]["bias"]


def masked_bert(params: Any, masks: list[dict[str, Any]], tokens: Any, heads: int) -> Any:
    """Run BERT with its masks written by hand: query size, heads x value size, inner units."""

    def split(layer: Any, name: str, hidden: Any) -> Any:
        rows = dense(layer["attention"][name], hidden)
        return rows.reshape(*rows.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    hidden = layer_norm(params["norm"], params["words"][tokens] + params["positions"])
    for layer, mask in zip(params["layers"], masks, strict=False):
        query, key, value = (split(layer, name, hidden) for name in ("query", "key", "value"))
        query = jnp.where(mask["query"], query, 0)
        scores = query @ key.swapaxes(-1, -2) / np.sqrt(query.shape[-1])
        rows = (jax.nn.softmax(scores) @ value).transpose(0, 2, 1, 3)
        there = (mask["heads"][:, None] & mask["value"]).reshape(-1)
        rows = jnp.where(there, rows.reshape(*rows.shape[:2], -1), 0)
        hidden = layer_norm(layer["norm"], hidden + dense(layer["attention"]["out"], rows))
        inner = jnp.where(mask["inner"], jax.nn.gelu(dense(layer["up"], hidden)), 0)
        hidden = layer_norm(layer["last_norm"], hidden + dense(layer["down"], inner))
    pooled = jnp.where(masks[-1]["pooler"], jnp.tanh(dense(params["pooler"], hidden[:, 0])), 0)
    return dense(params["head"], pooled)


def resnet_case(rng: np.random.Generator) -> tuple[Any, ...]:
    """Return a small ResNet-18, and how its groups' masks are named by hand."""
    apply, shapes, _ = resnet((2, 2, 2, 2), False, size=64, width=16)
    inputs = jnp.asarray(rng.random((4, 64, 64, 3)), jnp.float32)

    def named(groups: Any, masks: Any) -> dict[str, Any]:
        out = {}
        for group, mask in zip(groups, masks, strict=True):
            leaves = {leaf.split("/")[0] for leaf, _ in group.places}
            made = [leaf for leaf, axis in group.places if "project/conv1" in leaf and axis == 3]
            trunk = made[0][:6] if made else "stem"
            out[min(leaves) if len(leaves) == 1 else trunk] = mask
        return out

    return apply, shapes, inputs, named, masked_resnet


def bert_case(rng: np.random.Generator) -> tuple[Any, ...]:
    """Return a BERT of four layers, and how its groups' masks are named by hand."""
    layers, heads = 4, 4
    apply, shapes, _ = bert(layers, 256, heads, 1024, 64, 1000)
    tokens = jnp.asarray(rng.integers(0, 1000, (8, 64)))

    def named(groups: Any, masks: Any) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = [{} for _ in range(layers + 1)]
        for group, mask in zip(groups, masks, strict=True):
            places = str(group.places)
            layer = layers if "pooler" in group.name else int(group.name.split("/")[1])
            kind = "pooler" if "pooler" in group.name else "inner" if "/up/" in places else ""
            if not kind:
                query, out_kernel = "query" in places, "out/kernel" in places
                kind = "heads" if query and out_kernel else "query" if query else "value"
            out[layer][kind] = mask
        return out

    return apply, shapes, tokens, named, partial(masked_bert, heads=heads)


def compare(case: Callable[[np.random.Generator], tuple[Any, ...]]) -> dict[str, Any]:
    """Evaluate a population by the graph and by hand; return the times' ratio."""
    rng = np.random.default_rng(0)
    apply, shapes, inputs, named, by_hand = case(rng)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(0, 0.05, leaf.shape) + 0.02, leaf.dtype), shapes
    )
    graph = sosjax.trace(apply, params, inputs)
    masks = [jnp.asarray(rng.random((CANDIDATES, size)) < 0.5) for size in graph.sizes]
    ours = jax.jit(jax.vmap(lambda masks: graph.masked(params, masks, inputs)))
    theirs = jax.jit(jax.vmap(lambda masks: by_hand(params, named(graph.groups, masks), inputs)))
    one, other = np.asarray(ours(masks)), np.asarray(theirs(masks))
    gap = float(np.abs(one - other).max() / np.abs(other).max())
    if not gap <= 1e-4:
        raise SystemExit(f"The two masked networks differ by {gap:.1e}: nothing to compare.")
    times: dict[Any, list[float]] = {ours: [], theirs: []}
    for repeat in range(REPEATS):
        for run in (ours, theirs) if repeat % 2 else (theirs, ours):
            start = time.perf_counter()
            jax.block_until_ready(run(masks))
            times[run].append(time.perf_counter() - start)
    ratio = float(np.median(times[ours]) / np.median(times[theirs]))
    return {"ratio": round(ratio, 3), "outputs_differ": gap, "groups": len(graph.groups)}


def main() -> None:
    """Run everything, or trace one network."""
    parser = argparse.ArgumentParser(description="Time the graph: tracing, and masks.")
    parser.add_argument("--trace", choices=TRACED)
    name = parser.parse_args().trace
    if name is not None:
        print(json.dumps(trace_one(name)))
        return
    traces = {name: traced_alone(name) for name in TRACED}
    for name, one in traces.items():
        print(
            f"{name:<12} {one['parameters']:>12,} parameters  {one['seconds']:>6.2f} s  "
            f"{one['groups']:>4} groups  {one['blocks']:>3} blocks  {one['peak_mb']:>5} MB at most "
            f"({one['peak_mb_before']} MB before)"
        )
    ratios = {"ResNet-18": compare(resnet_case), "BERT, 4 layers": compare(bert_case)}
    for name, one in ratios.items():
        print(
            f"{name:<14} {CANDIDATES} candidates: graph.masked takes {one['ratio']:.2f} of the "
            f"time by hand; outputs differ by {one['outputs_differ']:.0e} (relative)"
        )
    print(record("graph_speed", {"seed": 0, "traces": traces, "masked": ratios}))


if __name__ == "__main__":
    main()
