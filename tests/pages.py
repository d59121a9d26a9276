"""What the written pages hold: blocks of code, links, and places that links may lead to."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs").glob("*.md"))
REFERENCE = sorted((ROOT / "docs" / "api").glob("*.md"))
FRONT = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]


class Block(NamedTuple):
    """A fenced block.

    Attributes:
      language: what the fence says; empty if nothing.
      code: what is in it.
      marks: the comments in the lines just above it, the first first.
    """

    language: str
    code: str
    marks: tuple[str, ...]

    def mark(self, name: str) -> list[str]:
        """Return what follows `name:` in each mark that begins so."""
        return [one.removeprefix(f"{name}:").strip() for one in self.marks if one.startswith(name)]


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found, marks, lines = [], [], iter(path.read_text().splitlines())
    for line in lines:
        comment = re.fullmatch(r"<!-- (.*) -->", line)
        if line.startswith("```"):
            inside = []
            for one in lines:
                if one.startswith("```"):
                    break
                inside.append(one)
            found.append(Block(line[3:], "\n".join(inside) + "\n", tuple(marks)))
        marks = [*marks, comment.group(1)] if comment else []
    return found


def block(path: Path, mark: str) -> Block:
    """Return the block of a page that has a mark."""
    return next(one for one in blocks(path) if mark in one.marks)


def commands(path: Path) -> list[list[str]]:
    """Return the words of each line that runs sosjax, in the blocks for a shell."""
    lines = [line for one in blocks(path) if one.language == "sh" for line in one.code.splitlines()]
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [one for one in words if one[:1] == ["sosjax"]]


def _prose(path: Path) -> str:
    """Return a page without fenced blocks and code between backticks."""
    text = re.sub(r"(?ms)^```.*?^```$", "", path.read_text())
    return re.sub(r"`[^`\n]*`", "code", text)


def links(path: Path) -> list[str]:
    """Return where the links and pictures of a page lead."""
    return re.findall(r"\]\(([^)\s]+)\)", _prose(path))


def anchors(path: Path) -> set[str]:
    """Return the places of a page that a link may lead to."""
    text = re.sub(r"(?ms)^```.*?^```$", "", path.read_text())
    headings = re.findall(r"(?m)^#+ (.*)$", text)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    named = re.findall(r"(?m)^::: (\S+)$", text)
    return {re.sub(r"\s", "-", one) for one in plain} | set(named)
