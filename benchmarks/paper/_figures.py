"""The paper's two kinds of figures: fronts beside the Jack, and hypervolume over generations."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MARKERS = "osD^vPX*"


def draw_front(
    path: Path,
    title: str,
    fronts: Mapping[str, np.ndarray],
    jack: tuple[float, float],
    ylabel: str,
) -> None:
    """Draw the members of one task's sets, and the Jack, as score over size.

    Args:
      path: the PNG.
      title: the task.
      fronts: for each kind of set its members [M, 2]: size in MB and score.
      jack: size in MB and score of the whole network.
      ylabel: what the score is, and its unit.
    """
    figure, panel = plt.subplots(figsize=(5.2, 3.8))
    for index, (label, members) in enumerate(fronts.items()):
        rows = np.asarray(members, float).reshape(-1, 2)
        rows = rows[np.argsort(rows[:, 0])]
        marker = MARKERS[index % len(MARKERS)]
        panel.plot(*rows.T, f"-{marker}", color=f"C{index}", markersize=4, lw=0.8, label=label)
    panel.plot(*jack, "k*", markersize=12, label="the Jack")
    panel.axhline(jack[1], color="k", lw=0.6, ls=":")
    sizes = [jack[0], *(size for members in fronts.values() for size, _ in members)]
    # Within a decade a logarithmic axis has ticks that run into each other.
    panel.set_xscale("log" if max(sizes) >= 10 * min(sizes) else "linear")
    panel.set_xlabel("size [MB], 16 bit for each parameter")
    panel.set_ylabel(ylabel)
    _finish(figure, panel, path, title)


def draw_hypervolumes(path: Path, title: str, curves: Mapping[str, np.ndarray]) -> None:
    """Draw the mean hypervolume over generations, and a band from the least to the most.

    Args:
      path: the PNG.
      title: the task.
      curves: for each kind of search [seeds, generations].
    """
    figure, panel = plt.subplots(figsize=(5.2, 3.8))
    for index, (label, values) in enumerate(curves.items()):
        rows = np.atleast_2d(np.asarray(values, float))
        generations = np.arange(rows.shape[1])
        panel.plot(generations, rows.mean(0), color=f"C{index}", lw=1.4, label=label)
        panel.fill_between(
            generations, rows.min(0), rows.max(0), color=f"C{index}", alpha=0.2, lw=0
        )
    panel.set_xlabel("generation")
    panel.set_ylabel("hypervolume")
    _finish(figure, panel, path, title)


def _finish(figure: Figure, panel: Axes, path: Path, title: str) -> None:
    panel.set_title(title, fontsize=10)
    panel.legend(fontsize=7)
    panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
