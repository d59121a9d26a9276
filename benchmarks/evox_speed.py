"""How fast EvoX's NSGA-II goes through generations on this machine: the GPL peer, timed apart.

    python benchmarks/evox_speed.py --threads 1

Runs in an environment of its own (evox 1.4.0, torch, a C++ compiler); nothing of EvoX's (GPL-3.0)
is imported by sosjax or copied. Minimises task 1 of CEC2017's CIHS (50 genes, 2 objectives, genes
mapped to [0, 1]) with 1,000 and 10,000 individuals in float32, eagerly and through
`evox.core.compile`, each in a process of its own. From random genes on two generations go before
the clock starts, so neither compiling nor the first allocations count; early generations have many
fronts and are EvoX's slowest.

Prints JSON: per size and mode the generations timed, their seconds, the generations per second, and
the seconds before the clock started. Where processor_seconds (of all threads) are fewer than the
seconds, other programs had the processor in between. Where --limit seconds were over before one
generation was timed, there is no rate.
"""
# pyright: reportMissingImports=false

import argparse
import json
import subprocess
import sys
import time
from importlib import metadata
from typing import Any

GENES = 50
WARM_UP = 2


def workflow(size: int) -> Any:
    """Return EvoX's workflow with an evaluated random population."""
    import torch
    from evox.algorithms import NSGA2
    from evox.core import Problem
    from evox.workflows import StdWorkflow

    class CIHS1(Problem):
        def evaluate(self, pop: torch.Tensor) -> torch.Tensor:
            q = 1 + (200 * pop[:, 1:] - 100).square().sum(dim=1)
            angle = torch.pi / 2 * pop[:, 0]
            return torch.stack([q * torch.cos(angle), q * torch.sin(angle)], dim=1)

    torch.manual_seed(0)
    problem = CIHS1()
    made = StdWorkflow(NSGA2(size, 2, torch.zeros(GENES), torch.ones(GENES)), problem)
    # Not `init_step`: it would also rank, eagerly, for minutes; all start with equal ranks instead.
    made.algorithm.fit = problem.evaluate(made.algorithm.pop)
    return made


def timed(size: int, mode: str, budget: float, threads: int | None) -> None:
    """Time generations until the budget of seconds is spent; print the state after each."""
    import torch
    from evox.core import compile

    if threads:
        torch.set_num_threads(threads)
    run = workflow(size)
    step = compile(run.step) if mode == "compiled" else run.step
    start = time.perf_counter()
    for _ in range(WARM_UP):
        step()
    before = time.perf_counter() - start
    done, seconds = 0, 0.0
    start, processor = time.perf_counter(), time.process_time()
    while seconds < budget:
        step()
        done, seconds = done + 1, time.perf_counter() - start
        found = {
            "generations": done,
            "seconds": round(seconds, 3),
            "processor_seconds": round(time.process_time() - processor, 3),
            "generations_per_second": round(done / seconds, 4),
            "seconds_before": round(before, 1),
            "threads": torch.get_num_threads(),
        }
        print(json.dumps(found), flush=True)


def timed_alone(size: int, mode: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Time a size and a mode in a process of its own, stopped at the limit."""
    settings = ["--one", str(size), mode, "--budget", str(chosen.budget)]
    if chosen.threads:
        settings += ["--threads", str(chosen.threads)]
    child = subprocess.Popen(
        [sys.executable, __file__, *settings], stdout=subprocess.PIPE, text=True
    )
    try:
        output, _ = child.communicate(timeout=chosen.limit)
    except subprocess.TimeoutExpired:
        child.kill()
        output, _ = child.communicate()
    lines = [line for line in output.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"generations": 0, "stopped_after": chosen.limit}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time EvoX's NSGA-II.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--modes", nargs="+", default=["eager", "compiled"])
    parser.add_argument("--budget", type=float, default=8.0, help="seconds per size and mode")
    parser.add_argument("--limit", type=float, default=120.0, help="the same, with all before")
    parser.add_argument("--threads", type=int, help="of torch; its own choice if not given")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        timed(int(chosen.one[0]), chosen.one[1], chosen.budget, chosen.threads)
        return
    found: dict[str, Any] = {
        "versions": {name: metadata.version(name) for name in ("evox", "torch")}
    }
    for size in chosen.sizes:
        found[str(size)] = {mode: timed_alone(size, mode, chosen) for mode in chosen.modes}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
