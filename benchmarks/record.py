"""Where the benchmarks' numbers go: a JSON file with the machine, the versions and the seed."""

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def record(name: str, content: dict[str, Any], packages: tuple[str, ...] = ()) -> Path:
    """Write `results/NAME.json` and return its path.

    Args:
      name: of the benchmark.
      content: numbers and settings, ready for JSON.
      packages: whose versions matter, beside those of jax and sosjax.
    """
    versions = {one: metadata.version(one) for one in ("sosjax", "jax", "numpy", *packages)}
    machine = {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    path = RESULTS / f"{name}.json"
    facts = {"machine": machine, "versions": versions}
    path.write_text(json.dumps(facts | content, indent=1) + "\n")
    return path
