"""One task's front as SVG: test error against one cost.

Places along x are percentages and places along y are pixels, so that the picture follows the
width of the page while its text and dots keep their size.
"""

from collections.abc import Iterable
from html import escape

from ..environments._environment import Environment
from ._axis import ErrorAxis, LogAxis, error_axis, log_axis
from ._number import LABELS, exact, percent, short
from ._result import Jack, Member, Task, limits_of, select, staircase

HEIGHT = 250
"""Pixels from the top of the y axis to the x axis."""

_NARROW = 290  # pixels of the narrowest axis that labels are laid out for
_LETTER = 6.3  # pixels of a letter of a label, on average
_ROW = 16  # pixels of a row of labels


def plot(index: int, task: Task, environments: tuple[Environment, ...], cost: str) -> str:
    """Return the front of a task against a cost as an `<svg>` element.

    Args:
      index: the number of the task on the page, for the dots' `data-dot`.
      task: its set, that before recovery, its uniform baseline and its Jack are drawn.
      environments: those that limit the cost become vertical lines; all mark what they select.
      cost: `parameters`, `bytes` or `flops`.
    """
    everything = (task.jack, *task.members, *task.uniform, *task.before)
    limits = [(one, one.limits[cost]) for one in environments if cost in one.limits]
    x = log_axis([getattr(one, cost) for one in everything], [limit for _, limit in limits])
    labels, rows = _limit_labels(limits, x)
    y = error_axis([one.test_error for one in everything], top=rows * _ROW + 10, height=HEIGHT)
    bottom = y.top + y.height
    chosen = [select(task, environment) for environment in environments]
    title = f"{task.name}: test error against {LABELS[cost]}"
    return "".join(
        (
            f'<svg class="plot {cost}" height="{bottom + 46}" role="group"',
            f' aria-label="{escape(title)}">',
            _grid(x, y, cost),
            _limit_lines(limits, x, bottom),
            labels,
            _jack_line(task.jack, y),
            _steps(task.uniform, x, y, cost, "uniform"),
            _steps(task.before, x, y, cost, "before"),
            _steps(task.members, x, y, cost, "member"),
            _uniform_dots(index, task.uniform, x, y, cost),
            _before_dots(index, task.before, x, y, cost),
            _jack_dot(index, task.jack, x, y, cost),
            _member_dots(index, task.members, chosen, x, y, cost),
            "</svg>",
        )
    )


def _grid(x: LogAxis, y: ErrorAxis, cost: str) -> str:
    bottom = y.top + y.height
    parts = []
    for place, label in y.ticks():
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(f'<text class="tick y" x="-8" y="{place + 4:.1f}">{label}</text>')
    for place, label in x.ticks(cost):
        at, size = f"{place:.2f}%", 6 if label else 3
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{bottom}" y2="{bottom + size}"/>')
        if label:
            parts.append(f'<text class="tick x" x="{at}" y="{bottom + 20}">{label}</text>')
    parts.append(f'<line class="axis" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>')
    name = f"{LABELS[cost]}, log scale"
    parts.append(f'<text class="tick name" x="100%" y="{bottom + 39}">{name}</text>')
    return "".join(parts)


def _limit_lines(limits: list[tuple[Environment, float]], x: LogAxis, bottom: int) -> str:
    places = [f"{x.at(limit):.2f}%" for _, limit in limits if x.holds(limit)]
    return "".join(
        f'<line class="limit" x1="{at}" x2="{at}" y1="4" y2="{bottom}"/>' for at in places
    )


def _limit_labels(limits: list[tuple[Environment, float]], x: LogAxis) -> tuple[str, int]:
    """Return the names of the limits, in rows so that none covers another, and the rows."""
    parts: list[str] = []
    ends: list[list[tuple[float, float]]] = []
    for environment, limit in sorted(limits, key=lambda one: one[1]):
        place = x.at(limit)
        text = environment.name if len(environment.name) <= 16 else f"{environment.name[:15]}…"
        arrow = "" if x.holds(limit) else " ▸" if limit > x.high else " ◂"
        left = place <= 60
        length = _LETTER * len(text + arrow) + 10
        start = place * _NARROW / 100 - (0 if left else length)
        row = next(
            (
                number
                for number, taken in enumerate(ends)
                if all(start >= end or start + length <= begin for begin, end in taken)
            ),
            len(ends),
        )
        if row == len(ends):
            ends.append([])
        ends[row].append((start, start + length))
        parts.append(
            f'<text class="limit {"after" if left else "before"}" x="{place:.2f}%" '
            f'dx="{4 if left else -4}" y="{row * _ROW + 13}">{escape(text)}{arrow}'
            f"<title>{escape(environment.name)}: {limits_of(environment)}</title></text>"
        )
    return "".join(parts), len(ends)


