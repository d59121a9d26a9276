"""The plots of a run as PNG files for papers; the only file that knows matplotlib."""

import importlib
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .._errors import InputError, require
from .._files import write_whole
from ._measure import Measure, measures
from ._number import MEASURES, UNITS, brief
from ._result import COSTS, Member, Result, Task, select

FOLDER = "figures"
OWN = "sosjax report"
"""What every figure says in its metadata."""

_WIDTH, _HEIGHT = 3.5, 2.6  # inches: a column of a paper
_MEMBER, _UNIFORM, _LIMIT, _COLOURS = (
    "#0072b2",
    "#d55e00",
    "#00795a",
    ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"),  # Okabe and Ito (2008)
)
_MARKS = "osD^vP"


def figures(result: Result) -> list[Path]:
    """Write the figures of a run into its folder `figures`: fronts, hypervolume, kept units.

    Raises:
      InputError: matplotlib is not installed; a figure cannot be written, or a file of its name is
        there that is none.
    """
    require(
        _installed(),
        "`--png` needs matplotlib, which is not installed: pip install 'sosjax[plots]'.",
    )
    folder = Path(result.folder) / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror or error}.") from None
    drawn = [(folder / f"{name}.png", figure) for name, figure in _figures(result)]
    for path, _ in drawn:
        require(
            not path.exists() or OWN.encode() in path.read_bytes()[:2000],
            f"{path} must be a figure of a report or not be there, got another file; it stays as "
            "it is.",
        )
    for path, figure in drawn:
        write_whole(path, _png(figure))
    return [path for path, _ in drawn]


def _installed() -> bool:
    try:
        importlib.import_module("matplotlib.figure")
    except ImportError:
        return False
    return True


def _figures(result: Result) -> Iterator[tuple[str, Any]]:
    known = measures(result)
    measure = next((one for one in known if one.key in result.objectives), known[0])
    for number, task in enumerate(result.tasks):
        name = _file_name(number, task)
        yield f"front-{name}", _front(result, task, measure)
        picks = _picks(result, task)
        if picks and result.groups:
            yield f"groups-{name}", _groups(result, task, picks)
    if result.curves:
        yield "hypervolume", _volume(result)


def _file_name(number: int, task: Task) -> str:
    name = re.sub(r"[^\w.-]+", "-", task.name).strip("-.")[:60]
    return f"{number}-{name}" if name else str(number)


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=300, bbox_inches="tight", metadata={"Software": OWN})
    return file.getvalue()


def _axes(height: float = _HEIGHT) -> tuple[Any, Any]:
    """Return a figure of its own, which no window and no global state knows, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    return figure, axes


def _plain(text: str) -> str:
    """Return a name that matplotlib takes for no formula."""
    return text.replace("\\", "\\\\").replace("$", r"\$")


def _front(result: Result, task: Task, measure: Measure) -> Any:
    figure, axes = _axes()
    kinds: list[tuple[str, Sequence[Member], dict[str, Any]]] = [
        ("uniform baseline", task.uniform, {"color": _UNIFORM, "marker": "s", "ls": "none"}),
        (
            "before recovery",
            task.before,
            {"color": _MEMBER, "marker": ".", "ls": "none", "alpha": 0.4},
        ),
        ("members", task.members, {"color": _MEMBER, "marker": "o", "ls": "none"}),
    ]
    outputs = len(task.classes)
    for label, members, style in kinds:
        costs = [measure.of(one.costs, one.kept, outputs) for one in members]
        if members:
            errors = [100 * one.test_error for one in members]
            axes.plot(costs, errors, label=label, markersize=4, markerfacecolor="white", **style)
    jack = {cost: getattr(task.jack, cost) for cost in COSTS}
    whole = tuple(group.size for group in result.groups)
    at = measure.of(jack, whole, outputs)
    axes.plot(
        [at], [100 * task.jack.test_error], "D", color="black", label="the Jack", markersize=5
    )
    axes.axhline(
        100 * task.jack.test_error, color="black", linewidth=0.7, linestyle="--", alpha=0.6
    )
    for one, member in _picks(result, task):
        cost = measure.of(member.costs, member.kept, outputs)
        axes.plot([cost], [100 * member.test_error], "o", color=_MEMBER, markersize=6)
        axes.annotate(
            _plain(one),
            (cost, 100 * member.test_error),
            xytext=(4, 5),
            fontsize=7,
            textcoords="offset points",
            color=_LIMIT,
        )
    unit = measure.cost if measure.cost in UNITS else COSTS[0]
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: brief(value, unit))
    axes.set_xlabel(f"{measure.label}, log scale", fontsize=8)
    axes.set_ylabel(f"test {MEASURES[result.kind][0]}, %", fontsize=8)
    axes.set_title(_plain(task.name), fontsize=9)
    axes.legend(fontsize=7, frameon=False)
    return figure


def _picks(result: Result, task: Task) -> list[tuple[str, Member]]:
    """Return the member that each environment selects, where any fits."""
    found = [(one.name, select(task, one)) for one in result.environments]
    return [(name, member) for name, member in found if member is not None]


def _volume(result: Result) -> Any:
    figure, axes = _axes()
    for number, (name, curve) in enumerate(result.curves.items()):
        colour, mark = (kinds[number % len(kinds)] for kinds in (_COLOURS, _MARKS))
        axes.plot(
            *zip(*curve, strict=True),
            color=colour,
            marker=mark,
            markersize=3,
            markevery=max(len(curve) // 8, 1),
            label=_plain(name),
        )
    axes.set_xlabel("generation", fontsize=8)
    axes.set_ylabel("hypervolume on search data", fontsize=8)
    axes.legend(fontsize=7, frameon=False)
    return figure


def _groups(result: Result, task: Task, picks: Sequence[tuple[str, Member]]) -> Any:
    """Draw the share of kept units: a row for each group, a bar for each environment."""
    rows = len(result.groups)
    figure, axes = _axes(min(0.8 + 0.11 * rows * (len(picks) + 1), 40))
    thick = 1 / (len(picks) + 1)
    for number, (name, member) in enumerate(picks):
        shares = [
            100 * kept / max(group.size, 1)
            for kept, group in zip(member.kept, result.groups, strict=True)
        ]
        places = [row + (number - (len(picks) - 1) / 2) * thick for row in range(rows)]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.barh(places, shares, thick * 0.9, color=colour, label=_plain(name))
    axes.set_yticks(range(rows), [_plain(group.name) for group in result.groups], fontsize=6)
    axes.invert_yaxis()
    axes.grid(axis="x", linewidth=0.4, alpha=0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 100)
    axes.set_xlabel("units kept, %", fontsize=8)
    axes.set_title(_plain(task.name), fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure
