"""One task on the page in numbers: what each environment selects, and every member."""

from html import escape

from ..environments._environment import Environment
from ._number import measured, part, percent, short
from ._result import Jack, Member, Result, Task, limits_of, select, shortfall


def panel(index: int, task: Task, result: Result) -> str:
    """Return the panel of a task as an `<article>`; `index` is its number on the page."""
    classes = ", ".join(task.classes)
    return (
        f'<article id="task-{index}" aria-labelledby="name-{index}">'
        f'<h3 id="name-{index}">{escape(task.name)}</h3>'
        f'<p class="classes">{escape(classes)}</p>'
        f"{_chosen(task, result)}{_all_members(task, result)}</article>\n"
    )


_HEADS = (
    "<th>Member</th><th>Test error</th>",
    "<th>to the Jack</th><th>Parameters</th><th>of the Jack</th><th>Bytes</th>"
    "<th>FLOPs</th><th>Validation</th>",
    "<th>Search</th>",
)


def _heads(result: Result) -> str:
    """Return the heads of columns; after recovery errors have a column `before` beside them."""
    if not result.recovery:
        return "".join(_HEADS)
    return f"{'<th>before</th>'.join(_HEADS)}<th>Epoch</th>"


def _tight(result: Result) -> str:
    """Return a class for the table that has more columns."""
    return ' class="tight"' if result.recovery else ""


def _chosen(task: Task, result: Result) -> str:
    if not result.environments:
        return ""
    rows = "".join(_environment(task, environment, result) for environment in result.environments)
    return (
        f'<div class="scroll"><table{_tight(result)}><thead><tr><th>Environment</th>'
        f"{_heads(result)}</tr></thead><tbody>{rows}"
        f'<tr class="jack"><th scope="row">the Jack</th>{_numbers(task.jack, task, result)}</tr>'
        "</tbody></table></div>"
    )


def _environment(task: Task, environment: Environment, result: Result) -> str:
    head = (
        f'<th scope="row"><span class="name">{escape(environment.name)}</span>'
        f"<small>{limits_of(environment)}</small></th>"
    )
    member = select(task, environment)
    if member is None:
        why = escape(shortfall(task, environment))
        columns = 12 if result.recovery else 9
        return f'<tr>{head}<td colspan="{columns}" class="none"><span>{why}</span></td></tr>'
    return f"<tr>{head}{_numbers(member, task, result)}</tr>"


def _numbers(one: Member | Jack, task: Task, result: Result) -> str:
    own = measured(one.test_error, result.kind, task.unit)
    points = 100 * (one.test_error - task.jack.test_error)
    search = (
        "-"
        if not isinstance(one, Member) or one.search_error is None
        else percent(one.search_error)
    )
    unseen, seen, epoch = _before(one) if result.recovery else ("", "", "")
    return (
        f"<td>{'-' if one is task.jack else _number(task, one)}</td>"
        f"<td><b>{percent(one.test_error)}</b>{f'<small>{own}</small>' if own else ''}</td>"
        f"{unseen}"
        f"<td>{'-' if one is task.jack else f'{points:+.2f} pts'}</td>"
        f"<td>{one.parameters:,}</td><td>{part(one.parameters, task.jack.parameters)}</td>"
        f"<td>{short(one.bytes, 'bytes')}</td><td>{short(one.flops)}</td>"
        f"<td>{percent(one.validation_error)}{_expected(one)}</td>{seen}<td>{search}</td>{epoch}"
    )


def _expected(one: Member | Jack) -> str:
    """Return the error that a member is chosen by, where that is not its own."""
    if not isinstance(one, Member) or one.expected_error is None:
        return ""
    return f"<small>expected {percent(one.expected_error)}</small>"


def _number(task: Task, member: Member | Jack) -> int:
    """Return a member's place in `sets.json`."""
    return next(number for number, one in enumerate(task.members) if one is member)


def _before(one: Member | Jack) -> tuple[str, str, str]:
    """Return cells of what was before recovery: test and validation error, and the epoch."""
    if not isinstance(one, Member) or one.epoch is None:
        return "<td>-</td>", "<td>-</td>", "<td>-</td>"
    assert one.test_error_before is not None and one.validation_error_before is not None
    return (
        f"<td>{percent(one.test_error_before)}</td>",
        f"<td>{percent(one.validation_error_before)}</td>",
        f"<td>{one.epoch}</td>",
    )


def _all_members(task: Task, result: Result) -> str:
    rows = "".join(
        f"<tr>{_numbers(member, task, result)}<td>{' '.join(map(str, member.kept))}</td></tr>"
        for member in sorted(task.members, key=lambda one: one.parameters)
    )
    sizes = ", ".join(f"{group.name} {group.size}" for group in result.groups)
    count = f"{len(task.members)} member{'' if len(task.members) == 1 else 's'}"
    shown = "" if result.environments else " open"
    return (
        f"<details{shown}><summary>All numbers of the set: {count}</summary>"
        f'<div class="scroll"><table class="all"><thead><tr>{_heads(result)}'
        "<th>Kept units</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
        f'<p class="note">Kept units by group, out of: {escape(sizes)}.</p></details>'
    )
