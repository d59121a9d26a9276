"""The hypervolume over the generations, a small chart for each task."""

from html import escape

from ._result import Result


def progress(result: Result) -> str:
    """Return the charts, all on one scale; nothing if the run has no journal."""
    curves = {task.name: _curve(result, task.name) for task in result.tasks}
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    first, last = min(points)[0], max(points)[0]
    low, high = min(value for _, value in points), max(value for _, value in points)
    charts = "".join(
        _chart(name, curve, (first, last), (low, high)) for name, curve in curves.items() if curve
    )
    return (
        '<section aria-labelledby="progress"><h2 id="progress">The search</h2>'
        "<p>Hypervolume on search data after each generation: how much of the space of costs a "
        "task's set dominates; higher is better. One scale for all tasks: "
        f"{low:.3f} to {high:.3f} over generations {first} to {last}.</p>"
        f'<div class="charts">{charts}</div></section>'
    )


def _curve(result: Result, task: str) -> list[tuple[int, float]]:
    lines = (one for one in result.journal if task in one.hypervolume)
    return [(one.generation, one.hypervolume[task]) for one in lines]


def _chart(
    name: str,
    curve: list[tuple[int, float]],
    ages: tuple[int, int],
    values: tuple[float, float],
) -> str:
    """Draw in a square of 100 units that the page stretches; the line keeps its width."""
    width, height = max(ages[1] - ages[0], 1), max(values[1] - values[0], 1e-9)
    points = " ".join(
        f"{100 * (age - ages[0]) / width:.2f},{96 - 92 * (value - values[0]) / height:.2f}"
        for age, value in curve
    )
    start, end = curve[0][1], curve[-1][1]
    return (
        f'<figure><figcaption><span class="name">{escape(name)}</span>'
        f"<span>{start:.3f} → <b>{end:.3f}</b></span></figcaption>"
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="hypervolume from {start:.3f} to {end:.3f}">'
        f'<polyline points="{points}"/></svg></figure>'
    )
