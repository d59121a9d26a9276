"""Seconds and memory that loading a network takes, in a process of its own.

    python -m benchmarks.load_memory WEIGHTS/mpnet

Prints one line of JSON. The memory is what the process's peak grew by while it loaded, over the
size of the parameters; what Python and JAX hold before is told too.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import sosjax


def peak_bytes() -> int:
    """Return the most memory that this process has held so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux, what `getrusage` tells begins with the peak of the process that started this.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def loaded(path: Path) -> dict[str, Any]:
    """Load a network and return what it took."""
    jax.block_until_ready(jax.numpy.zeros(1))
    before = peak_bytes()
    start, busy = time.perf_counter(), time.process_time()
    jat = sosjax.load(path)
    jax.block_until_ready(jat.params)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    leaves = jax.tree.leaves(jat.bare_params)
    size = sum(leaf.nbytes for leaf in leaves)
    peak = peak_bytes()
    return {
        "parameters": int(sum(np.size(leaf) for leaf in leaves)),
        "seconds": round(seconds, 2),
        "processor_seconds": round(busy, 2),
        "parameters_mb": round(size / 1e6, 1),
        "before_mb": round(before / 1e6, 1),
        "peak_mb": round(peak / 1e6, 1),
        "times_the_size": round((peak - before) / size, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="a folder or file that `sosjax.load` reads")
    print(json.dumps(loaded(parser.parse_args().path)))
