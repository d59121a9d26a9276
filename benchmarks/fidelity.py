"""Which judge of sub-networks agrees with what recovery makes of them?

    python -m benchmarks.fidelity

Searches the embedded network as the example does, draws 40 sub-networks of each of its four tasks,
judges them in every way there is, and recovers all of them alike: what `sosjax fidelity` does.
Test errors are of all test images of the embedded subset, or of `--data`, a folder with the four
idx files of Fashion-MNIST. Writes `results/fidelity.json`.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import sosjax
from sosjax import Recovery
from sosjax.cli._config import example_text, parse_config

from .record import record


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--generations", type=int, help="of the search, fewer for a trial")
    asked = parser.parse_args()
    config = parse_config(example_text(), Path.cwd(), "the example")
    settings = config.settings
    if asked.generations is not None:
        settings = replace(settings, generations=asked.generations)
    jat, images, tasks = config.load()
    if asked.data is not None:
        images = sosjax.fashion_mnist(asked.data)
    sets = sosjax.search(jat, images, tasks, (), settings)
    recovery = Recovery(epochs=asked.epochs, rounds=0)

    def tell(line: dict[str, Any]) -> None:
        print(line["event"], flush=True)

    how = {"candidates": asked.candidates, "progress": tell}
    found = sosjax.fidelity(jat, sets, images, tasks, recovery, **how)
    print(f"\n{'judge':<14}" + "".join(f"{name:>17}" for name in found["judges"]["raw"]))
    for name, numbers in found["judges"].items():
        cells = ("-" if one is None else f"{one:.3f}" for one in numbers.values())
        print(f"{name:<14}" + "".join(f"{cell:>17}" for cell in cells))
    options = f" --candidates {asked.candidates} --epochs {asked.epochs}"
    options += "" if asked.data is None else " --data FOLDER"
    content = {"command": f"python -m benchmarks.fidelity{options}", **found}
    print(record("fidelity", content, ("optax",)))


if __name__ == "__main__":
    main()
