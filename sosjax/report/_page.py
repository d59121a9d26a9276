"""The page of a run: one file that needs no network."""

import base64
import hashlib
import json
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from .._files import write_whole
from ._folder import read_folder
from ._number import LABELS
from ._overview import facts, method, overview
from ._panel import panel
from ._progress import progress
from ._result import COSTS, Result, select


def report(folder: Path, unrecovered: bool = False) -> Path:
    """Write the page of a run as `report.html` into its folder, whole or not at all.

    The page is one file: it loads nothing, holds all numbers of `sets.json` that it shows, and
    can be read with JavaScript switched off.

    Args:
      folder: a run folder with `sets.json`; `journal.jsonl`, `run.json` and the recovered sets in
        `recovered` are used if there.
      unrecovered: show the sets as they were found, even where recovered ones are there.

    Returns:
      The path of the page.

    Raises:
      InputError: `sets.json` is missing; a file is damaged or of another format or version; or
        the page cannot be written.
    """
    folder = Path(folder)
    page = folder / "report.html"
    write_whole(page, _page(read_folder(folder, unrecovered)))
    return page


def _page(result: Result) -> str:
    style, script = beside("page.css"), beside("page.js")
    panels = "".join(panel(index, task, result) for index, task in enumerate(result.tasks))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(result.name)} - Set of Sets</title>
<style>{style}</style>
</head>
<body>
<header>{facts(result)}</header>
<main>
{overview(result)}
<section aria-labelledby="fronts">
<h2 id="fronts">The fronts</h2>
{_bar(result)}
{panels}
</section>
{progress(result)}
{method(result)}
</main>
<aside id="detail" hidden></aside>
<script type="application/json" id="data">{_embedded(result)}</script>
<script>{script}</script>
</body>
</html>
"""


def policy(style: str, script: str | None = None) -> str:
    """Allow the inline texts by their digests and nothing else, above all no network."""
    scripts = "" if script is None else f"script-src '{_digest(script)}'; "
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; {scripts}"
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def beside(name: str) -> str:
    """Return the text of a file of this room."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _bar(result: Result) -> str:
    """Return the legend and the switch of the x axis, which CSS alone obeys."""
    first = next((cost for cost in result.objectives if cost in COSTS), COSTS[0])
    switch = "".join(
        f'<label><input type="radio" name="cost" id="by-{cost}"'
        f"{' checked' if cost == first else ''}><span>{LABELS[cost]}</span></label>"
        for cost in COSTS
    )
    keys = "".join(
        f'<li><svg width="26" height="18" aria-hidden="true">{mark}</svg>{text}</li>'
        for text, mark in _LEGEND
        if result.recovery or text != _BEFORE
    )
    return (
        f'<div class="bar"><fieldset><legend>Size as</legend>{switch}</fieldset>'
        f'<ul class="legend">{keys}</ul></div>'
    )


_BEFORE = "set before recovery"
_LEGEND = (
    (
        "member of the set",
        (
            '<g class="steps member"><line x1="0" x2="26" y1="9" y2="9"/></g>'
            '<circle class="member" cx="13" cy="9" r="4"/>'
        ),
    ),
    (
        "chosen for an environment",
        (
            '<circle class="ring" cx="13" cy="9" r="8"/>'
            '<circle class="member chosen" cx="13" cy="9" r="5"/>'
        ),
    ),
    (
        _BEFORE,
        (
            '<g class="steps before"><line x1="0" x2="26" y1="9" y2="9"/></g>'
            '<circle class="before" cx="13" cy="9" r="2.5"/>'
        ),
    ),
    (
        "uniform baseline",
        (
            '<g class="steps uniform"><line x1="0" x2="26" y1="9" y2="9"/></g>'
            '<rect class="uniform" x="9.5" y="5.5" width="7" height="7"/>'
        ),
    ),
    (
        "the Jack",
        (
            '<line class="jack" x1="0" x2="26" y1="9" y2="9"/>'
            '<path class="jack" d="M13 2 20 9 13 16 6 9Z"/>'
        ),
    ),
    ("limit of an environment", '<line class="limit" x1="13" x2="13" y1="0" y2="18"/>'),
)


def _told(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return fields as a dict, without those of a recovery that was not."""
    recovery = ("epoch", "validation_error_before", "test_error_before")
    return {key: value for key, value in pairs if value is not None or key not in recovery}


def _embedded(result: Result) -> str:
    """Return the numbers for the script, as JSON that cannot end its element."""
    content = {
        "groups": [asdict(group) for group in result.groups],
        "tasks": [
            {
                **asdict(task, dict_factory=_told),
                "chosen": {
                    environment.name: task.members.index(member)
                    for environment in result.environments
                    if (member := select(task, environment))
                },
            }
            for task in result.tasks
        ],
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
