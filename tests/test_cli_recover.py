"""The command that recovers a run, and whose sets the others then use."""

import json
from dataclasses import asdict, replace

import pytest
from test_cli import failure, made_run, sets_on_disk

import sosjax.cli._commands as commands
import sosjax.cli._recovery as recovery_commands
from sosjax.cli import main
from sosjax.search._run_folder import RunFolder
from sosjax.training._recovery import Recovery


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def recovered(monkeypatch):
    """Replace all that computes; the settings of each recovery come back in a list."""
    asked = []

    def recover(config, run, recovery, quiet):
        folder = run / "recovered"
        if not folder.exists():
            RunFolder.create(folder, {"settings": asdict(recovery), "sets": "?"}, None)
        asked.append(recovery)
        if len(asked) > 1:
            (folder / "sets.json").write_text("{}")
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(recovery_commands, "_recover", recover)
    monkeypatch.setattr(
        recovery_commands, "show", lambda run, quiet, *_: print(run / "report.html")
    )
    return asked


def test_recovery_goes_on_with_the_same_command_and_ends_once(folder, recovered, capsys):
    made_run(folder / "my run")
    command = ["recover", "my run", "--epochs", "3", "--rate", "0.01", "--parts", "norms"]
    assert main(command) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(
        "continue with: sosjax recover 'my run' --epochs 3 --rate 0.01 --parts norms\n"
    )
    wanted = replace(Recovery(), epochs=3, rate=0.01, parts="norms")
    assert recovered == [wanted]
    assert failure(capsys, *command[:-2]) == (
        "`run` must be resumed with what it was started with, got other settings (parts 'all', "
        "not 'norms') for my run/recovered; to begin anew, remove it."
    )
    assert main(command) == 0
    assert capsys.readouterr().out == "my run/report.html\n"
    assert recovered == [wanted, wanted]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("my run/report.html\n", "recovered already: my run/recovered\n")
    assert len(recovered) == 2


def test_nothing_written_is_nothing_to_continue(folder, monkeypatch, capsys):
    made_run(folder / "r")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(recovery_commands, "_recover", stopped)
    assert main(["recover", "r"]) == 130
    assert capsys.readouterr().err == "sosjax: interrupted; nothing was written\n"


def test_recovery_is_as_configured(folder, recovered, capsys):
    path = made_run(folder / "r") / "config.toml"
    path.write_text(path.read_text().replace("epochs = 8", "epochs = 2"))
    assert main(["recover", "r"]) == 130
    assert recovered == [Recovery(epochs=2)]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--epochs", "0"], "`recovery.epochs` must be a whole number from 1 to 1e+06, got 0."),
        (["--rate", "-1"], "`recovery.rate` must be a number at least 0, got -1.0."),
        (["--parts", "head"], "`recovery.parts` must be one of all, norms, low-rank, got 'head'."),
    ],
)
def test_bad_settings(folder, options, wanted, capsys):
    made_run(folder / "r")
    assert failure(capsys, "recover", "r", *options) == wanted
    assert not (folder / "r" / "recovered").exists()


def test_not_what_a_command_line_made(folder, capsys):
    (made_run(folder / "r") / "config.toml").unlink()
    assert "got one of the library, without config.toml: r." in failure(capsys, "recover", "r")
    made_run(folder / "s")
    (folder / "s" / "recovered").write_text("")
    wanted = "`run` must be a run folder, got none at s/recovered."
    assert failure(capsys, "recover", "s") == wanted


def test_recovered_sets_are_used_where_they_are(folder, monkeypatch, capsys):
    made_run(folder / "r")
    asked, errors = [], {"validation_error_before": 0.5, "test_error_before": 0.625}

    def sets(path):
        asked.append(str(path))
        after = errors | {"epoch": 3} if path.name == "recovered" else {}
        return sets_on_disk(**after)(path)

    monkeypatch.setattr(commands, "sets_of", sets)
    monkeypatch.setattr(commands, "_export", lambda *asked, **_: (f"export: {asked[-1]}", {}))
    places = []
    monkeypatch.setattr(
        "sosjax.deploy._certify.kept_certificate",
        lambda place, *_: places.append(str(place)) or "the same",
    )
    select = ["select", "r", "--task", "tops", "--env", "watch"]
    export = ["export", *select[1:], "--out", "new"]
    (folder / "r" / "recovered").mkdir()
    assert main(select) == main(export) == 0
    assert "recover" not in capsys.readouterr().out
    (folder / "r" / "recovered" / "sets.json").write_text("{}")
    assert main(select) == 0
    text = "recovery          epoch 3; before it validation error 50.00 %, test error 62.50 %\n"
    assert text in capsys.readouterr().out
    assert main(export) == 0
    assert capsys.readouterr().out.startswith("export: new\n  of the recovered sets: epoch 3; be")
    assert main([*select, "--unrecovered"]) == main([*export, "--unrecovered"]) == 0
    assert "recover" not in capsys.readouterr().out
    assert asked == ["r", "r", "r/recovered", "r/recovered", "r", "r"]
    assert places == ["r", "r/recovered", "r"]


@pytest.mark.parametrize(("diverged", "end"), [(False, ""), (True, "; its training diverged")])
def test_a_member_that_no_epoch_made_better(diverged, end, folder, monkeypatch, capsys):
    (made_run(folder / "r") / "config.toml").unlink()
    before = {"validation_error_before": 0.125, "test_error_before": 0.25}
    monkeypatch.setattr(commands, "sets_of", sets_on_disk(epoch=0, diverged=diverged, **before))
    assert main(["select", "r", "--task", "tops", "--env", "watch"]) == 0
    out = capsys.readouterr().out
    assert f"recovery          no epoch was better than the member as it was found{end}\n" in out


def test_a_whole_recovery(folder, monkeypatch, capsys):
    """With the library behind it: what is loaded is recovered, shown, certified and exported."""
    from problem import ENVIRONMENTS, TASKS, found, make_data, network

    from sosjax import load_sets, save_sets
    from sosjax.cli._config import Config

    run = made_run(folder / "r", finished=False)
    save_sets(found(), run)
    path = run / "config.toml"
    monkeypatch.setattr(Config, "load", lambda self: (network(), make_data(), TASKS))
    text = path.read_text().replace("batch = 64", "batch = 16").replace("epochs = 8", "epochs = 3")
    path.write_text(text.replace("rounds = 3", "rounds = 0"))
    (run / "run.json").write_text('{"format": "sosjax-run", "version": 1}')
    assert main(["recover", "r", "--rate", "0.01"]) == 0
    out, err = capsys.readouterr()
    assert "Recovered sets" in out and "report: r/report.html" in out
    members = sum(len(task.members) for task in found().tasks)
    assert f"recovering {members} members of 2 tasks" in err and "epoch 3 of 3" in err
    assert any(
        one.scores.epoch for task in load_sets(run / "recovered").tasks for one in task.members
    )
    page = (run / "report.html").read_text()
    assert '"recovered":true' in page and "Recovery rate</dt><dd>0.01<" in page
    assert main(["recover", "r", "--rate", "0.01", "--quiet"]) == 0
    assert capsys.readouterr().out == "r/report.html\n"
    assert main(["report", "r", "--unrecovered"]) == 0
    assert "Recovered" not in capsys.readouterr().out
    assert '"recovered":false' in (run / "report.html").read_text()
    assert (
        json.loads((run / "recovered" / "run.json").read_text())["asked"]["settings"]["rate"]
        == 0.01
    )
    assert ENVIRONMENTS[0].name in out
