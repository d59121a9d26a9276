"""The hypervolume over the generations: what stands beside the small plots of the page."""

from html import escape

from ._result import Result


def progress(result: Result) -> str:
    """Return a figure of each task, for the page's script to draw in; nothing without journal."""
    figures = "".join(
        _figure(number, task.name, curve)
        for number, task in enumerate(result.tasks)
        if (
            curve := [
                one.hypervolume[task.name] for one in result.journal if task.name in one.hypervolume
            ]
        )
    )
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


def _figure(number: int, name: str, curve: list[float]) -> str:
    return (
        f'<figure class="volume" data-task="{number}"><figcaption>'
        f'<span class="name">{escape(name)}</span>'
        f"<span>{curve[0]:.3f} → <b>{curve[-1]:.3f}</b></span></figcaption></figure>"
    )
