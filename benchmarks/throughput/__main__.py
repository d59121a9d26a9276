"""How many sub-networks are judged in a second, beside the best that PyTorch offers?

    python -m benchmarks.throughput                 # 2 cores, minutes
    python -m benchmarks.throughput --large         # a GPU: ResNet-18 of full width, 2,000 images

A population of random keep ratios goes through a ResNet-18 for images of 28 x 28 and through a BERT
of MiniLM's size, with random weights. Two questions: the same work, where every sub-network runs at
full size with units zeroed; and the same answer, each side by its best way, which is physically
pruned copies in PyTorch. There, a sub-network at full size is the network with zeroed weights, so
that masks cost nothing; copies are prepared untimed, images lie in the layout that is fastest.

All ways must give the same logits before anything is timed. They are then timed in one process, in
turns; told are medians, FLOPs needed and executed, and rates beside the machine's own of matrix
products: of FLOPs needed at own widths, else of all. They are those of plain sums, so that fewer
multiplications may come to more than 100 %. On a CPU a device for each core shares the population
out as well, as `JAX_NUM_CPU_DEVICES` has it. Writes `results/throughput.json`.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from ..record import record
from ._in_torch import DENSE, PRUNED, Ways
from ._ours import MASKED, OWN, SHARED, SHARED_OWN, ways
from ._work import Work, images, text

TOLERANCE = 1e-3
PEAK = 2048
"""Rows and columns of the product that tells the machine's rate."""

Ask = Callable[[], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--examples", type=int, default=64)
    parser.add_argument("--widths", type=int, nargs=4, default=(32, 64, 128, 256))
    parser.add_argument("--length", type=int, default=32, help="tokens of a text")
    parser.add_argument(
        "--share", type=float, default=0.2, help="of the parameters, kept on average"
    )
    parser.add_argument("--chunk", type=int, default=8, help="side by side, where they are")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--uncompiled", action="store_true", help="without torch.compile")
    parser.add_argument("--large", action="store_true", help="256 sub-networks of full width")
    parser.add_argument("--name", default="throughput", help="of the results")
    asked = parser.parse_args()
    if "JAX_NUM_CPU_DEVICES" not in os.environ:  # one device a core shares populations out
        jax.config.update("jax_num_cpu_devices", os.cpu_count())
    if asked.large:
        asked.candidates, asked.examples, asked.widths = 256, 2_000, (64, 128, 256, 512)
        asked.chunk = 16
    size = asked.candidates, asked.examples, asked.share
    works = {"ResNet-18": images(*size, asked.widths), "BERT": text(*size, asked.length)}
    peak = matrix_rate()
    rows = {name: compared(work, asked, peak) for name, work in works.items()}
    show(rows)
    facts = {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "seed": 0,
        **{name: value for name, value in vars(asked).items() if name != "name"},
        "matrix_gflops": round(peak / 1e9),
        "networks": rows,
    }
    print(record(asked.name, facts))


def compared(work: Work, asked: argparse.Namespace, peak: float) -> dict[str, Any]:
    """Return what each way takes, and the two ratios.

    Raises:
      SystemExit: the ways do not say the same.
    """
    found = ways(work, asked.chunk) | Ways(work, asked.chunk, not asked.uncompiled).found
    first, said, taken = {}, {}, []
    with torch.inference_mode():
        for name, ask in found.items():
            first[name], said[name] = seconds(ask)
        check(said)
        for _ in range(asked.repeats):
            taken.append({name: seconds(ask)[0] for name, ask in found.items()})
    median = {name: float(np.median([one[name] for one in taken])) for name in found}
    whole, own = work.flops()

    def told(name: str) -> dict[str, Any]:
        flops = own if name in (OWN, SHARED_OWN, PRUNED) else whole
        return {
            "seconds": round(median[name], 4),
            "first_call_seconds": round(first[name], 2),
            "examples_per_second": round(work.candidates * len(work.inputs) / median[name]),
            "share_of_peak": round(flops / median[name] / peak, 3),
        }

    theirs = [name for name in found if not name.startswith("sosjax")]
    ours = min(median[name] for name in found if name not in theirs)
    dense = min(median[name] for name in theirs if name in DENSE)
    masked = min(median[name] for name in found if name in (MASKED, SHARED))
    return {
        "flops_needed": round(own / whole, 3),
        "flops_executed": round(work.executed() / whole, 3),
        "ways": {name: told(name) for name in found},
        "same_work": round(dense / masked, 2),
        "same_answer": round(min(median[name] for name in theirs) / ours, 2),
        "of_full_size": round(ours / masked, 3),
    }


def check(said: dict[str, np.ndarray]) -> None:
    """Refuse ways that differ by more than rounding explains."""
    wanted = said[MASKED]
    for name, logits in said.items():
        apart = np.abs(logits - wanted).max() / np.abs(wanted).max()
        if not apart <= TOLERANCE:
            raise SystemExit(f"{name} differs by {apart:.1e} of the largest logit")


def seconds(ask: Ask) -> tuple[float, np.ndarray]:
    """Return what an answer takes, and the answer."""
    start = time.perf_counter()
    answer = ask()
    return time.perf_counter() - start, answer


def matrix_rate() -> float:
    """Return the FLOPs a second of a product of matrices, the best of several."""
    one = jnp.ones((PEAK, PEAK))
    product = jax.jit(jnp.matmul)
    taken = []
    for _ in range(8):
        start = time.perf_counter()
        jax.block_until_ready(product(one, one))
        taken.append(time.perf_counter() - start)
    return 2 * PEAK**3 / min(taken)


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print a line for every way, and the ratios."""
    for network, row in rows.items():
        print(f"\n{network:<36}{'seconds':>9}{'first call':>12}{'examples/s':>12}{'of peak':>9}")
        for name, way in row["ways"].items():
            print(
                f"{name:<36}{way['seconds']:>9.3f}{way['first_call_seconds']:>12.2f}"
                f"{way['examples_per_second']:>12,}{way['share_of_peak']:>9.0%}"
            )
        print(
            f"FLOPs needed: {row['flops_needed']:.1%} of full size; executed at own widths: "
            f"{row['flops_executed']:.1%}, in {row['of_full_size']:.2f} of the time. Same work: "
            f"PyTorch takes {row['same_work']:.2f} times as long; same answer: "
            f"{row['same_answer']:.2f} times."
        )


if __name__ == "__main__":
    main()
