"""The table of the CEC2017 benchmark: means, spreads, significance, ranks, MSS."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import mannwhitneyu, rankdata

from sosjax.pareto import igd, legacy_igd, mean_standard_score, nondominated
from sosjax.problems import cec17

Runs = dict[tuple[str, str], dict[str, np.ndarray]]
"""For an algorithm and a problem `igd`, `legacy_igd` [S, T] and `history` [S, C, T]."""

OURS = "AdaptiveDE"
BASELINE = "NSGA-II"
LEVEL = 0.05


def peers_runs(folder: Path, problems: Sequence[str], evaluations: int) -> Runs:
    """Read the peers' files and measure their populations as ours are measured."""
    indicators = {"igd": jax.jit(igd), "legacy_igd": jax.jit(legacy_igd)}
    runs: Runs = {}
    for problem in problems:
        fronts = [jnp.asarray(cec17(problem).front(task), jnp.float32) for task in (0, 1)]
        files: dict[str, list[Path]] = {}
        for path in sorted(folder.glob(f"*-{problem}-*.npz"), key=_seed):
            files.setdefault(path.name.split("-")[0], []).append(path)
        for name, paths in files.items():
            found = [_measured(path, fronts, indicators) for path in paths]
            found = [one for one in found if one["evaluations"] == evaluations]
            if found:
                stacked = {key: np.stack([one[key] for one in found]) for key in found[0]}
                runs[_peer(name), problem] = stacked | {"checkpoints": found[0]["checkpoints"]}
    return runs


def _peer(name: str) -> str:
    return "pymoo NSGA-II" if name == "NSGA2" else f"DDMTOLab {name.replace('_', '-')}"


def _seed(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def _measured(path: Path, fronts: list[jax.Array], indicators: dict[str, Any]) -> dict[str, Any]:
    with np.load(path) as file:
        last = [_front(file[f"objectives_{task}"]) for task in (0, 1)]
        history = [[_front(one) for one in file[f"history_{task}"]] for task in (0, 1)]
        measured = {
            name: np.array([float(one(*pair)) for pair in zip(last, fronts, strict=True)])
            for name, one in indicators.items()
        }
        curves = [
            [float(indicators["igd"](costs, front)) for costs in task]
            for task, front in zip(history, fronts, strict=True)
        ]
        facts = {"evaluations": int(file["evaluations"]), "checkpoints": file["checkpoints"]}
    return measured | facts | {"history": np.array(curves).T}


def _front(population: np.ndarray) -> jax.Array:
    costs = jnp.asarray(population, jnp.float32)
    return jnp.where(nondominated(costs)[:, None], costs, jnp.inf)


def compared(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Return whether theirs are `+` significantly better, `-` worse, or `=` (Wilcoxon rank sum)."""
    if mannwhitneyu(ours, theirs).pvalue >= LEVEL:
        return "="
    return "+" if np.median(theirs) < np.median(ours) else "-"


def tasks_of(runs: Runs, problems: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Return for every task `PROBLEM-number` each algorithm's IGD [S]."""
    return {
        f"{problem}-{task + 1}": {
            name: found["igd"][:, task] for (name, where), found in runs.items() if where == problem
        }
        for problem in problems
        for task in (0, 1)
    }


def mean_ranks(runs: Runs, problems: Sequence[str]) -> dict[str, float]:
    """Return every algorithm's rank by mean IGD, averaged over the tasks."""
    tasks = tasks_of(runs, problems)
    names = list(next(iter(tasks.values())))
    means = np.array([[one[name].mean() for name in names] for one in tasks.values()])
    ranks = np.stack([rankdata(row) for row in means]).mean(0)
    return dict(zip(names, ranks.tolist(), strict=True))


def scores(runs: Runs, problems: Sequence[str]) -> dict[str, float]:
    """Return every algorithm's mean standard score over as many runs as all of them have."""
    tasks = tasks_of(runs, problems)
    names = list(next(iter(tasks.values())))
    count = min(len(row) for one in tasks.values() for row in one.values())
    values = [
        [[one[name][run] for one in tasks.values()] for run in range(count)] for name in names
    ]
    score = mean_standard_score(jnp.asarray(values))
    return dict(zip(names, np.asarray(score).tolist(), strict=True))


def summary(runs: Runs) -> dict[str, Any]:
    """Return everything of the table, ready for JSON."""
    problems = list(dict.fromkeys(problem for _, problem in runs))
    tasks = tasks_of(runs, problems)
    rows = {
        task: {
            name: {
                "runs": len(values),
                "mean": float(values.mean()),
                "std": float(values.std()),
                "median": float(np.median(values)),
                "mark": compared(one[OURS], values) if OURS in one else "",
            }
            for name, values in one.items()
        }
        for task, one in tasks.items()
    }
    legacy = {
        f"{problem}-{task + 1}": {
            name: float(found["legacy_igd"][:, task].mean())
            for (name, where), found in runs.items()
            if where == problem
        }
        for problem in problems
        for task in (0, 1)
    }
    return {
        "igd": rows,
        "legacy_igd_mean": legacy,
        "mean_rank": mean_ranks(runs, problems),
        "mean_standard_score": scores(runs, problems),
    }


def print_table(runs: Runs, problems: Sequence[str]) -> None:
    """Print the mean IGD of every task, and whether it differs significantly from ours."""
    told = summary(runs)
    ranks = told["mean_rank"]
    names = sorted(ranks, key=ranks.get)  # type: ignore[arg-type]
    print("mean IGD (spread); + better and - worse than AdaptiveDE, rank sum test, p < 0.05")
    print(" " * 8 + "".join(f"{name[-20:]:>21}" for name in names))
    for task, row in told["igd"].items():
        cells = [f"{row[n]['mean']:.4g} ({row[n]['std']:.2g}) {row[n]['mark']}" for n in names]
        print(f"{task:8}" + "".join(f"{cell:>21}" for cell in cells))
    for label, values in (("rank", ranks), ("MSS", told["mean_standard_score"])):
        print(f"{label:8}" + "".join(f"{values[name]:>21.2f}" for name in names))
    counts = [min(row[name]["runs"] for row in told["igd"].values()) for name in names]
    print(f"{'runs':8}" + "".join(f"{count:>21}" for count in counts))
