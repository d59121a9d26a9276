"""CEC2017, multi-objective multitask: every strategy and the peers on nine pairs of tasks.

    python -m benchmarks.cec17 --short                      two minutes, our strategies alone
    python -m benchmarks.cec17 --seeds 20 --folder FOLDER   in full

FOLDER keeps what was run, so that a killed call goes on where it was. The peers' runs come from
`benchmarks.cec17.peers` with the same folder, in an environment of their own; all are measured by
the same code. Prints the table, writes `results/cec17.json` and draws `results/cec17.png`.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from sosjax.problems import CEC17, cec17

from ..record import RESULTS, record
from .curves import draw
from .ours import ABLATIONS, CONTESTANTS, run
from .table import Runs, peers_runs, print_table, summary


def main() -> None:
    """Run what is missing, then tell about everything."""
    asked = _asked()
    seeds = np.arange(asked.seeds)
    runs: Runs = {}
    contestants = CONTESTANTS | (ABLATIONS if asked.ablations else {})
    for name in asked.algorithms or contestants:
        for problem in asked.problems:
            runs[name, problem] = _kept(asked, name, problem, seeds)
    if asked.folder:
        runs |= peers_runs(asked.folder / "peers", asked.problems, asked.evaluations)
    print_table(runs, asked.problems)
    content = {"evaluations": asked.evaluations, "seeds": asked.seeds, **summary(runs)}
    print(record(asked.name, content, ("evosax",)))
    draw(runs, asked.problems, RESULTS / f"{asked.name}.png")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=200_000, help="of a pair of tasks")
    parser.add_argument("--problems", nargs="+", choices=CEC17, default=list(CEC17))
    parser.add_argument("--algorithms", nargs="+", choices=[*CONTESTANTS, *ABLATIONS])
    parser.add_argument("--ablations", action="store_true", help="also run ours with parts off")
    parser.add_argument("--folder", type=Path, help="keeps runs; the peers' lie in its peers/")
    parser.add_argument("--short", action="store_true", help="3 seeds, 20,000 evaluations, 2 pairs")
    parser.add_argument("--name", default="cec17", help="of the files in results/")
    asked = parser.parse_args()
    if asked.short:
        asked.seeds, asked.evaluations, asked.problems = 3, 20_000, ["CIHS", "PILS"]
        asked.name = "cec17_short"
    return asked


def _kept(
    asked: argparse.Namespace, name: str, problem: str, seeds: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the runs of one strategy on one problem, from the folder or run now."""
    place = None
    if asked.folder:
        asked.folder.mkdir(parents=True, exist_ok=True)
        label = f"{name}-{problem}-{len(seeds)}-{asked.evaluations}".replace(" ", "_")
        place = asked.folder / f"{label}.npz"
        if place.exists():
            return dict(np.load(place))
    start = time.perf_counter()
    found = run((CONTESTANTS | ABLATIONS)[name], cec17(problem), seeds, asked.evaluations)
    seconds = time.perf_counter() - start
    print(
        f"{name:22}{problem:6}{len(seeds)} seeds in {seconds:.1f} s, compilation included",
        flush=True,
    )
    if place:
        aside = place.with_suffix(".part.npz")
        np.savez_compressed(aside, allow_pickle=False, **found)
        aside.replace(place)
    return found


if __name__ == "__main__":
    main()
