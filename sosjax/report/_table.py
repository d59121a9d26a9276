"""The chosen members as a table for the terminal."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..environments._environment import Environment
from ._folder import read_folder
from ._number import part, short
from ._result import Result, Task, select, shortfall


def table(folder: Path, unrecovered: bool = False) -> Group:
    """Return what to deploy: for each task and environment of a run the selected member.

    Errors are in percent; the part in brackets is of the Jack's parameters for the task. Below
    the table stands, for each environment that nothing fits, what the smallest member needs, and
    what is to be known of the data, how many texts were cut say.

    Example:
      `rich.console.Console().print(sosjax.report.table(Path("runs/first")))`

    Args:
      folder: a run folder.
      unrecovered: show the sets as they were found, even where recovered ones are there.

    Returns:
      Something `rich` prints, readable from 80 columns on.

    Raises:
      InputError: `sets.json` is missing, damaged or of another format or version.
    """
    return table_of(read_folder(folder, unrecovered))


def table_of(result: Result) -> Group:
    """Return the table of a run that was read; as `table`."""
    problems = [Text(f"Not shown: {one}") for one in result.problems]
    if not (result.environments and result.tasks):
        why = "has no environments" if result.finished else "is not finished"
        nothing = Text(f"Nothing to select: the run {why}.", style="dim")
        return Group(nothing, *problems)
    recovered = "Recovered sets; `before` is the test error before recovery."
    head = [Text(recovered)] if result.recovery else []
    if result.expected:
        head.append(Text("`valid.` is what rounds of recovery expect of the validation error."))
    return Group(*head, _rows(result), *_misses(result), *map(Text, result.notes), *problems)


def _rows(result: Result) -> Table:
    recovered = bool(result.recovery)
    # One column more has to fit into 80.
    rows = Table(box=SIMPLE_HEAD, padding=(0, 0 if recovered else 1, 0, 0), pad_edge=False)
    rows.add_column("\nTask", overflow="fold", min_width=8)
    rows.add_column("\nEnvironment", overflow="fold", min_width=11)
    rows.add_column("\nParameters", justify="right", no_wrap=True, min_width=13)
    rows.add_column("\nBytes", justify="right", no_wrap=True)
    rows.add_column("\nFLOPs", justify="right", no_wrap=True)
    rows.add_column("Error %\nvalid.", justify="right", no_wrap=True)
    rows.add_column("\ntest", justify="right", no_wrap=True, style="bold")
    if recovered:
        rows.add_column("\nbefore", justify="right", no_wrap=True)
    rows.add_column("\nJack", justify="right", no_wrap=True, style="dim")
    for task in result.tasks:
        for number, environment in enumerate(result.environments):
            last = number == len(result.environments) - 1
            name = escape(task.name) if number == 0 else ""
            cells = _cells(task, environment, recovered)
            rows.add_row(name, *cells, end_section=last)
    return rows


def _cells(task: Task, environment: Environment, recovered: bool) -> tuple[str, ...]:
    name, jack = escape(environment.name), f"{100 * task.jack.test_error:.2f}"
    member = select(task, environment)
    if member is None:
        dashes = ("-",) * (5 if recovered else 4)
        return name, "[red]nothing fits[/red]", *dashes, jack
    before = member.test_error_before
    earlier = ("-" if before is None else f"{100 * before:.2f}",) if recovered else ()
    return (
        name,
        f"{short(member.parameters)} ({part(member.parameters, task.jack.parameters)})",
        short(member.bytes, "bytes"),
        short(member.flops),
        f"{100 * member.error:.2f}",
        f"{100 * member.test_error:.2f}",
        *earlier,
        jack,
    )


def _misses(result: Result) -> list[Text]:
    """Return plain `Text`, in which markup in a name means nothing."""
    return [
        Text(f"{task.name} in {environment.name}: {shortfall(task, environment)}.")
        for task in result.tasks
        for environment in result.environments
        if select(task, environment) is None
    ]
