"""The peers' side of the CEC2017 benchmark: DDMTOLab's multitask algorithms and pymoo's NSGA-II.

    OMP_NUM_THREADS=1 python -m benchmarks.cec17.peers --folder FOLDER --seeds 0-4
    OMP_NUM_THREADS=1 python -m benchmarks.cec17.peers --speed

Runs in an environment of its own (ddmtolab 1.0.10, pymoo 0.6.2, numba), without sosjax or jax. Each
run is saved at once as FOLDER/ALGORITHM-PROBLEM-SEED.npz, and runs that are there are skipped, so a
killed call goes on where it was. A file holds, for the tasks t = 0 and 1:

- objectives_t [100, K_t]: of the last population,
- history_t [20, 100, K_t]: of the populations at `checkpoints` [20], in evaluations of the pair,
- seconds, evaluations: of the run, both tasks together,
- algorithm, problem, seed, as_shipped.

DDMTOLab breeds one individual at a time in Python; `fast_peers` replaces that, the results being
the same, unless --as-shipped. NSGA2 is pymoo's, a run per task with half of the evaluations each.
--speed prints how long the libraries take as shipped, as JSON.
"""
# pyright: reportMissingImports=false

import argparse
import json
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from . import fast_peers

PROBLEMS = ("CIHS", "CIMS", "CILS", "PIHS", "PIMS", "PILS", "NIHS", "NIMS", "NILS")
ALGORITHMS = (*fast_peers.ALGORITHMS, "NSGA2")
INDIVIDUALS = 100
CHECKPOINTS = 20
Populations = list[np.ndarray]


def _cims_1(x: np.ndarray) -> np.ndarray:
    """CIMS task 1 with the factor 100 on the first term of Rosenbrock's function alone."""
    z, first = x[:, 1:], x[:, 0]
    terms = 100 * (z[:, :-1] ** 2 - z[:, 1:]) ** 2 + (1 - z[:, :-1]) ** 2
    q = 1 + terms.sum(axis=1)
    return np.stack([first, q * (1 - (first / q) ** 2)], axis=1)


def problem(name: str) -> Any:
    """Return a pair of tasks as DDMTOLab's MTOP, with its misplaced bracket in CIMS put right."""
    from ddmtolab.Problems.MTMO.cec17_mtmo import CEC17MTMO

    pair = getattr(CEC17MTMO(), f"P{PROBLEMS.index(name) + 1}")()
    if name == "CIMS":
        pair.tasks[0]["objective"].func = _cims_1
    return pair


