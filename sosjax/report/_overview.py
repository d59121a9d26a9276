"""The top and the end of the page: what came out, and how it was measured."""

from collections.abc import Mapping
from html import escape

from ..environments._environment import Environment
from ._number import LABELS, MEASURES, part, percent, short
from ._result import Result, Task, limits_of, select, shortfall


def facts(result: Result) -> str:
    """Return the headline and the key numbers of the run."""
    groups, members = len(result.groups), sum(len(task.members) for task in result.tasks)
    pairs = [
        ("the Jack", f"{short(result.parameters)} parameters in {groups} groups"),
        ("tasks", str(len(result.tasks))),
        ("environments", str(len(result.environments))),
        ("members", str(members)),
    ]
    pairs = pairs if result.finished else [("sets", "none yet")]
    if result.recovery:
        pairs.append(("sets", "recovered"))
    if result.journal:
        last = result.journal[-1]
        pairs.append(("generations", f"{last.generation:,}"))
        if last.evaluations is not None:
            pairs.append(("evaluations", f"{last.evaluations:,}"))
    terms = "".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in pairs)
    of = f"<b>{escape(result.network)}</b> on <b>{escape(result.data)}</b>"
    return (
        f'<p class="kind">Set of Sets</p><h1>{escape(result.name)}</h1>'
        f'<p class="of">{of if result.finished else "a run that is not finished"}</p>'
        f'<dl class="facts">{terms}</dl>'
    )


def problems(result: Result) -> str:
    """Return what could not be read, if anything."""
    if not result.problems:
        return ""
    rows = "".join(f"<li>{escape(one)}</li>" for one in result.problems)
    return (
        '<section class="problems" aria-labelledby="problems">'
        f'<h2 id="problems">What could not be read</h2><ul>{rows}</ul></section>'
    )


def overview(result: Result) -> str:
    """Return the chosen members, tasks down and environments across."""
    if not (result.environments and result.tasks):
        return ""
    heads = "".join(
        f'<th scope="col"><span class="name" title="{escape(one.name)}">{escape(one.name)}</span>'
        f"<small>{limits_of(one)}</small></th>"
        for one in result.environments
    )
    rows = "".join(_row(index, task, result) for index, task in enumerate(result.tasks))
    return (
        '<section aria-labelledby="chosen"><h2 id="chosen">What to deploy</h2>'
        f"<p>For each task and environment the member with the lowest {result.judge} within "
        "every limit: its test error, its parameters, and their part of the Jack's.</p>"
        '<div class="scroll"><table class="overview"><thead><tr><th scope="col">Task</th>'
        f'{heads}<th scope="col">The Jack</th></tr></thead><tbody>{rows}</tbody></table></div>'
        "</section>"
    )


def _row(index: int, task: Task, result: Result) -> str:
    cells = "".join(_cell(task, environment) for environment in result.environments)
    jack, name = task.jack, escape(task.name)
    return (
        f'<tr><th scope="row"><a class="name" href="#task-{index}" title="{name}">{name}</a></th>'
        f"{cells}<td><b>{percent(jack.test_error)}</b>"
        f"<small>{short(jack.parameters)}</small></td></tr>"
    )


def _cell(task: Task, environment: Environment) -> str:
    member = select(task, environment)
    if member is None:
        why = escape(shortfall(task, environment))
        return f'<td class="none" title="{why}">nothing fits</td>'
    share = part(member.parameters, task.jack.parameters)
    return (
        f"<td><b>{percent(member.test_error)}</b>"
        f"<small>{short(member.parameters)} · {share}</small></td>"
    )


def method(result: Result) -> str:
    """Return how the numbers were made, with the seed and the versions."""
    if not result.finished:
        return ""
    sizes = result.sizes
    pairs = {**result.settings, "objectives": " and ".join(result.objectives)}
    settings = _terms({key.capitalize(): value for key, value in pairs.items()})
    versions = _terms(result.versions) + _terms(result.machine)
    costs = ", ".join(LABELS.values())
    return (
        '<section class="method" aria-labelledby="method">'
        '<h2 id="method">How the numbers were made</h2>'
        f"<p>{MEASURES[result.kind][1]} The search judged candidates on search data "
        f"({sizes['search']:,} examples). Validation data ({sizes['validation']:,}) select the "
        f"member for an environment: the lowest {result.judge} within every limit, of equals "
        f"the one with fewer parameters. Test data ({sizes['test']:,}) chose nothing: they are "
        f"what the plots first and the bold numbers show, and so a line may rise. A task uses the "
        f"examples of its classes. The lines follow the same rule: at each cost they give the "
        f"error of the member that a limit of that cost would select. The uniform baseline "
        f"keeps the same share of every group, its best units by the ranking of the search, and "
        f"is judged in the same way; under `search.uniform`, cuts that nothing found beats are in "
        f"the set as well. Costs ({costs}) are those of the shrunk network.</p>{_recovery(result)}"
        f"{_fidelity(result)}{_notes(result)}"
        f'<dl class="settings">{settings}{versions}</dl></section>'
    )


def _notes(result: Result) -> str:
    """Return what was done to the data, which a reader of the numbers should know."""
    rows = "".join(f"<li>{escape(note)}</li>" for note in result.notes)
    return f'<ul class="note">{rows}</ul>' if rows else ""


def _recovery(result: Result) -> str:
    """Return how members were recovered; nothing if they were not."""
    if not result.recovery:
        return ""
    return (
        "<p>Members are recovered: each was trained further on the search data of its task, its "
        "removed units staying removed. Validation data chose the epoch, 0 if none was better; "
        "what another member beats after it is left out. The thin line is the set before; the "
        f"uniform baseline was not recovered, so compare it with that line.{_rounds(result)}</p>"
        f'<dl class="settings">{_terms(_named(result.recovery))}</dl>'
    )


def _rounds(result: Result) -> str:
    """Return what members are chosen by after rounds of recovery; nothing without them."""
    if not result.expected:
        return ""
    return (
        " The expected validation error of a member is its own held against those of "
        "sub-networks like it that were recovered, as the lowest of many is mostly luck."
    )


def _fidelity(result: Result) -> str:
    if not result.fidelity:
        return ""
    return (
        f'<p>How far the fitness agrees with errors after recovery: <a href="{result.fidelity}">'
        "fidelity</a>.</p>"
    )


def _named(settings: Mapping[str, str]) -> Mapping[str, str]:
    return {f"Recovery {name}": value for name, value in settings.items()}


def _terms(pairs: Mapping[str, str]) -> str:
    return "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>" for key, value in pairs.items()
    )
