"""The benchmark's picture: error within budgets for every task, and bars for the mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from ._flagship import BUDGETS, REPORTED
from ._numbers import AFTER, CONTROLS, FIRST, OURS, STAGES, error_within, rows_of, scores_of

COLUMNS = 4
STYLES = {OURS: ("C0", "o-"), FIRST: ("skyblue", "o-")}
DASHED = (("navy", "s--"), ("purple", "D--"), ("teal", "o--"), ("olive", "o--"))
STYLES |= dict(zip(CONTROLS.values(), DASHED, strict=True))
MARKERS = "sD^vPX<>dhp"
COLOURS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "k", "gold")


def draw(seeds: Sequence[dict[str, Any]], cost: str, path: Path) -> None:
    """Draw the mean test error within each budget, before and after, and bars of their means.

    Args:
      seeds: records.
      cost: what budgets are shares of.
      path: of the PNG.
    """
    tasks, methods = list(seeds[0]["jack"]), list(seeds[0]["members"])
    lines = -(-len(tasks) // COLUMNS)
    columns = min(COLUMNS, len(tasks))
    columns += columns % 2
    figure = plt.figure(figsize=(3.6 * columns, 2.9 * (2 * lines + 1) + 0.6))
    grid = figure.add_gridspec(2 * lines + 1, columns)
    for half, stage in enumerate(STAGES):
        for place, task in enumerate(tasks):
            panel = figure.add_subplot(grid[half * lines + place // columns, place % columns])
            _front(panel, seeds, task, cost, stage)
            if place % columns == 0:
                panel.set_ylabel(f"test error {stage} recovery, %", fontsize=8)
        bars = figure.add_subplot(grid[2 * lines, half * columns // 2 : (half + 1) * columns // 2])
        _bars(bars, seeds, cost, stage)
    handles = [
        Line2D([], [], color=_style(methods, one)[0], marker=_style(methods, one)[1][0])
        for one in methods
    ]
    handles.append(Line2D([], [], color="k", lw=1, ls=":"))
    per_line = columns + 1
    figure.legend(handles, [*methods, "the Jack"], loc="lower center", ncols=per_line, fontsize=8)
    legend = 0.2 * (-(-len(handles) // per_line) + 1)
    figure.tight_layout(rect=(0, legend / figure.get_figheight(), 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def errors(
    seeds: Sequence[dict[str, Any]], method: str, task: str, cost: str, stage: str, budget: float
) -> float | None:
    """Return the mean over seeds of the test error within a budget; `None` if one has none."""
    found = [
        error_within(
            [scores_of(row, stage) for row in rows_of(seed, method, task, stage)],
            cost,
            budget * seed["jack"][task][cost],
        )
        for seed in seeds
    ]
    known = [one for one in found if one is not None]
    return float(np.mean(known)) if len(known) == len(found) else None


def _style(methods: Sequence[str], method: str) -> tuple[str, str]:
    others = [one for one in methods if one not in STYLES]
    if method in STYLES:
        return STYLES[method]
    place = others.index(method)
    return COLOURS[place % len(COLOURS)], f"{MARKERS[place % len(MARKERS)]}-"


def _front(panel: Axes, seeds: Sequence[dict[str, Any]], task: str, cost: str, stage: str) -> None:
    methods = list(seeds[0]["members"])
    for method in reversed(methods):
        if stage == "before" and method in AFTER:
            continue
        rows = [(one, errors(seeds, method, task, cost, stage, one)) for one in sorted(BUDGETS)]
        points = np.array([(100 * x, 100 * y) for x, y in rows if y is not None]).reshape(-1, 2)
        colour, style = _style(methods, method)
        ours = method == OURS
        panel.plot(
            *points.T, style, color=colour, markersize=5 if ours else 3, lw=2 if ours else 0.8
        )
    jack = float(np.mean([seed["jack"][task]["test_error"] for seed in seeds]))
    panel.axhline(100 * jack, color="k", lw=1, ls=":")
    panel.set_xscale("log")
    panel.set_xticks([100 * share for share in REPORTED])
    panel.set_xticklabels([f"{share:.0%}" for share in REPORTED])
    panel.minorticks_off()
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.tick_params(labelsize=7, which="both")
    panel.set_title(f"{task}, within shares of {cost}", fontsize=9)
    panel.grid(alpha=0.3)


def _bars(panel: Axes, seeds: Sequence[dict[str, Any]], cost: str, stage: str) -> None:
    every, tasks = list(seeds[0]["members"]), list(seeds[0]["jack"])
    methods = [one for one in every if not (stage == "before" and one in AFTER)]
    width = 0.85 / len(methods)
    for place, method in enumerate(methods):
        heights = []
        for share in REPORTED:
            each = [errors(seeds, method, task, cost, stage, share) for task in tasks]
            known = [one for one in each if one is not None]
            whole = len(known) == len(tasks)
            heights.append(100 * float(np.mean(known)) if whole else np.nan)
        at = np.arange(len(REPORTED)) + width * (place - (len(methods) - 1) / 2)
        panel.bar(at, heights, width, color=_style(every, method)[0])
    panel.set_xlim(-0.5, len(REPORTED) - 0.5)
    panel.set_xticks(range(len(REPORTED)), [f"{share:.0%}" for share in REPORTED])
    panel.set_title(f"mean over tasks, {stage} recovery", fontsize=9)
    panel.set_ylabel("test error, %", fontsize=8)
    panel.tick_params(labelsize=7)
    panel.grid(alpha=0.3, axis="y")
