"""The page of a run: one file that needs no network."""

import base64
import hashlib
from html import escape
from pathlib import Path

from .._errors import require
from .._files import write_whole
from ._content import embedded
from ._folder import read_folder
from ._matrix import matrix
from ._overview import facts, method, overview, problems
from ._panel import panel
from ._progress import progress
from ._result import Result

PAGE = "report.html"
SCRIPTS = ("d3.min.js", "choice.js", "chart.js", "member.js", "limits.js", "page.js")
"""In the order in which they need each other."""
OWN = " - Set of Sets</title>"
"""What every page says near its top, also those of earlier versions."""


def report(folder: Path, unrecovered: bool = False) -> Path:
    """Write the page of a run as `report.html` into its folder, whole or not at all.

    The page is one file: it loads nothing and holds all numbers that it shows. With JavaScript
    switched off its tables can be read.

    Args:
      folder: a run folder with `sets.json`; what else is there is used, and where it cannot be
        read the page says so.
      unrecovered: show the sets as they were found, even where recovered ones are there.

    Returns:
      The path of the page.

    Raises:
      InputError: `sets.json` is missing, damaged or of another format or version; the page cannot
        be written; or a file of its name is there that is no report.
    """
    return write_page(read_folder(folder, unrecovered))


def write_page(result: Result) -> Path:
    """Write the page of a run into its folder; as `report`."""
    page = Path(result.folder) / PAGE
    require(
        not page.exists() or _is_own(page),
        f"{page} must be a report or not be there, got another file; it stays as it is.",
    )
    write_whole(page, _page(result))
    return page


def _is_own(page: Path) -> bool:
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return OWN.encode() in file.read(4096)


def _page(result: Result) -> str:
    style, scripts = beside("page.css"), [beside(name) for name in SCRIPTS]
    code = "\n".join(f"<script>{script}</script>" for script in scripts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(style, *scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(result.name)}{OWN}
<style>{style}</style>
</head>
<body>
<header>{facts(result)}</header>
<main>
{problems(result)}
{overview(result)}
{_sets(result)}
{progress(result)}
{matrix(result)}
{method(result)}
</main>
<script type="application/json" id="data">{embedded(result)}</script>
{code}
</body>
</html>
"""


def _sets(result: Result) -> str:
    """Return the place of the plots, and the tables."""
    if not result.finished:
        return ""
    panels = "".join(panel(index, task, result) for index, task in enumerate(result.tasks))
    return f"""<section aria-labelledby="fronts">
<h2 id="fronts">The fronts</h2>
<p>Each dot is a member of a task's set. Move the limits: of each task the member with the lowest
{result.judge} within all of them is chosen.</p>
<div id="explorer"><p>The plots need JavaScript; the tables below hold the same numbers.</p></div>
</section>
<section aria-labelledby="numbers">
<h2 id="numbers">The sets in numbers</h2>
{panels}
</section>"""


def policy(style: str, *scripts: str) -> str:
    """Allow the inline texts by their digests and nothing else, above all no network."""
    digests = " ".join(f"'{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; "
        f"{f'script-src {digests}; ' if scripts else ''}base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def beside(name: str) -> str:
    """Return the text of a file of the page."""
    return (Path(__file__).parent / "web" / name).read_text(encoding="utf-8")
