"""What does recovering a whole front cost, beside recovering one member of it?

    python -m benchmarks.recovery_cost --members 20

Searches one task with the example's settings, takes that many members of its front, spread evenly
over the logarithm of their parameters, and recovers, in one process and one after the other: the
member of median size alone, then all of them together, then every one of them alone, each as small
as it is. Every member takes the same number of gradient steps in all: none rests early. That the
work is the same is checked by the members, which must come to nearly the same validation errors;
not to the last bit, since they are trained in wider arrays, padded with zeros, beside others. A
first recovery of one epoch, which is not timed, pays for what is made ready once in a process.

Seconds include compiling; what JAX reports of lowering and compiling is told beside them, added up
over the programs that run side by side. Its cache of compiled programs is off. Writes
`results/recovery_cost.json`.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import jax
import numpy as np

import sosjax
from sosjax import Member, Recovery
from sosjax.cli._config import example_text, parse_config
from sosjax.cli._programs import Compiling
from sosjax.recover._bucket import buckets
from sosjax.recover._case import Case, FineTuned
from sosjax.recover._fine_tune import fine_tune
from sosjax.recover._sample import evenly
from sosjax.recover._workers import workers
from sosjax.search._problem import Problem
from sosjax.training._orders import steps

from .record import record

NEARLY = 0.02
"""Validation errors of the same member may differ by so much: a few of some hundred examples."""


def timed(
    problem: Problem, members: Sequence[Member], recovery: Recovery, compiling: Compiling
) -> tuple[list[FineTuned], dict[str, float]]:
    """Recover members; return what became of them and the seconds."""
    cases = [Case(0, member) for member in members]
    start, before = time.perf_counter(), compiling.seconds
    tuned = fine_tune(problem, cases, recovery)
    whole, made = time.perf_counter() - start, compiling.seconds - before
    return tuned, {"all": round(whole, 2), "compiling": round(made, 2)}


def same(alone: Sequence[FineTuned], front: Sequence[FineTuned]) -> None:
    """Refuse members that came to other errors alone than in the front.

    Raises:
      SystemExit: they did, on average.
    """
    pairs = zip(alone, front, strict=True)
    apart = float(np.mean([abs(one.after - other.after) for one, other in pairs]))
    if apart > NEARLY:
        raise SystemExit(f"The same members came to errors {apart:.3f} apart: other work was done.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--members", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=Recovery().epochs)
    parser.add_argument("--generations", type=int, help="of the search, fewer for a trial")
    asked = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    config = parse_config(example_text(), Path.cwd(), "the example")
    jat, data, tasks = config.load()
    settings = config.settings
    if asked.generations is not None:
        settings = replace(settings, generations=asked.generations)
    tasks = tasks[:1]
    found = sosjax.search(jat, data, tasks, (), settings).tasks[0].members
    chosen = evenly([member.scores.parameters for member in found], asked.members)
    members = [found[row] for row in sorted(chosen)]
    median = len(members) // 2
    recovery = replace(Recovery(), epochs=asked.epochs, patience=asked.epochs)
    problem, compiling = Problem(jat, data, tasks, settings), Compiling()
    timed(problem, [members[median]], replace(recovery, epochs=1, patience=1), compiling)
    (alone,), one = timed(problem, [members[median]], recovery, compiling)
    front, whole = timed(problem, members, recovery, compiling)
    each, seconds = zip(
        *(timed(problem, [member], recovery, compiling) for member in members), strict=True
    )
    same([own for (own,) in each], front)
    one_by_one = {name: round(sum(found[name] for found in seconds), 2) for name in whole}
    masks = [member.masks for member in members]
    taken = recovery.epochs * steps(problem.training(None), recovery)
    classes, most = len(tasks[0].classes), recovery.together
    examples = 3.0 * taken * recovery.batch
    sorted_in = buckets(jat.graph, masks, classes, examples, most, workers(), taken)
    content = {
        "command": f"python -m benchmarks.recovery_cost --members {asked.members}",
        "seed": settings.seed,
        "device": jax.devices()[0].device_kind,
        "recovery": asdict(recovery),
        "parameters": [member.scores.parameters for member in members],
        "side_by_side": workers(),
        "buckets": len(sorted_in),
        "one": one | {"parameters": members[median].scores.parameters},
        "front": whole | {"members": len(members)},
        "one_by_one": one_by_one | {"members": len(members)},
        "ratio": round(whole["all"] / one["all"], 2),
        "ratio_to_one_by_one": round(whole["all"] / one_by_one["all"], 2),
        "errors_of_the_one": {
            "before": alone.before,
            "alone": alone.after,
            "in_the_front": front[median].after,
        },
        "mean_error": {
            "before": float(np.mean([one.before for one in front])),
            "after": float(np.mean([one.after for one in front])),
        },
    }
    for name in ("one", "front", "one_by_one"):
        print(f"{name:<10} {content[name]}")
    apart = content["ratio_to_one_by_one"]
    print(
        f"the front costs {content['ratio']} times the one, and {apart} of all of them one by one"
    )
    print(record("recovery_cost", content, ("optax",)))


if __name__ == "__main__":
    main()
