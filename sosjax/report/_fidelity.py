"""A fidelity comparison for people: a table for the terminal, and a page with a picture."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape as plain_markup
from rich.table import Table
from rich.text import Text

from .._files import write_whole
from ._comparison import NUMBERS, Agreement, Compared, Comparison, read_comparison
from ._number import MEASURES, brief, percent
from ._page import beside, policy
from ._scatter import scatter

PAGE = "fidelity.html"


def fidelity_table(folder: Path) -> Group:
    """Return how far each judge agrees with test errors after recovery.

    Args:
      folder: has `fidelity.json`.

    Returns:
      Something `rich` prints, readable from 80 columns on.

    Raises:
      InputError: `fidelity.json` is missing, damaged or of another format or version.
    """
    comparison = read_comparison(folder)
    rows = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    rows.add_column("\nJudge", overflow="fold", min_width=20)
    for head in ("Spearman\nall", "\nwithin", "Kendall\nall", "\nwithin", "Regret\n1", "\n3"):
        rows.add_column(head, justify="right", no_wrap=True)
    several = len(comparison.tasks) > 1
    parts = [("mean over tasks", comparison.judges)] if several else []
    for name, judges in [*parts, *((task.name, task.judges) for task in comparison.tasks)]:
        rows.add_row(f"[bold]{plain_markup(name)}[/bold]")
        for number, (judge, own) in enumerate(judges.items()):
            title = plain_markup(comparison.title(judge))
            rows.add_row(title, *_cells(own), end_section=number == len(judges) - 1)
    return Group(rows, *(Text(line) for line in _notes(comparison)))


def fidelity_report(folder: Path) -> Path:
    """Write the page of a comparison as `fidelity.html` into its folder, whole or not at all.

    Returns:
      The path of the page.

    Raises:
      InputError: as `fidelity_table`; or the page cannot be written.
    """
    path = Path(folder) / PAGE
    write_whole(path, _page(read_comparison(folder)))
    return path


def _cells(own: Agreement) -> list[str]:
    """Return a judge's numbers as text: correlations, and regrets in points."""
    return [
        "none"
        if (value := own[name]) is None
        else f"{100 * value:.2f}"
        if name.startswith("regret")
        else f"{value:.3f}"
        for name in NUMBERS
    ]


def _notes(comparison: Comparison) -> list[str]:
    """Return what is to be known of the numbers, in sentences."""
    lines = [
        "Correlations with the test error after recovery; `within`: mean over levels of size, "
        "thirds of a decade of parameters with 5 candidates or more, whose test errors differ by "
        "more than noise (1.4 times the standard error of one); regret: points of test error lost "
        "in such a level by choosing the 1 or 3 that a judge likes best."
    ]
    for task in comparison.tasks:
        if not task.levels:
            lines.append(f"{task.name}: no level of size has 5 candidates; ask for more of them.")
            continue
        spread = sum(level.spread for level in task.levels) / len(task.levels)
        noises = [level.noise for level in task.levels if level.noise is not None]
        line = f"{task.name}: in a level test errors deviate by {percent(spread)} on average"
        if noises:
            noise = sum(noises) / len(noises)
            line += f", and a test error's own standard error is {percent(noise)}"
            line += f" ({task.examples:,} examples)"
            if noise > spread / 2:
                line += ": much of a level is noise, and no judge can rank it well"
        lines.append(f"{line}.")
    return lines


_HEADS = "".join(
    f"<th>{name}</th>"
    for name in (
        "Spearman",
        "within levels",
        "Kendall",
        "within levels",
        "Regret of 1",
        "Regret of 3",
    )
)


def _page(comparison: Comparison) -> str:
    style = beside("page.css")
    notes = "".join(f"<li>{escape(line)}</li>" for line in _notes(comparison))
    settings = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>"
        for key, value in comparison.recovery.items()
    )
    several = len(comparison.tasks) > 1
    whole = _rows(comparison, comparison.judges) if several else ""
    articles = "".join(_article(number, comparison) for number in range(len(comparison.tasks)))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(comparison.network)} - fidelity</title>
<style>{style}</style>
</head>
<body>
<header><p class="kind">Fidelity</p><h1>Does the fitness know what recovery will make?</h1>
<p class="of"><b>{escape(comparison.network)}</b> on <b>{escape(comparison.data)}</b></p></header>
<main>
<p>Sub-networks of all sizes were judged in every way, and then recovered alike. Each dot is one
of them: filled if it is a member of the run's set, dark if it is small, bright if it is large; what
a judge likes best stands at the left. Above each picture: over all sizes / within levels of size.
{MEASURES[comparison.kind][1]} Test data were looked at to report, and chose nothing.
Recovery's own forecast knows what became of others, by their keep ratios. The last judge sees
validation data after recovery: nobody can be expected to agree better.</p>
{f"<h2>Mean over tasks</h2>{whole}" if several else ""}
{articles}
<section class="method"><h2>How to read the numbers</h2><ul class="note">{notes}</ul>
<h2>Recovery</h2><dl class="settings">{settings}</dl></section>
</main>
</body>
</html>
"""


def _rows(comparison: Comparison, judges: Mapping[str, Agreement]) -> str:
    rows = "".join(_row(comparison.title(judge), own) for judge, own in judges.items())
    return (
        f'<div class="scroll"><table><thead><tr><th>Judge</th>{_HEADS}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(title: str, own: Agreement) -> str:
    cells = "".join(f"<td>{cell}</td>" for cell in _cells(own))
    return f'<tr><th scope="row">{escape(title)}</th>{cells}</tr>'


def _article(number: int, comparison: Comparison) -> str:
    task = comparison.tasks[number]
    figures = "".join(
        f'<figure class="judge"><figcaption><span class="name">{escape(comparison.title(judge))}'
        f"</span><span>Spearman <b>{_cells(own)[0]}</b> / <b>{_cells(own)[1]}</b>"
        "</span></figcaption>"
        f'<div class="frame">{scatter(task, judge, comparison)}</div></figure>'
        for judge, own in task.judges.items()
    )
    return (
        f'<article aria-labelledby="name-{number}"><h3 id="name-{number}">{escape(task.name)}</h3>'
        f'<p class="axis-name">test {MEASURES[comparison.kind][0]} after recovery</p>'
        f'<div class="charts">{figures}</div>{_rows(comparison, task.judges)}{_levels(task)}'
        "</article>"
    )


def _levels(task: Compared) -> str:
    rows = "".join(
        f"<tr><td>{brief(round(level.low))} to {brief(round(level.high))}</td>"
        f"<td>{level.candidates}</td><td>{percent(level.spread)}</td>"
        f"<td>{'-' if level.noise is None else percent(level.noise)}</td></tr>"
        for level in task.levels
    )
    return (
        f"<details><summary>Levels of size: {len(task.levels)}</summary>"
        '<div class="scroll"><table><thead><tr><th>Parameters</th><th>Candidates</th>'
        "<th>Deviation of test errors</th><th>Standard error of one</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div></details>"
    )
