"""Docstrings for the site: doctests become blocks of code, wherever in a docstring they are."""

import griffe


def fenced(text: str) -> str:
    """Return text in which each run of lines from `>>>` to the next empty line is fenced."""
    lines: list[str] = []
    end = ""  # of the block that is open
    for line in text.splitlines():
        if end and not line.strip():
            lines.append(end)
            end = ""
        elif not end and line.lstrip().startswith(">>>"):
            indent = line[: len(line) - len(line.lstrip())]
            end = f"{indent}```"
            lines.append(f"{indent}```pycon")
        lines.append(line)
    return "\n".join([*lines, end] if end else lines)


class Doctests(griffe.Extension):
    """Fences the doctests of every object, before its docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: object) -> None:
        """Change the docstring of a class, function or module."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
