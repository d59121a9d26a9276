"""How does the time of a generation grow? With population, tasks, images, width, genes, devices.

    python -m benchmarks.scaling            # 2 cores, five minutes
    python -m benchmarks.scaling --short    # fewer and smaller points

Each axis is varied alone from a common start: the embedded network, one task. A point is the
fastest of five generations of a search that is compiled already; beside it, the memory that its
program needs besides its arguments. Told is the exponent of a line through the logarithms over the
upper half of an axis, where it makes most of the time. Genes are those of the strategy alone,
without a network: what proposing, ranking and selecting cost. Devices are virtual: as many as are
said, each point in a process of its own, share the cores of one CPU, so that more than cores only
show what sharing costs.

Writes `results/scaling.json` and `results/scaling.png`, where dots show the first power, and no
power for devices.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import sosjax
from sosjax import Dataset, Jat, Settings, Task
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem
from sosjax.strategies import MOMFEA

from .own_width import resnet18
from .record import RESULTS, record

AXES: dict[str, tuple[int, ...]] = {
    "population": (16, 64, 256, 1024, 4096),
    "tasks": (1, 2, 4, 8, 16, 32),
    "images": (64, 128, 256, 512, 1024),
    "width": (8, 16, 32, 64),
    "genes": (100, 1_000, 10_000, 100_000),
    "devices": (1, 2, 4, 8),
}
SHORT: dict[str, tuple[int, ...]] = {
    "population": (16, 64),
    "tasks": (1, 2),
    "images": (64, 128),
    "width": (4, 8),
    "genes": (100, 1_000),
    "devices": (1, 2),
}
START = {"population": 16, "tasks": 1, "images": 64}
KEYS = ("value", "seconds")
REPEATS = 5
SHARED = 64
"""The population that devices share."""
INDIVIDUALS = 64
"""Of the strategy alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer and smaller points")
    parser.add_argument("--axes", nargs="+", choices=list(AXES), default=list(AXES))
    parser.add_argument("--here", action="store_true", help="one point, on the devices there are")
    asked = parser.parse_args()
    if asked.here:
        print(json.dumps(point("population", SHARED, sosjax.fashion_mnist())))
        return
    data, found = sosjax.fashion_mnist(), {}
    for axis in asked.axes:
        points = (SHORT if asked.short else AXES)[axis]
        rows = [point(axis, value, data) for value in points]
        found[axis] = {"points": rows, "exponent": exponent(rows)}
        show(axis, found[axis])
    facts = {"seed": 0, "device": jax.devices()[0].device_kind, "start": START, "axes": found}
    path = record("scaling_short" if asked.short else "scaling", facts)
    print(path)
    if not asked.short:
        draw(found, RESULTS / "scaling.png")


def point(axis: str, value: int, data: Dataset) -> dict[str, Any]:
    """Return the seconds and the megabytes of one generation."""
    if axis == "genes":
        return {"value": value} | strategy_alone(value)
    if axis == "devices":
        return elsewhere(value) | {"value": value}
    size = START | {axis: value}
    jat = sosjax.fashion_resnet() if axis != "width" else narrow_resnet(value)
    settings = Settings(
        population=size["population"],
        generations=10_000,
        images=size["images"],
        checkpoint_every=1,
        fitness="recalibrated",
        ranking="magnitude",
    )
    return {"value": value} | generation(jat, data, tasks_of(data, size["tasks"]), settings)


def elsewhere(devices: int) -> dict[str, Any]:
    """Return a point of another process, in which a CPU counts as so many devices."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", "--here"],
        env=os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def narrow_resnet(width: int) -> Jat:
    """Return a ResNet-18 whose first stage has so many channels."""
    return resnet18([width * 2**stage for stage in range(4)])


def tasks_of(data: Dataset, count: int) -> list[Task]:
    """Return so many tasks of three classes each."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(data.classes), 3, replace=False) for _ in range(count)]
    return [
        Task(f"task {number}", [str(data.classes[one]) for one in sorted(own)])
        for number, own in enumerate(draws)
    ]


