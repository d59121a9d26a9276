"""What transfer is worth, over a dial of how related the tasks are.

    python -m benchmarks.relatedness

Six tasks with six landscapes (`sosjax.problems.related_tasks`) whose optima are anywhere (0), move
together (1/2) or coincide (1). Each strategy runs with and without transfer at the same budget; the
number told is the median, over seeds, of the IGD with transfer divided by that without: below 1
transfer helps. Writes `results/relatedness.json`.
"""

import argparse
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from sosjax.problems import related_tasks
from sosjax.strategies import MOMFEA, MOMFEA2, NSGA2, AdaptiveDE

from .cec17.ours import Contestant, run
from .record import record

DIAL = (0.0, 0.5, 1.0)
TASKS = 6
OPERATORS = (("crossover_eta", 2.0), ("mutation_eta", 5.0))
# MO-MFEA without transfer: with an rmp of 0 it would also cross less within its tasks.
ALONE = Contestant(NSGA2, OPERATORS, separate=True)
PAIRS = {
    "AdaptiveDE": (Contestant(AdaptiveDE), Contestant(AdaptiveDE, (("transfer", 0.0),))),
    "MO-MFEA": (Contestant(MOMFEA, (*OPERATORS, ("rmp", 0.3))), ALONE),
    "MO-MFEA-II": (Contestant(MOMFEA2, OPERATORS), ALONE),
}
LEVEL = 0.05


def compared(shared: np.ndarray, alone: np.ndarray) -> dict[str, Any]:
    """Return for IGD [S, T] the ratio of medians of each task, and on how many it differs."""
    better = worse = 0
    for one, other in zip(shared.T, alone.T, strict=True):
        if mannwhitneyu(one, other).pvalue < LEVEL:
            better += int(np.median(one) < np.median(other))
            worse += int(np.median(one) > np.median(other))
    ratios = np.median(shared, 0) / np.median(alone, 0)
    return {"ratios": np.round(ratios, 4).tolist(), "better": better, "worse": worse}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int, default=180_000, help="of the six tasks")
    asked = parser.parse_args()
    seeds, found = np.arange(asked.seeds), {}
    print(f"{'strategy':12}{'dial':>5}  IGD with transfer / without, of each task   better worse")
    for dial in DIAL:
        problem = related_tasks(TASKS, dial)
        igds: dict[Contestant, np.ndarray] = {}
        for name, pair in PAIRS.items():
            for one in pair:
                if one not in igds:
                    igds[one] = run(one, problem, seeds, asked.evaluations)["igd"]
            told = compared(igds[pair[0]], igds[pair[1]])
            found[f"{name}, {dial}"] = told
            cells = "".join(f"{ratio:7.2f}" for ratio in told["ratios"])
            print(f"{name:12}{dial:5}  {cells}   {told['better']:5} {told['worse']:5}", flush=True)
    content = {"seeds": asked.seeds, "evaluations": asked.evaluations, "compared": found}
    print(record("relatedness", content))


if __name__ == "__main__":
    main()
