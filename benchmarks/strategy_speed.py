"""How fast the strategies go through generations, side by side with the peers.

    python -m benchmarks.strategy_speed --peers-python PYTHON --evox-python PYTHON

The peers run in environments of their own (see `cec17/peers.py` and `evox_speed.py`), in the same
call on the same machine; without their options only ours are timed. Everybody minimises CEC2017's
CIHS with 50 genes: 2 x 100 individuals on both tasks, or 200 (and 1,000 and 10,000) on task 1.
Compilation is not in the times, but told. Writes `results/strategy_speed.json`.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sosjax.problems import cec17, related_tasks
from sosjax.strategies import MOMFEA, MOMFEA2, NSGA2, AbstractStrategy, AdaptiveDE

from .record import record

REPEATS = 3
Judge = Callable[[jax.Array], jax.Array]


def whole_run(strategy: AbstractStrategy, judge: Judge, generations: int) -> Callable:
    """Return a function of a key that searches from a random population to its final costs."""
    params = strategy.default_params

    def run(key: Any) -> jax.Array:
        start_key, loop_key = jax.random.split(key)
        population = strategy.sample(start_key)
        state = strategy.init(start_key, population, judge(population), params)

        def generation(number: jax.Array, state: Any) -> Any:
            ask_key, tell_key = jax.random.split(jax.random.fold_in(loop_key, number))
            children, state = strategy.ask(ask_key, state, params)
            return strategy.tell(tell_key, children, judge(children), state, params)[0]

        return jax.lax.fori_loop(0, generations, generation, state).fitness

    return run


def timed(function: Callable, *arguments: Any) -> dict[str, float]:
    """Return the seconds of compiling, and the shortest of several runs."""
    start = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    compiling = time.perf_counter() - start
    compiled(*arguments).block_until_ready()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        compiled(*arguments).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return {"compile_seconds": round(compiling, 2), "seconds": min(seconds)}


def both_tasks() -> Judge:
    """Return CIHS as a function of rows sorted by task."""
    problem = cec17("CIHS")
    return lambda rows: problem.evaluate(rows.reshape(2, -1, rows.shape[-1])).reshape(len(rows), -1)


def one_task() -> Judge:
    """Return CIHS' task 1."""
    problem = cec17("CIHS")
    return lambda rows: problem.costs(0, rows)


def ours(evaluations: int = 200_000) -> dict[str, Any]:
    """Time whole runs of 200 individuals, and 30 seeds of one of them at once."""
    genes, key = jnp.zeros(50), jax.random.key(0)
    runs = {
        "MO-MFEA": (MOMFEA(200, genes, 2), both_tasks()),
        "MO-MFEA-II": (MOMFEA2(200, genes, 2), both_tasks()),
        "AdaptiveDE": (AdaptiveDE(200, genes, 2), both_tasks()),
        "NSGA-II": (NSGA2(200, genes), one_task()),
    }
    found = {}
    for name, (strategy, judge) in runs.items():
        found[name] = timed(whole_run(strategy, judge, evaluations // 200 - 1), key)
        found[name]["evaluations_per_second"] = round(evaluations / found[name]["seconds"])
    strategy, judge = runs["MO-MFEA"]
    short = whole_run(strategy, judge, 199)
    one = timed(short, key)["seconds"]
    thirty = timed(jax.vmap(short), jax.random.split(key, 30))["seconds"]
    return found | {"30 seeds of MO-MFEA against one": round(thirty / one, 2)}


def large(sizes: Sequence[int] = (1_000, 10_000)) -> dict[str, float]:
    """Return NSGA-II's generations per second from random populations."""
    found = {}
    for size in sizes:
        generations = max(20_000 // size, 4)
        run = whole_run(NSGA2(size, jnp.zeros(50)), one_task(), generations)
        seconds = timed(run, jax.random.key(0))["seconds"]
        found[str(size)] = round(generations / seconds, 2)
    return found


def curves() -> dict[str, dict[str, Any]]:
    """Return the seconds of one generation of MO-MFEA over individuals, tasks and genes."""
    individuals = {n: (n, 2, 50) for n in (64, 256, 1024, 4096, 8192)}
    tasks = {t: (32 * t, t, 50) for t in (1, 4, 16, 64)}
    genes = {d: (128, 2, d) for d in (100, 1_000, 10_000, 100_000)}
    return {
        "individuals": curve(individuals, 20),
        "tasks": curve(tasks, 50),
        "genes": curve(genes, 20),
    }


def curve(points: dict[int, tuple[int, int, int]], generations: int) -> dict[str, Any]:
    """Time MO-MFEA at some (individuals, tasks, genes); the exponent is of the last doubling."""
    seconds = {}
    for value, (size, tasks, genes) in points.items():
        problem = related_tasks(tasks, 0.5, min(genes, 50), landscapes=("sphere",))

        def judge(rows: jax.Array, problem: Any = problem, tasks: int = tasks) -> jax.Array:
            blocks = rows.reshape(tasks, -1, rows.shape[-1])[..., : problem.genes]
            return problem.evaluate(blocks).reshape(len(rows), -1)

        run = whole_run(MOMFEA(size, jnp.zeros(genes), tasks), judge, generations)
        seconds[value] = timed(run, jax.random.key(0))["seconds"] / generations
    (x, y), (x2, y2) = list(seconds.items())[-2:]
    exponent = round(float(np.log(y2 / y) / np.log(x2 / x)), 2)
    return {"seconds": {str(k): round(v, 6) for k, v in seconds.items()}, "exponent": exponent}


def child(python: Path | None, *arguments: str) -> Any:
    """Run a peer's script with its own interpreter and read its JSON."""
    if python is None:
        return None
    output = subprocess.run([python, *arguments], capture_output=True, text=True, check=True).stdout
    return json.loads(output)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the strategies and the peers.")
    parser.add_argument("--peers-python", type=Path, help="has ddmtolab and pymoo")
    parser.add_argument("--evox-python", type=Path, help="has evox")
    parser.add_argument("--evox-limit", type=int, default=900, help="seconds for each size")
    parser.add_argument("--without-curves", action="store_true")
    asked = parser.parse_args()
    found: dict[str, Any] = {"whole runs": ours(), "NSGA-II generations per second": large()}
    if not asked.without_curves:
        found["one generation of MO-MFEA"] = curves()
    peers = child(asked.peers_python, "-m", "benchmarks.cec17.peers", "--speed")
    found["peers"] = peers
    evox = ["benchmarks/evox_speed.py", "--modes", "compiled", "--limit", str(asked.evox_limit)]
    found["EvoX NSGA-II"] = child(asked.evox_python, *evox)
    pairs = {"MO-MFEA": "DDMTOLab MO_MFEA", "MO-MFEA-II": "DDMTOLab MO_MFEA_II"}
    pairs["NSGA-II"] = "pymoo NSGA2"
    if peers:
        found["times as fast"] = {
            f"{own} against {other}": round(
                found["whole runs"][own]["evaluations_per_second"]
                / (peers[other]["evaluations"] / peers[other]["seconds"]),
                1,
            )
            for own, other in pairs.items()
        }
    print(json.dumps(found, indent=1))
    print(record("strategy_speed", found, ("evosax",)))


if __name__ == "__main__":
    main()
