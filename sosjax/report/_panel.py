"""One task on the page: its charts, what each environment selects, and every member."""

from html import escape

from ._number import MEASURES, measured, part, percent, short
from ._plot import plot
from ._result import COSTS, Environment, Jack, Member, Result, Task, limits_of, select, shortfall


def panel(index: int, task: Task, result: Result) -> str:
    """Return the panel of a task as an `<article>`; `index` is its number on the page."""
    plots = "".join(plot(index, task, result.environments, cost) for cost in COSTS)
    classes, measure = ", ".join(task.classes), MEASURES[result.kind][0]
    return (
        f'<article id="task-{index}" aria-labelledby="name-{index}">'
        f'<h3 id="name-{index}">{escape(task.name)}</h3>'
        f'<p class="classes">{escape(classes)}</p>'
        f'<p class="axis-name">test {measure}</p><div class="frame">{plots}</div>'
        f"{_chosen(task, result)}{_all_members(task, result)}</article>\n"
    )


_HEADS = (
    "<th>Test error</th><th>to the Jack</th><th>Parameters</th><th>of the Jack</th><th>Bytes</th>"
    "<th>FLOPs</th><th>Validation</th><th>Search</th>"
)


def _chosen(task: Task, result: Result) -> str:
    if not result.environments:
        return ""
    rows = "".join(
        _environment(task, environment, result.kind) for environment in result.environments
    )
    return (
        '<div class="scroll"><table><thead><tr><th>Environment</th>'
        f"{_HEADS}</tr></thead><tbody>{rows}"
        '<tr class="jack"><th scope="row">the Jack</th>'
        f"{_numbers(task.jack, task, result.kind)}</tr>"
        "</tbody></table></div>"
    )


def _environment(task: Task, environment: Environment, kind: str) -> str:
    head = (
        f'<th scope="row"><span class="name">{escape(environment.name)}</span>'
        f"<small>{limits_of(environment)}</small></th>"
    )
    member = select(task, environment)
    if member is None:
        why = escape(shortfall(task, environment))
        return f'<tr>{head}<td colspan="8" class="none"><span>{why}</span></td></tr>'
    return f"<tr>{head}{_numbers(member, task, kind)}</tr>"


def _numbers(one: Member | Jack, task: Task, kind: str) -> str:
    own = measured(one.test_error, kind, task.unit)
    points = 100 * (one.test_error - task.jack.test_error)
    search = (
        "-"
        if not isinstance(one, Member) or one.search_error is None
        else percent(one.search_error)
    )
    return (
        f"<td><b>{percent(one.test_error)}</b>{f'<small>{own}</small>' if own else ''}</td>"
        f"<td>{'-' if one is task.jack else f'{points:+.2f} pts'}</td>"
        f"<td>{one.parameters:,}</td><td>{part(one.parameters, task.jack.parameters)}</td>"
        f"<td>{short(one.bytes, 'bytes')}</td><td>{short(one.flops)}</td>"
        f"<td>{percent(one.validation_error)}</td><td>{search}</td>"
    )


def _all_members(task: Task, result: Result) -> str:
    rows = "".join(
        f"<tr>{_numbers(member, task, result.kind)}<td>{' '.join(map(str, member.kept))}</td></tr>"
        for member in task.members
    )
    sizes = ", ".join(f"{group.name} {group.size}" for group in result.groups)
    count = f"{len(task.members)} member{'' if len(task.members) == 1 else 's'}"
    return (
        f"<details><summary>All numbers of the set: {count}</summary>"
        f'<div class="scroll"><table class="all"><thead><tr>{_HEADS}<th>Kept units</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
        f'<p class="note">Kept units by group, out of: {escape(sizes)}.</p></details>'
    )
