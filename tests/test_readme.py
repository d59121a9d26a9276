"""README's example runs as it is, and its commands are where the checks look for them."""

import re
from pathlib import Path

import pytest
from test_cli_formats import MOODS, SUBJECTS, put_csv, put_encoder, written

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(name: str, after: bool = False) -> str:
    """Return the fenced block below a marker, or the one after that."""
    pattern = rf"<!-- {name} -->\n```\w+\n(.*?)```\n(?:\n```\n(.*?)```)?"
    found = re.search(pattern, README, re.DOTALL)
    assert found, name
    return found.group(2 if after else 1)


def test_python_example_runs_word_for_word(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(block("example"), "README.md", "exec"), {"__name__": "readme"})
    parameters, error = capsys.readouterr().out.split()[:2]
    assert 0 < int(parameters) * 4 <= 100_000
    assert 0 <= float(error) < 0.5  # three classes; guessing errs twice in three
    assert (tmp_path / "shoes-on-watch" / "network.stablehlo").stat().st_size > 0


def test_trace_example_prints_what_is_shown(capsys):
    exec(compile(block("trace example"), "example.py", "exec"), {"__name__": "readme"})
    printed = capsys.readouterr().out
    shown = (
        block("trace example", after=True)
        .replace("<- heads", "")
        .replace("<- the size of a head", "")
    )
    for line in shown.splitlines():
        assert line.rstrip() in [one.rstrip() for one in printed.splitlines()]
    assert "float32: masked and shrunk differ by at most" in printed


def test_strategies_example_runs_word_for_word(capsys):
    exec(compile(block("strategies example"), "README.md", "exec"), {"__name__": "readme"})
    distances = capsys.readouterr().out.split("]")[0].strip("[").split()
    assert len(distances) == 3
    assert all(0.003 < float(distance) < 0.1 for distance in distances)


def test_text_example_runs_word_for_word(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tokenizers")
    monkeypatch.chdir(tmp_path)
    put_encoder(tmp_path)
    (tmp_path / "net").rename(tmp_path / "all-MiniLM-L6-v2")
    for name, classes in (("stars", MOODS), ("topics", SUBJECTS)):
        put_csv(tmp_path / f"{name}.csv", written(classes, 90))
    exec(compile(block("text example"), "README.md", "exec"), {"__name__": "readme"})
    assert "Scores(kept=" in capsys.readouterr().out


def test_python_example_is_short():
    body = block("example").split("jat = sosjax.Jat(")[1]
    assert len(body.splitlines()) <= 25


def test_commands_are_single_lines():
    for name in ("demo command", "test command"):
        assert block(name).count("\n") == 1


def test_no_number_is_left_to_fill_in():
    assert "@@" not in README
