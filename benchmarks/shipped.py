"""Are sub-networks that were shrunk and exported really faster, and are their times foretold?

    python -m benchmarks.shipped --run RUN --weights MINILM

Sub-networks of the embedded network, of a ResNet-18 for images of 28 x 28 and of MiniLM are
exported beside the whole network, each written as an export of its own, and a fresh process times
them as any export: the median of 3 to 50 runs, in JAX and in onnxruntime, of 1 and of 64 examples.
Times foretold are those of `measure_device`, whose error is of sub-networks that it did not learn
from. Nothing else should run.

Members of the embedded network are those that RUN, a finished run of `sosjax demo`, has for the
environments of one task. The others are uniform cuts: how fast a network is does not depend on
which units stay. The ResNet has random weights; without MINILM, a folder in Hugging Face layout, it
is the last. Writes `results/shipped.json`.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax import Jat, Member, Scores
from sosjax._files import read_json
from sosjax._tree import named_leaves
from sosjax.deploy._latency import BATCHES, machine

from .own_width import resnet18
from .record import record

SHARES = (0.5, 0.25, 0.1)
"""Of the units of every group."""
CLASSES = ("first", "second", "third", "fourth")


def cut(jat: Jat, share: float) -> Member:
    """Return a member that keeps a share of the units of every group, with a head of its own."""
    graph = jat.graph
    kept = [max(1, round(share * size)) for size in graph.sizes]
    masks = tuple(np.arange(size) < count for size, count in zip(graph.sizes, kept, strict=True))
    counted = graph.cost(np.array(kept), len(CLASSES))
    costs: dict[str, Any] = {name: int(cost) for name, cost in counted.items()}
    scores = Scores(
        tuple(kept),
        **costs,
        search_error=None,
        validation_error=1.0,
        test_error=1.0,
    )
    assert graph.head is not None
    width = named_leaves(jat.params)[graph.head.kernel].shape[0]
    rng = np.random.default_rng(0)
    kernel = (rng.normal(size=(width, len(CLASSES))) / np.sqrt(width)).astype(np.float32)
    return Member("any", CLASSES, scores, masks, {}, kernel, np.zeros(len(CLASSES), np.float32))


def whole(jat: Jat, like: Member) -> Member:
    """Return the whole network as a member with as many classes as another."""
    one = cut(jat, 1.0)
    width = one.kernel.shape[0], len(like.classes)
    kernel = np.resize(one.kernel, width)
    return replace(one, classes=like.classes, kernel=kernel, bias=np.zeros(width[1], np.float32))


def chosen(jat: Jat, run: Path) -> Iterator[tuple[str, Member]]:
    """Yield the members of the first task that a run chooses for its environments."""
    sets = sosjax.load_sets(run)
    task = sets.tasks[0].name
    for place in sets.environments:
        yield f"{task} on {place.name}", sets.select(task, place)


def exported(jat: Jat, member: Member) -> dict[str, dict[str, Any]]:
    """Export a member; return what its description says of the size and time of each program."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "export"
        certificate = sosjax.export(jat, member, place, formats=["onnx"])
        assert certificate.holds and not certificate.failed, certificate
        formats = read_json(place / "architecture.json")["formats"]
    return {"jax": formats["stablehlo"], "onnx": formats["onnx"]}


def rows(jat: Jat, members: Iterator[tuple[str, Member]]) -> list[dict[str, Any]]:
    """Time the whole network and its members; print a line for each."""
    found = list(members)
    found.insert(0, ("the whole network", whole(jat, found[0][1])))
    lines: list[dict[str, Any]] = []
    for name, member in found:
        kept = np.array([int(mask.sum()) for mask in member.masks])
        costs = jat.graph.cost(kept, len(member.classes))
        programs = exported(jat, member)
        line: dict[str, Any] = {"network": jat.name, "member": name}
        for key, file in (("milliseconds", "latency_ms"), ("on_disk", "bytes")):
            line[key] = {program: found[file] for program, found in programs.items()}
        line |= {cost: int(costs[cost]) for cost in ("parameters", "flops")}
        lines.append(line)
        first = lines[0]
        line["times_faster"] = {
            program: {
                batch: round(first["milliseconds"][program][batch] / time, 2)
                for batch, time in times.items()
            }
            for program, times in line["milliseconds"].items()
        }
        print(told(line, first), flush=True)
    return lines


def told(line: dict[str, Any], first: dict[str, Any]) -> str:
    """Return a line of the table."""
    shares = [line[cost] / first[cost] for cost in ("parameters", "flops")]
    cells = [f"{line['network']:<15}{line['member']:<22}", *(f"{share:>7.0%}" for share in shares)]
    for program in ("jax", "onnx"):
        for batch in map(str, BATCHES):
            time = line["milliseconds"][program][batch]
            cells.append(f"{time:>10.2f}{line['times_faster'][program][batch]:>6.1f}x")
    return "".join(cells)


def foretold(jat: Jat) -> list[dict[str, Any]]:
    """Measure this machine for a network; return how far off its tables are."""
    device = sosjax.measure_device(jat, BATCHES)
    found = []
    for table in device.timetables:
        print(
            f"{jat.name}, batch {table.batch}: foretold within {table.error:.1%} in the median, "
            f"{table.worst:.0%} at most",
            flush=True,
        )
        found.append(
            {"network": jat.name, "batch": table.batch, "median": table.error, "worst": table.worst}
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="of `sosjax demo`")
    parser.add_argument("--weights", type=Path, help="the folder of MiniLM")
    asked = parser.parse_args()
    networks = [sosjax.fashion_resnet(), resnet18()]
    if asked.weights is not None:
        networks.append(sosjax.load(asked.weights, length=32, name="MiniLM"))
    heads = [f"{program}, {batch}" for program in ("JAX", "onnxruntime") for batch in BATCHES]
    print(f"milliseconds and times faster, of {' and '.join(map(str, BATCHES))} examples")
    print(f"{'':<37}{'params':>7}{'FLOPs':>7}{''.join(f'{head:>17}' for head in heads)}")
    times, errors = [], []
    for number, jat in enumerate(networks):
        cuts = ((f"{share:.0%} of all units", cut(jat, share)) for share in SHARES)
        times += rows(jat, cuts if number else chosen(jat, asked.run))
    for jat in networks:
        errors += foretold(jat)
    content = {
        "command": "python -m benchmarks.shipped --run RUN --weights MINILM",
        "device": machine(),
        "times": times,
        "foretold": errors,
    }
    print(record("shipped", content, ("jax2onnx", "onnxruntime")))


if __name__ == "__main__":
    main()
