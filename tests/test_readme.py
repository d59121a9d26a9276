"""README's example runs as it is, and its commands are where the checks look for them."""

from pages import ROOT, block, blocks

README = ROOT / "README.md"


def test_python_example_runs_word_for_word(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = block(README, "example").code
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    parameters, error = capsys.readouterr().out.split()[:2]
    assert 0 < int(parameters) * 4 <= 100_000
    assert 0 <= float(error) < 0.5  # three classes; guessing errs twice in three
    assert (tmp_path / "shoes-on-watch" / "network.stablehlo").stat().st_size > 0


def test_it_is_the_only_python():
    assert [one.marks for one in blocks(README) if one.language == "python"] == [("example",)]


def test_python_example_is_short():
    body = block(README, "example").code.split("jat = sosjax.Jat(")[1]
    assert len(body.splitlines()) <= 25


def test_readme_is_short():
    assert len(README.read_text().splitlines()) <= 250


def test_commands_are_single_lines():
    for name in ("demo command", "test command"):
        assert block(README, name).code.count("\n") == 1


def test_no_number_is_left_to_fill_in():
    assert "@@" not in README.read_text()
