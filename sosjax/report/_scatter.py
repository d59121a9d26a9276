"""What one judge says of candidates against their test error after recovery, as SVG.

Places along x are percentages and places along y are pixels, so that the picture follows the
width of the page while its text and dots keep their size.
"""

import math
from html import escape

from ._axis import error_axis, log_axis
from ._comparison import Compared, Comparison
from ._number import LABELS, exact, percent

HEIGHT = 150
"""Pixels from the top of the y axis to the x axis."""

_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (220, 190, 30))
"""From small to large: viridis (van der Walt and Smith, 2015), its yellow darker for paper."""


def scatter(task: Compared, judge: str, comparison: Comparison) -> str:
    """Return a chart as an `<svg>` element.

    Args:
      task: whose candidates are drawn, coloured by size.
      judge: what stands along x.
      comparison: what the task is of.
    """
    found = [(one.judged[judge], one) for one in task.candidates]
    there = [(value, one) for value, one in found if value is not None]
    title = f"{comparison.title(judge)} against test error after recovery, {task.name}"
    if not there:
        return f'<p class="none">{escape(title)}: none</p>'
    y = error_axis([one.test_error for one in task.candidates], top=8, height=HEIGHT)
    places, ticks = _along([value for value, _ in there], judge)
    bottom, parts = y.top + y.height, []
    for place, label in y.ticks():
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(f'<text class="tick y" x="-6" y="{place + 4:.1f}">{label}</text>')
    parts.append(f'<line class="axis" x1="0" x2="100%" y1="{bottom}" y2="{bottom}"/>')
    for place, label in ticks:
        parts.append(f'<text class="tick x" x="{place:.2f}%" y="{bottom + 16}">{label}</text>')
    smallest, largest = (pick(one.parameters for one in task.candidates) for pick in (min, max))
    for place, (value, one) in zip(places, there, strict=True):
        colour = _colour(one.parameters, smallest, largest)
        fill = colour if one.member else "none"
        said = f"{value:,.0f} {LABELS[judge]}" if judge in LABELS else percent(value)
        parts.append(
            f'<circle cx="{place:.2f}%" cy="{y.at(one.test_error):.1f}" r="3.5" fill="{fill}" '
            f'stroke="{colour}" stroke-width="1.5"><title>{escape(comparison.title(judge))} '
            f"{said}, test error {percent(one.test_error)}, {exact(one.parameters)}"
            f"{', a member of the set' if one.member else ''}</title></circle>"
        )
    return (
        f'<svg class="scatter" height="{bottom + 24}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _along(values: list[float], judge: str) -> tuple[list[float], list[tuple[float, str]]]:
    """Return places along x in percent, and ticks: logarithmic for costs, which fall to the right.

    So everywhere what a judge likes best stands at the left.
    """
    if judge in LABELS:
        axis = log_axis(values)
        ticks = [(100 - place, label) for place, label in axis.ticks(judge) if label]
        return [100 - axis.at(value) for value in values], _thinned(ticks)
    axis = error_axis(values, top=0, height=100)
    ticks = [(100 - place, label) for place, label in axis.ticks()]
    return [100 - axis.at(value) for value in values], _thinned(ticks)


def _thinned(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return at most four ticks, so that their labels have room."""
    return ticks[:: math.ceil(len(ticks) / 4)]


def _colour(value: float, low: float, high: float) -> str:
    """Return a colour by the logarithm of a size."""
    share = math.log(value / low) / math.log(high / low) if high > low else 0.0
    place = share * (len(_COLOURS) - 1)
    left = min(int(place), len(_COLOURS) - 2)
    one, other = _COLOURS[left], _COLOURS[left + 1]
    mixed = (round(a + (b - a) * (place - left)) for a, b in zip(one, other, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
