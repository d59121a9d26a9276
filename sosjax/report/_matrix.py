"""The likeness of the tasks' sets as a table."""

from html import escape

from ._likeness import LIKE
from ._result import Result


def matrix(result: Result) -> str:
    """Return the overlap of kept units of every two tasks; nothing where it is not known."""
    if result.likeness is None or not result.tasks:
        return ""
    names = [escape(task.name) for task in result.tasks]
    heads = "".join(f'<th scope="col"><span class="name">{name}</span></th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row"><span class="name">{name}</span></th>'
        f"{''.join(map(_cell, found, chance))}</tr>"
        for name, found, chance in zip(
            names, result.likeness.found, result.likeness.chance, strict=True
        )
    )
    return (
        '<section aria-labelledby="alike"><h2 id="alike">What the tasks share</h2>'
        "<p>How many of the units that either of two members keeps both keep (Jaccard): the mean "
        "over members of one task, each beside the member of the other task nearest in "
        f"parameters, if within a factor of {LIKE:g}; on the diagonal beside the nearest other of "
        "its own set. Below: what members that keep as many units of each group would share by "
        "chance.</p>"
        f'<div class="scroll"><table class="matrix"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _cell(found: float | None, chance: float | None) -> str:
    if found is None or chance is None:
        return '<td class="none" title="no members of like size">-</td>'
    level = min(int(10 * found), 9)
    return f'<td class="level-{level}"><b>{found:.2f}</b><small>chance {chance:.2f}</small></td>'
