"""The picture of the text benchmark."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np


def draw(rows: dict[str, dict[str, Any]], path: Path) -> None:
    """Draw test error over FLOPs, a panel for each task.

    Args:
      rows: of `benchmarks.text`, by task.
      path: of the picture.
    """
    columns = 4
    lines = -(-len(rows) // columns)
    figure, panels = plt.subplots(
        lines, columns, figsize=(3.2 * columns, 2.6 * lines), squeeze=False
    )
    for panel in panels.flat[len(rows) :]:
        panel.axis("off")
    for (name, row), panel in zip(rows.items(), panels.flat, strict=False):
        dense = row["jack"]["flops"]
        for key, label, style in (
            ("uniform_front", "uniform shares", "C7x--"),
            ("front", "Set of Sets", "C0o-"),
        ):
            points = np.array(sorted(row[key]))
            panel.plot(points[:, 0] / dense, 100 * points[:, 2], style, label=label, markersize=4)
        panel.axhline(100 * row["jack"]["test_error"], color="C3", linewidth=1, label="the Jack")
        panel.axvline(0.5, color="0.8", linewidth=1, zorder=0)
        after = (row["half"] or {}).get("recovered")
        if after is not None:
            place = (row["half"]["share"], 100 * after["test_error"])
            panel.plot(*place, "C2*", markersize=11, label="half, recovered")
        panel.set_xscale("log")
        panel.set_title(f"{name}, {row['classes']} classes", fontsize=9)
        panel.tick_params(labelsize=7)
    for panel in panels[:, 0]:
        panel.set_ylabel("test error, %", fontsize=8)
    for panel in panels[-1]:
        panel.set_xlabel("share of the Jack's FLOPs", fontsize=8)
    found = {
        label: handle
        for panel in panels.flat
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(found.values(), found.keys(), loc="lower center", ncols=4, fontsize=8)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)
