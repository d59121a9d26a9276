"""The hypervolume over the generations: what stands beside the small plots of the page."""

from html import escape

from ._result import Result


def progress(result: Result) -> str:
    """Return a figure of each task, for the page's script to draw in; nothing without journal."""
    curves = enumerate(result.curves.items())
    figures = "".join(_figure(number, name, curve) for number, (name, curve) in curves)
    if not figures:
        return ""
    first, last = (result.journal[place].generation for place in (0, -1))
    return (
        '<section aria-labelledby="progress"><h2 id="progress">The search</h2>'
        "<p>Hypervolume on search data after each generation: how much of the space of costs a "
        "task's set dominates; higher is better. The plots share their scales, "
        f"generations {first} to {last}.</p>"
        f'<div class="charts">{figures}</div></section>'
    )


def _figure(number: int, name: str, curve: list[tuple[int, float]]) -> str:
    return (
        f'<figure class="volume" data-curve="{number}"><figcaption>'
        f'<span class="name">{escape(name)}</span>'
        f"<span>{curve[0][1]:.3f} → <b>{curve[-1][1]:.3f}</b></span></figcaption></figure>"
    )
