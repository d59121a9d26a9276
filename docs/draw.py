"""Draw the pictures of the guides from the run folder of `sosjax demo` and what it searched.

sosjax demo --out demo && python docs/draw.py demo
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

import sosjax
from sosjax.sets import At, Best, Knee, Weighted

FOLDER = Path(__file__).parent / "pictures"
KEPT, GONE, OWN, LIMIT, QUIET = "#3f51b5", "#e3e6f2", "#3f51b5", "#c62828", "#8a8f98"
COLOURS = {"tops": "#3f51b5", "accessories": "#c77700", "long": "#2e7d32", "summer": "#a0307a"}
STYLE = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "sosjax",
}


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    sets, jat = sosjax.load_sets(run), sosjax.fashion_resnet()
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    plt.rcParams.update(STYLE)
    keep("masks", masks(jat, sets))
    keep("sets", fronts(sets))
    keep("environments", environments(sets))
    keep("loop", loop(sets))
    keep("search", progress([line for line in lines if "generation" in line]))
    keep("preferences", preferences(sets))


def keep(name: str, figure: plt.Figure) -> None:
    """Write a figure, the same bytes for the same numbers."""
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    print(FOLDER / f"{name}.svg")


def masks(jat: sosjax.Jat, sets: sosjax.SetOfSets) -> plt.Figure:
    """Draw every unit of every group, in the Jack and in one member."""
    chosen = [sets.select("tops", "watch"), sets.select("accessories", "watch")]
    figure, rows = plt.subplots(1, 3, figsize=(9, 3.6), layout="constrained")
    jack = sets.task("tops").jack
    whole = [np.ones(size, bool) for size in jat.graph.sizes]
    titles = ["the Jack", *(f"a member for {one.task}" for one in chosen)]
    parameters = [jack.parameters, *(one.scores.parameters for one in chosen)]
    for axes, title, count, kept in zip(
        rows, titles, parameters, [whole, *(one.masks for one in chosen)], strict=True
    ):
        top = 0
        for mask in kept:
            size, tall = len(mask), len(mask) // 16
            for unit in range(size):
                place = (unit // tall, -top - unit % tall)
                colour = KEPT if mask[unit] else GONE
                axes.add_patch(Rectangle(place, 0.8, 0.8, color=colour, linewidth=0))
            axes.text(16.4, -top - (tall - 1.8) / 2, f"{int(mask.sum())} of {size}", va="center")
            top += tall + 1
        axes.set(xlim=(0, 21), ylim=(-top + 1, 1.2), aspect="equal")
        axes.axis("off")
        axes.set_title(f"{title}\n{count:,} parameters", fontsize=10)
    return figure


def fronts(sets: sosjax.SetOfSets) -> plt.Figure:
    """Draw one set for each task."""
    figure, grid = plt.subplots(2, 2, figsize=(8, 5.6), sharex=True, layout="constrained")
    for axes, task in zip(grid.flat, sets.tasks, strict=True):
        uniform = np.array(sorted((one.parameters, one.test_error) for one in task.uniform))
        own = np.array([(m.scores.parameters, m.scores.test_error) for m in task.members])
        axes.plot(uniform[:, 0], 100 * uniform[:, 1], color=QUIET, lw=1, label="uniform cuts")
        axes.plot(
            own[:, 0], 100 * own[:, 1], "o", color=OWN, ms=4, label=f"members ({len(own)} here)"
        )
        jack = task.jack
        axes.plot(jack.parameters, 100 * jack.test_error, "*", color="black", ms=10, label="Jack")
        axes.set_xscale("log")
        axes.grid(color="#eeeeee")
        axes.set_title(f"{task.name}: {len(task.classes)} classes", fontsize=10)
        axes.legend(frameon=False, fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("parameters")
    for axes in grid[:, 0]:
        axes.set_ylabel("test error, %")
    return figure


def environments(sets: sosjax.SetOfSets) -> plt.Figure:
    """Draw the same members three times, each time by the cost that an environment limits."""
    figure, row = plt.subplots(1, 3, figsize=(9, 3), sharey=True, layout="constrained")
    members = sets.task("tops").members
    for axes, environment in zip(row, sets.environments, strict=True):
        ((cost, limit),) = environment.limits.items()
        points = np.array(
            [(m.scores.costs[cost], 100 * m.scores.validation_error) for m in members]
        )
        inside = points[:, 0] <= limit
        axes.plot(*points[inside].T, "o", color=OWN, ms=4)
        axes.plot(*points[~inside].T, "o", color="#c9cbd2", ms=4)
        chosen = sets.select("tops", environment).scores
        place = (chosen.costs[cost], 100 * chosen.validation_error)
        axes.plot(*place, "o", mfc="none", mec="black", ms=10)
        axes.axvline(limit, color=LIMIT, lw=1)
        axes.set_xscale("log")
        axes.set_xlabel("FLOPs" if cost == "flops" else cost)
        unit = "FLOPs" if cost == "flops" else cost
        axes.set_title(f"{environment.name}: at most {limit:,.0f} {unit}", fontsize=9.5)
        axes.grid(color="#eeeeee")
    row[0].set_ylabel("validation error, %")
    return figure


def loop(sets: sosjax.SetOfSets) -> plt.Figure:
    """Draw what a generation does."""
    population = sets.facts["population"]
    count = population * len(sets.tasks)
    boxes = [
        ("genotypes", f"{count} a generation,\n{population} for each task"),
        ("masks", "6 keep ratios over a\nranking of the units"),
        ("networks", "the Jack's weights,\nshared by all"),
        ("costs", "error on search data,\nparameters"),
        ("survivors", "a front for\neach task"),
    ]
    figure, axes = plt.subplots(figsize=(9, 2.5), layout="constrained")
    for number, (title, text) in enumerate(boxes):
        left = 2.0 * number
        box = FancyBboxPatch(
            (left, 0), 1.55, 1, boxstyle="round,pad=0.05", fc="#f3f4fb", ec=OWN, lw=1
        )
        axes.add_patch(box)
        axes.text(left + 0.775, 0.76, title, ha="center", va="center", weight="bold")
        axes.text(left + 0.775, 0.3, text, ha="center", va="center", fontsize=8.5)
        if number:
            arrow = ((left - 0.37, 0.5), (left - 0.06, 0.5))
            axes.add_patch(FancyArrowPatch(*arrow, arrowstyle="-|>", mutation_scale=12, color=OWN))
    back = FancyArrowPatch(
        (8.775, -0.08),
        (0.775, -0.08),
        connectionstyle="arc,angleA=-90,angleB=-90,armA=25,armB=25,rad=8",
        arrowstyle="-|>",
        mutation_scale=12,
        color=OWN,
    )
    axes.add_patch(back)
    text = "parents mate within a task and across tasks: what one has learnt, the others may try"
    axes.text(4.775, -0.6, text, ha="center", va="center", fontsize=9)
    axes.set(xlim=(-0.1, 9.7), ylim=(-0.75, 1.12))
    axes.axis("off")
    return figure


def progress(lines: list[dict]) -> plt.Figure:
    """Draw how the front of each task grows."""
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    steps = [line["evaluations"] for line in lines]
    for name, colour in COLOURS.items():
        values = [line["hypervolume"][name] for line in lines]
        axes.plot(steps, values, color=colour, lw=1.8)
        axes.annotate(
            name, (steps[-1], values[-1]), (6, 0), textcoords="offset points", va="center"
        )
    axes.set(xlabel="evaluations, of all tasks together", ylabel="hypervolume on search data")
    axes.set_xlim(0, steps[-1] * 1.16)
    axes.grid(color="#eeeeee")
    return figure


def preferences(sets: sosjax.SetOfSets) -> plt.Figure:
    """Draw what each preference takes from the same set."""
    name = "tops"
    members = sets.task(name).members
    figure, axes = plt.subplots(figsize=(7, 3.8), layout="constrained")
    points = np.array([(m.scores.flops, 100 * m.scores.validation_error) for m in members])
    axes.plot(*points.T, "o", color="#b9c0e6", ms=5)
    cheapest, best = points[points[:, 0].argmin()], points[points[:, 1].argmin()]
    axes.plot(*np.array([cheapest, best]).T, color=QUIET, lw=1, ls="--")
    wishes = {
        "Best()": (Best(), (0, 10)),
        'Knee("flops")': (Knee("flops"), (-8, -16)),
        'Weighted({"error": 2, "flops": 1})': (Weighted({"error": 2, "flops": 1}), (10, 12)),
        'At("flops", 500_000)': (At("flops", 500_000), (10, 12)),
    }
    for text, (wish, shift) in wishes.items():
        scores = sets.select(name, prefer=wish).scores
        place = (scores.flops, 100 * scores.validation_error)
        axes.plot(*place, "o", color=OWN, ms=7)
        side = "right" if shift[0] < 0 else "center" if shift[0] == 0 else "left"
        axes.annotate(text, place, shift, textcoords="offset points", ha=side, fontsize=9)
    axes.set_xscale("log")
    axes.set(xlabel="FLOPs for one image", ylabel="validation error, %")
    axes.grid(color="#eeeeee")
    return figure


if __name__ == "__main__":
    main()
