"""The benchmark's tables, as text."""

from typing import Any

from ._flagship import REPORTED
from ._numbers import OURS


def show(summary: dict[str, Any], cost: str, seeds: list[dict[str, Any]]) -> None:
    """Print a table before and after recovery for the mean over tasks, and for every task.

    Args:
      summary: of `_numbers.summary`.
      cost: what errors are told at shares of.
      seeds: their records, for seconds.
    """
    for task in reversed(next(iter(summary["means"]["after"].values()))):
        for stage in summary["means"]:
            if task == "mean":
                _lines(summary, stage, task, cost, tests=True)
            elif stage == "after":
                _lines(summary, stage, task, cost, tests=False)
    _seconds(seeds)


def _lines(summary: dict[str, Any], stage: str, task: str, cost: str, tests: bool) -> None:
    names = [f"{cost} hypervolume", *(f"error at {share:.0%} of {cost}" for share in REPORTED)]
    title = f"{'mean over tasks' if task == 'mean' else task}, {stage} recovery"
    print(f"\n{title:<34}{'hypervolume':>17}" + "".join(f"{s:>14.0%}" for s in REPORTED), end="")
    print(f"{'p (hv)':>10}{'fewer errors at 5%, 10%':>26}" if tests else "")
    for method, tasks in summary["means"][stage].items():
        cells = [_cell(tasks[task][name], name == names[0]) for name in names]
        line = f"{method:<34}{cells[0]:>17}" + "".join(f"{cell:>14}" for cell in cells[1:])
        if tests and method != OURS:
            found = summary["tests"][stage][method]
            p = found[names[0]].get("p")
            line += f"{'-' if p is None else f'{p:.2g}':>10}"
            fewer = [found[f"error at {at} of {cost}"].get("reduction") for at in ("5%", "10%")]
            line += f"{', '.join('-' if one is None else f'{one:.0%}' for one in fewer):>26}"
        print(line)


def _cell(found: dict[str, Any], volume: bool) -> str:
    if found["mean"] is None:
        return "-"
    text = f"{found['mean']:.4f}" if volume else f"{100 * found['mean']:.2f}"
    if found["low"] is not None:
        half = (found["high"] - found["low"]) / 2
        text += f" +-{half:.4f}" if volume else f" +-{100 * half:.2f}"
    return text


def _seconds(seeds: list[dict[str, Any]]) -> None:
    print(f"\n{'mean over seeds':<34}{'search, s':>12}{'recovery, s':>14}{'recoveries':>12}")
    for method in seeds[0]["members"]:
        search, recovery, count = (
            [part.get(method) for part in parts]
            for parts in (
                [seed["seconds"]["search"] for seed in seeds],
                [seed["seconds"]["recovery"] for seed in seeds],
                [seed["recoveries"] for seed in seeds],
            )
        )
        cells = [_mean(search), _mean(recovery), _mean(count)]
        print(f"{method:<34}{cells[0]:>12}{cells[1]:>14}{cells[2]:>12}")


def _mean(values: list[Any]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.0f}" if known else "-"
