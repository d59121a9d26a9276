"""The convergence curves of the CEC2017 benchmark."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from .table import Runs


def draw(runs: Runs, problems: Sequence[str], path: Path) -> None:
    """Draw the median IGD over evaluations, a panel for each task."""
    # Random search would squeeze all others into a corner.
    names = list(dict.fromkeys(name for name, _ in runs if name != "random"))
    colours = {name: f"C{index % 10}" for index, name in enumerate(names)}
    figure, panels = plt.subplots(
        2, len(problems), figsize=(2.6 * len(problems), 5.6), sharex=True, squeeze=False
    )
    for column, problem in enumerate(problems):
        for task in (0, 1):
            panel = panels[task, column]
            for name in names:
                if (name, problem) in runs:
                    found = runs[name, problem]
                    median = np.median(found["history"][..., task], 0)
                    ours = not name.startswith(("DDMTOLab", "pymoo"))
                    style = "-" if ours else "--"
                    width = 2.2 if name == names[0] else 1.0
                    panel.plot(
                        found["checkpoints"] / 1000,
                        median,
                        style,
                        color=colours[name],
                        linewidth=width,
                        label=name,
                    )
            panel.set_yscale("log")
            panel.set_title(f"{problem}-{task + 1}", fontsize=9)
            panel.tick_params(labelsize=7)
    panels[0, 0].set_ylabel("median IGD")
    panels[1, 0].set_ylabel("median IGD")
    for panel in panels[1]:
        panel.set_xlabel("thousand evaluations", fontsize=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=min(len(labels), 6), fontsize=8)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