def _run_ddmtolab(algorithm: str, pair: Any, evaluations: int) -> list[Populations]:
    """Return the objectives of both tasks' populations, generation by generation."""
    made = getattr(fast_peers.module(algorithm), algorithm)
    run = made(pair, n=INDIVIDUALS, max_nfes=evaluations // 2, save_data=False)
    return run.optimize().all_objs


def _pymoo_task(pair: Any, task: int) -> Any:
    """Wrap a task as a problem of pymoo's, with genes in [0, 1]."""
    from pymoo.core.problem import Problem

    low, high = (np.ravel(bound) for bound in pair.bounds[task])
    evaluate = pair.tasks[task]["objective"].func

    class Task(Problem):
        def _evaluate(self, x: np.ndarray, out: dict, *args: Any, **kwargs: Any) -> None:
            out["F"] = evaluate(low + x * (high - low))

    return Task(n_var=pair.dims[task], n_obj=pair.n_objs[task], xl=0.0, xu=1.0)


def _run_pymoo(pair: Any, task: int, size: int, evaluations: int, seed: int) -> Populations:
    """Return the objectives of one task's populations, generation by generation."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.callback import Callback
    from pymoo.optimize import minimize

    populations: Populations = []

    class Keep(Callback):
        def notify(self, algorithm: Any) -> None:
            populations.append(algorithm.pop.get("F"))

    end = ("n_eval", evaluations)
    minimize(_pymoo_task(pair, task), NSGA2(size), end, seed=seed, callback=Keep())
    return populations


def run(algorithm: str, name: str, seed: int, evaluations: int, as_shipped: bool) -> dict[str, Any]:
    """Run an algorithm on a pair of tasks, and return what its file holds."""
    prepared(as_shipped)
    pair = problem(name)
    fast_peers.seed(seed)
    start = time.perf_counter()
    if algorithm == "NSGA2":
        half = evaluations // 2
        history = [_run_pymoo(pair, t, INDIVIDUALS, half, 2 * seed + t) for t in (0, 1)]
    else:
        history = _run_ddmtolab(algorithm, pair, evaluations)
    seconds = time.perf_counter() - start
    generations = len(history[0])
    kept = np.arange(1, CHECKPOINTS + 1) * generations // CHECKPOINTS
    content: dict[str, Any] = {
        "algorithm": algorithm,
        "problem": name,
        "seed": seed,
        "as_shipped": as_shipped,
        "seconds": seconds,
        "evaluations": sum(len(one) for task in history for one in task),
        "checkpoints": kept * 2 * INDIVIDUALS,
    }
    for t, populations in enumerate(history):
        content[f"objectives_{t}"] = np.asarray(populations[-1])
        content[f"history_{t}"] = np.stack([populations[i - 1] for i in kept])
    return content


@cache
def prepared(as_shipped: bool) -> None:
    """Patch this process, or not, and compile what has to be compiled."""
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    if as_shipped:
        fast_peers.unpatch()
        fast_peers.seed_tournaments()
        return
    fast_peers.patch()
    fast_peers.fast.spea2_truncation(np.random.default_rng(0).random((9, 2)), 4)
    for algorithm in fast_peers.ALGORITHMS:
        _run_ddmtolab(algorithm, problem("CIHS"), 8 * INDIVIDUALS)


def _save(path: Path, content: dict[str, Any]) -> None:
    """Write a file aside and rename it, so that it is whole or not there."""
    aside = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    np.savez_compressed(aside, **content)
    aside.replace(path)


def _job(job: tuple[Path, str, str, int, int, bool]) -> str:
    path = job[0]
    if path.exists():
        return f"{path.stem}: there already"
    content = run(*job[1:])
    _save(path, content)
    return f"{path.stem}: {content['seconds']:.1f} s for {content['evaluations']} evaluations"


def run_all(chosen: argparse.Namespace) -> None:
    """Run every algorithm on every problem for one seed after the other, saving each run."""
    folder = Path(chosen.folder)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        (folder / f"{a}-{p}-{s}.npz", a, p, s, chosen.evaluations, chosen.as_shipped)
        for s in chosen.seeds
        for a in chosen.algorithms
        for p in chosen.problems
    ]
    if chosen.workers == 1:
        for job in jobs:
            print(_job(job), flush=True)
        return
    with multiprocessing.get_context("spawn").Pool(chosen.workers) as pool:
        for line in pool.imap_unordered(_job, jobs):
            print(line, flush=True)
        pool.close()
        pool.join()


def _timed(call: Callable[[], Iterable[Any]]) -> dict[str, float]:
    start, processor = time.perf_counter(), time.process_time()
    history = list(call())
    seconds, processor = time.perf_counter() - start, time.process_time() - processor
    return {
        "evaluations": sum(len(one) for one in history),
        "seconds": round(seconds, 3),
        "processor_seconds": round(processor, 3),
    }


def speed(evaluations: int = 20_000) -> dict[str, dict[str, float]]:
    """Time the libraries as shipped on CIHS.

    DDMTOLab has 100 individuals for each of the two tasks, pymoo 200 on task 1 alone. Where
    processor_seconds are fewer than seconds, other programs had the processor in between.
    """
    prepared(True)
    pair = problem("CIHS")
    _run_ddmtolab("MO_MFEA", pair, 4 * INDIVIDUALS)
    _run_pymoo(pair, 0, 2 * INDIVIDUALS, 4 * INDIVIDUALS, 0)
    fast_peers.seed(0)
    found = {"pymoo NSGA2": _timed(lambda: _run_pymoo(pair, 0, 2 * INDIVIDUALS, evaluations, 0))}
    for algorithm in ("MO_MFEA", "MO_MFEA_II"):
        found[f"DDMTOLab {algorithm}"] = _timed(
            lambda a=algorithm: chain.from_iterable(_run_ddmtolab(a, pair, evaluations))
        )
    return found


def _range(text: str) -> list[int]:
    """Read 3, 0-4 or 0,2,5-9 as a list of seeds."""
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the peers on CEC2017.")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=ALGORITHMS)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=PROBLEMS)
    parser.add_argument("--seeds", type=_range, default="0-19", help="3, 0-4 or 0,2,5-9")
    parser.add_argument("--evaluations", type=int, default=200_000, help="of a pair of tasks")
    parser.add_argument("--folder", default="cec17-peers", help="where the files go")
    parser.add_argument("--as-shipped", action="store_true", help="without the compiled helpers")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--speed", action="store_true", help="only time the libraries as shipped")
    chosen = parser.parse_args()
    if chosen.speed:
        print(json.dumps(speed(min(chosen.evaluations, 20_000)), indent=1))
    else:
        run_all(chosen)


if __name__ == "__main__":
    main()