def _jack_line(jack: Jack, y: ErrorAxis) -> str:
    at = f"{y.at(jack.test_error):.1f}"
    return f'<line class="jack" x1="0" x2="100%" y1="{at}" y2="{at}"/>'


def _steps(members: Iterable[Member], x: LogAxis, y: ErrorAxis, cost: str, kind: str) -> str:
    """Draw the test error of what the selection rule gives, as the limit rises."""
    steps = staircase(members, cost)
    places = [(x.at(limit), y.at(member.test_error)) for limit, member in steps]
    parts = []
    for number, (left, level) in enumerate(places):
        last = number == len(places) - 1
        right, following = (100.0, level) if last else places[number + 1]
        ends = f'x1="{left:.2f}%" x2="{right:.2f}%" y1="{level:.1f}" y2="{level:.1f}"'
        parts.append(f"<line {ends}/>")
        if not last:
            ends = f'x1="{right:.2f}%" x2="{right:.2f}%" y1="{level:.1f}" y2="{following:.1f}"'
            parts.append(f"<line {ends}/>")
    return f'<g class="steps {kind}">{"".join(parts)}</g>'


def _member_dots(
    index: int,
    members: tuple[Member, ...],
    chosen: list[Member | None],
    x: LogAxis,
    y: ErrorAxis,
    cost: str,
) -> str:
    parts = []
    for number, member in enumerate(members):
        at = f'cx="{x.at(getattr(member, cost)):.2f}%" cy="{y.at(member.test_error):.1f}"'
        ring = any(member is one for one in chosen)
        if ring:
            parts.append(f'<circle class="ring" {at} r="8.5"/>')
        kind = "member chosen" if ring else "member"
        dot = f'class="dot {kind}" data-dot="{index}.members.{number}"'
        parts.append(f'<circle {dot} {at} r="{5 if ring else 4}">{_title(member)}</circle>')
    return "".join(parts)


def _uniform_dots(
    index: int, members: tuple[Member, ...], x: LogAxis, y: ErrorAxis, cost: str
) -> str:
    return "".join(
        f'<rect class="dot uniform" data-dot="{index}.uniform.{number}" width="7" height="7" '
        f'x="{x.at(getattr(member, cost)):.2f}%" y="{y.at(member.test_error):.1f}" '
        f'transform="translate(-3.5 -3.5)">{_title(member, "uniform baseline: ")}</rect>'
        for number, member in enumerate(members)
    )


def _before_dots(
    index: int, members: tuple[Member, ...], x: LogAxis, y: ErrorAxis, cost: str
) -> str:
    return "".join(
        f'<circle class="dot before" data-dot="{index}.before.{number}" r="2.5" '
        f'cx="{x.at(getattr(member, cost)):.2f}%" cy="{y.at(member.test_error):.1f}">'
        f"{_title(member, 'before recovery: ')}</circle>"
        for number, member in enumerate(members)
    )


def _jack_dot(index: int, jack: Jack, x: LogAxis, y: ErrorAxis, cost: str) -> str:
    # A nested <svg> is what can stand at a percentage; a path alone cannot.
    return (
        f'<svg class="jack" x="{x.at(getattr(jack, cost)):.2f}%" y="{y.at(jack.test_error):.1f}">'
        f'<path class="dot jack" data-dot="{index}.jack" d="M0-8 8 0 0 8-8 0Z">'
        f"{_title(jack, 'the Jack: ')}</path></svg>"
    )


def _title(one: Member | Jack, kind: str = "") -> str:
    costs = f"{exact(one.parameters)}, {short(one.bytes, 'bytes')}, {short(one.flops)}FLOPs"
    return f"<title>{kind}test error {percent(one.test_error)}, {costs}</title>"
