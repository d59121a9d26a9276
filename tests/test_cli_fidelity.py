"""The command that compares a run's fitness with recovered errors."""

import json
from dataclasses import asdict

import pytest
from test_cli import failure, made_run
from test_report_fidelity import comparison

import sosjax.cli._recovery as commands
from sosjax.cli import main
from sosjax.search._run_folder import RunFolder
from sosjax.training._recovery import Recovery


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def compared(monkeypatch):
    """Replace all that computes; the first call is interrupted."""
    asked = []

    def compare(config, run, folder, arguments):
        own = {"candidates": arguments.candidates, "sample": arguments.seed}
        if not folder.exists():
            settings = asdict(config.recovery) | own
            RunFolder.create(folder, {"settings": settings, "sets": "?"}, None)
        asked.append((config.recovery, own, str(folder)))
        if len(asked) == 1:
            raise KeyboardInterrupt
        (folder / "fidelity.json").write_text(json.dumps(comparison()))

    monkeypatch.setattr(commands, "_compare", compare)
    return asked


def test_a_comparison_goes_on_with_the_same_command_and_ends_once(folder, compared, capsys):
    made_run(folder / "my run")
    command = ["fidelity", "my run", "--candidates", "12", "--seed", "3"]
    assert main(command) == 130
    assert capsys.readouterr().err.endswith(
        "continue with: sosjax fidelity 'my run' --candidates 12 --seed 3\n"
    )
    assert failure(capsys, "fidelity", "my run", "--seed", "3") == (
        "`run` must be resumed with what it was started with, got other settings (candidates 40, "
        "not 12) for my run/fidelity; to begin anew, remove it."
    )
    assert main(command) == 0
    out, _ = capsys.readouterr()
    assert "0.912" in out and out.endswith("fidelity: my run/fidelity/fidelity.html\n")
    assert main([*command, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out == "my run/fidelity/fidelity.html\n"
    assert err == "compared already: my run/fidelity\n"
    assert main([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"page": "my run/fidelity/fidelity.html"} | comparison()
    own = (Recovery(), {"candidates": 12, "sample": 3}, "my run/fidelity")
    assert compared == [own, own]


def test_another_folder(folder, compared, capsys):
    made_run(folder / "r")
    assert main(["fidelity", "r", "--out", "other"]) == 130
    command = "sosjax fidelity r --candidates 40 --seed 0 --out other"
    assert capsys.readouterr().err.endswith(f"continue with: {command}\n")
    assert main(["fidelity", "r", "--out", "other", "--quiet"]) == 0
    assert capsys.readouterr().out == "other/fidelity.html\n"
    assert not (folder / "r" / "fidelity").exists()


def test_not_a_finished_run(folder, capsys):
    assert failure(capsys, "fidelity", "x") == "`RUN` must be a run folder, got no such folder: x."
    made_run(folder / "r", finished=False)
    assert failure(capsys, "fidelity", "r").endswith("continue it with: sosjax resume r")
    (made_run(folder / "s") / "config.toml").unlink()
    assert "got one of the library, without config.toml: s." in failure(capsys, "fidelity", "s")
    made_run(folder / "t")
    (folder / "new").mkdir()
    wanted = "new/run.json must be a file, got none there."
    assert failure(capsys, "fidelity", "t", "--out", "new") == wanted


def test_too_few_candidates(folder, monkeypatch, capsys):
    from problem import TASKS, found, make_data, network

    from sosjax import save_sets
    from sosjax.cli._config import Config

    save_sets(found(), made_run(folder / "r", finished=False))
    monkeypatch.setattr(Config, "load", lambda self: (network(), make_data(), TASKS))
    assert main(["fidelity", "r", "--candidates", "3"]) == 2
    out, err = capsys.readouterr()
    wanted = "`candidates` must be a whole number from 6 to 10000, got 3."
    assert (out, err) == ("", f"sosjax: error: {wanted}\n")
    assert not (folder / "r" / "fidelity").exists()