def generation(
    jat: Jat, data: Dataset, tasks: Sequence[Task], settings: Settings
) -> dict[str, float]:
    """Return what one generation of a search takes."""
    problem = Problem(jat, data, tasks, settings)
    evolution, last = Evolution.of(problem), jnp.int32(settings.generations)
    state = evolution.start(problem.rankings(), settings.seed)
    arguments = jat.params, problem.search, jax.random.key(settings.seed), last
    program = jax.jit(evolution.steps).lower(*arguments, state).compile()
    return timed(program, lambda state: (*arguments, state), state)


def strategy_alone(genes: int) -> dict[str, float]:
    """Return what proposing and selecting take, of two tasks with two trivial objectives."""
    strategy = MOMFEA(INDIVIDUALS, jnp.zeros(genes), tasks=2)
    params = strategy.default_params

    def judge(genotypes: Any) -> Any:
        return jnp.stack([genotypes.mean(-1), 1 - genotypes.min(-1)], -1)

    def advance(key: Any, state: Any) -> tuple[Any, Any]:
        ask_key, tell_key = jax.random.split(key)
        children, state = strategy.ask(ask_key, state, params)
        return strategy.tell(tell_key, children, judge(children), state, params)

    key = jax.random.key(0)
    population = strategy.sample(key)
    state = strategy.init(key, population, judge(population), params)
    program = jax.jit(advance).lower(key, state).compile()
    return timed(program, lambda state: (key, state), state)


def timed(program: Any, arguments: Callable[[Any], tuple], state: Any) -> dict[str, float]:
    """Return the least seconds of a step, and the megabytes that it needs besides arguments."""
    (state, *_), taken = program(*arguments(state)), []
    for _ in range(REPEATS):
        start = time.perf_counter()
        state, *_ = jax.block_until_ready(program(*arguments(state)))
        taken.append(time.perf_counter() - start)
    memory = program.memory_analysis()
    megabytes = 0.0 if memory is None else memory.temp_size_in_bytes / 1e6
    return {"seconds": round(min(taken), 5), "megabytes": round(megabytes, 1)}


def exponent(rows: Sequence[dict[str, float]]) -> float:
    """Return the slope of a line through the logarithms, over the upper half of the points."""
    upper = rows[len(rows) // 2 - (len(rows) < 3) :]
    values, seconds = (np.log([row[key] for row in upper]) for key in KEYS)
    return round(float(np.polyfit(values, seconds, 1)[0]), 2)


def show(axis: str, found: dict[str, Any]) -> None:
    """Print the points of an axis."""
    print(f"\n{axis}: seconds grow by the power of {found['exponent']:.2f}")
    for row in found["points"]:
        print(f"{row['value']:>9,}{row['seconds']:>10.4f} s{row['megabytes']:>9.1f} MB", flush=True)


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw seconds over each axis, both logarithmic, and the line of the first power."""
    rows = -(-len(found) // 3)
    figure, panels = plt.subplots(rows, 3, figsize=(9, 2.8 * rows), squeeze=False)
    for panel, (axis, one) in zip(panels.flat, found.items(), strict=False):
        values, seconds = (np.array([row[key] for row in one["points"]]) for key in KEYS)
        panel.loglog(values, seconds, "o-", color="tab:blue")
        power = 0 if axis == "devices" else 1
        panel.loglog(values, seconds[-1] * (values / values[-1]) ** power, ":", color="gray")
        panel.set_title(f"{axis}: power {one['exponent']:.2f}", fontsize=10)
        panel.set_xticks(values, [f"{value:,}" for value in values], fontsize=8)
        panel.minorticks_off()
        low, high = np.log2(seconds.min()), np.log2(seconds.max())
        ticks = 2.0 ** np.arange(np.floor(low), np.ceil(high) + 1, max(1, round((high - low) / 4)))
        panel.set_yticks(ticks, [f"{tick:.2g}" for tick in ticks], fontsize=8)
        panel.grid(alpha=0.3)
    for panel in panels.flat[len(found) :]:
        panel.set_visible(False)
    for row in panels:
        row[0].set_ylabel("seconds of a generation", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
