"""Selection and teams on the command line: limits, preferences, tables, JSON and refusals."""

import json
import subprocess
import sys

import pytest
from test_cli import failure
from test_sets import made, made_sets, score

import sosjax.cli._commands as commands
from sosjax import Environment, SetOfSets, save_sets
from sosjax.cli import main
from sosjax.cli._config import example_text


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """Make a finished run of the library, of two tasks; three members each."""
    monkeypatch.chdir(tmp_path)
    rows = [(1000, 4000, 9000, 0.5), (2000, 8000, 18_000, 0.25), (4000, 16_000, 20_000, 0.125)]
    members = [made(score(*row)) for row in rows]
    each = [made_sets(members, [name]) for name in ("tops", "a,b=c")]
    places = (Environment("watch", bytes=9000), Environment("hub", bytes=20_000))
    tasks = tuple(sets.tasks[0] for sets in each)
    folder = tmp_path / "r"
    folder.mkdir()
    save_sets(SetOfSets(tasks, places, each[0].facts), folder)
    (folder / "run.json").write_text("{}")
    return folder


def said(capsys, *arguments):
    """Return the rows that a command prints."""
    assert main(arguments) == 0
    return capsys.readouterr().out


def selected(capsys, *options):
    """Return the JSON of a selection for the task `tops`."""
    return json.loads(said(capsys, "select", "r", "--task", "tops", *options, "--json"))


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ([], 2),
        (["--env", "watch"], 1),
        (["--parameters", "2e3"], 1),
        (["--bytes", "16e3", "--flops", "19_000"], 1),
        (["--knee", "flops"], 0),
        (["--weights", "error=1,parameters=1"], 1),
        (["--weights", "error=0", "--weights", "bytes=1"], 0),
        (["--at", "parameters=3999"], 1),
        (["--at", "parameters=1999", "--env", "watch"], 0),
    ],
)
def test_the_member_that_is_asked_for(options, number, capsys):
    assert selected(capsys, *options)["member"]["id"] == f"tops/{number}"


def test_selection_as_json(capsys):
    found = selected(capsys, "--bytes", "9000")
    why = found.pop("why")
    assert found == {
        "format": "sosjax-selection",
        "version": 1,
        "run": "r",
        "recovered": False,
        "task": "tops",
        "environment": {"name": "as asked", "limits": {"bytes": 9000}},
        "preference": {"name": "best"},
        "member": {
            "id": "tops/1",
            "task": "tops",
            "number": 1,
            "scores": {
                "parameters": 2000,
                "bytes": 8000,
                "flops": 18_000,
                "search_error": 0.25,
                "validation_error": 0.25,
                "test_error": 0.5,
                "epoch": None,
                "validation_error_before": None,
                "test_error_before": None,
                "expected_error": None,
                "diverged": False,
            },
            "kept": [
                {"group": "one", "kept": 2, "size": 3},
                {"group": "two", "kept": 1, "size": 2},
            ],
        },
    }
    assert [(one["id"], one["chosen"], one["admitted"]) for one in why] == [
        ("tops/0", False, True),
        ("tops/1", True, True),
        ("tops/2", False, False),
    ]
    assert why[2] == {
        "id": "tops/2",
        "number": 2,
        "parameters": 4000,
        "bytes": 16_000,
        "flops": 20_000,
        "validation_error": 0.125,
        "expected_error": None,
        "chosen": False,
        "admitted": False,
        "misses": [{"cost": "bytes", "needs": 16_000, "limit": 9000, "over": 7000, "share": 7 / 9}],
        "loss": [0.125],
        "reason": "needs 16,000 bytes, 7,000 (78 %) over 9,000",
    }
    assert selected(capsys)["environment"] is None
    weighted = selected(capsys, "--weights", "error=1")["preference"]
    assert weighted == {"name": "weighted", "weights": {"error": 1}}


def test_recovered_sets_are_used_where_they_are(run, capsys):
    (run / "recovered").mkdir()
    for path in list(run.glob("sets.*")):
        (run / "recovered" / path.name).write_bytes(path.read_bytes())
    content = json.loads((run / "sets.json").read_text()) | {"recovery": {"epochs": 1}}
    (run / "recovered" / "sets.json").write_text(json.dumps(content))
    assert selected(capsys)["recovered"] is True
    assert selected(capsys, "--unrecovered")["recovered"] is False


def test_why_is_a_table_before_the_member(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    out = said(capsys, "select", "r", "--task", "tops", "--bytes", "9000", "--why")
    table, member = out.split("member            tops/1\n")
    assert table.endswith("\ntask              tops (x, y)\n")
    rows = [line.split() for line in table.splitlines() if line.lstrip()[:1].isdigit()]
    assert [row[:5] for row in rows] == [
        ["0", "1,000", "4,000", "9,000", "50.00"],
        ["1", "2,000", "8,000", "18,000", "25.00"],
        ["2", "4,000", "16,000", "20,000", "12.50"],
    ]
    assert "chosen: 25.00 % error" in table
    assert "environment       as asked (bytes <= 9,000)\n" in member
    out = said(capsys, "select", "r", "--task", "tops")
    assert "environment       none\n" in out


def test_why_nothing_fits(capsys):
    assert main(["select", "r", "--task", "tops", "--bytes", "3000", "--why"]) == 2
    out, err = capsys.readouterr()
    assert err == (
        "sosjax: error: `env` as asked must admit a member of 'tops', but the nearest needs 4,000 "
        "bytes, 1,000 (33 %) over 3,000.\n"
    )
    assert len([line for line in out.splitlines() if line.lstrip()[:1].isdigit()]) == 3


def test_export_takes_the_same_choice(run, capsys, monkeypatch):
    (run / "config.toml").write_text(example_text())
    asked = []

    def exported(config, member, folder, **_):
        asked.append(member.scores.parameters)
        return "export", {}

    monkeypatch.setattr(commands, "_export", exported)
    for options in (["--knee", "flops"], ["--bytes", "9000"], ["--at", "parameters=4e3"]):
        said(capsys, "export", "r", "--task", "tops", *options, "--out", "new")
    assert asked == [1000, 2000, 4000]


def test_an_environment_in_a_file(tmp_path, capsys):
    path = tmp_path / "phone.toml"
    path.write_text("flops = 10e3\n")
    found = selected(capsys, "--env", "phone.toml")
    assert found["environment"] == {"name": "phone", "limits": {"flops": 10_000}}
    assert found["member"]["id"] == "tops/0"
    path.write_text('name = "my phone"\nbytes = 1e4\n')
    assert selected(capsys, "--env", str(path))["environment"]["name"] == "my phone"
    ask = ("select", "r", "--task", "tops", "--env")
    for text, sentence in (
        ("flops = ", "phone.toml must be TOML, got a mistake: "),
        ("flop = 3", "`environments.flop` is not a known key in phone.toml: "),
        ("flops = 0", "`environments phone.flops` must be a number at least 1, got 0."),
        ("", "`environments` phone must limit parameters, bytes, flops or, with a device, "),
    ):
        path.write_text(text)
        assert failure(capsys, *ask, "phone.toml").startswith(sentence)
    missing = "`--env` must be an environment or a TOML file, got no such file: x.toml."
    assert failure(capsys, *ask, "x.toml") == missing
    assert "got 'wach' (did you mean 'watch'?)." in failure(capsys, *ask, "wach")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--bytes", "0"], "`--bytes` must be a number at least 1, got 0."),
        (["--bytes=-5"], "`--bytes` must be a number at least 1, got -5."),
        (["--flops", "nan"], "`--flops` must be a number at least 1, got nan."),
        (["--flops", "inf"], "`--flops` must be a number at least 1, got inf."),
        (
            ["--bytes", "5e3", "--bytes", "6e3"],
            "`--bytes` must be given once, got 5000 and 6000.",
        ),
        (
            ["--env", "watch", "--bytes", "5", "--flops", "6"],
            "`--env` must be left out where there are limits of your own, got 'watch' and "
            "`--bytes`, `--flops`.",
        ),
        (
            ["--at", "bytes=9000", "--bytes", "5000"],
            "`at` must be within the limits, got 9,000 bytes where at most 5,000 are allowed.",
        ),
        (["--at", "9000"], "`--at` must be NAME=NUMBER, got '9000'."),
        (["--at", "a=1,b=2"], "`--at` must be one COST=NUMBER, got 'a=1,b=2'."),
        (["--at", "watts=1"], "`at` must be one of parameters, bytes, flops, got 'watts'."),
        (["--knee", "watts"], "`knee` must be one of parameters, bytes, flops, got 'watts'."),
        (["--weights", "error=x"], "`--weights` must be NAME=NUMBER, got 'error=x'."),
        (["--weights", "error=1,"], "`--weights` must be NAME=NUMBER, got ''."),
        (["--weights", "error=-1"], "`weights.error` must be a number at least 0, got -1."),
        (["--weights", "error=0"], "`weights` must have one above 0, got only zeros."),
        (
            ["--weights", "error=1", "--weights", "error=2"],
            "`--weights` must have different names, got twice: error.",
        ),
        (
            ["--json", "--why"],
            "`--json` must be given without `--texts` and `--why`, got both.",
        ),
    ],
)
def test_refusals(options, sentence, capsys):
    assert failure(capsys, "select", "r", "--task", "tops", *options) == sentence


def test_unknown_tasks(capsys):
    wanted = "`task` must be one of tops, a,b=c, got 'top' (did you mean 'tops'?)."
    assert failure(capsys, "select", "r", "--task", "top", "--json") == wanted
    wanted = "`tasks` must be one of tops, a,b=c, got 'top' (did you mean 'tops'?)."
    assert failure(capsys, "team", "r", "--bytes", "9e9", "--tasks", "top") == wanted


def team_of(capsys, *options):
    found = json.loads(said(capsys, "team", "r", *options, "--json"))
    return found, [one["id"] for one in found["members"]]


def test_team_as_json(capsys):
    found, ids = team_of(capsys, "--env", "hub")
    members = found.pop("members")
    assert ids == ["tops/1", "a,b=c/1"]
    assert set(members[0]) == {"id", "task", "number", "scores", "kept"}
    assert found == {
        "format": "sosjax-team",
        "version": 1,
        "run": "r",
        "recovered": False,
        "budget": {"name": "hub", "limits": {"bytes": 20_000}},
        "weights": {"tops": 1, "a,b=c": 1},
        "error": 0.5,
        "costs": {"parameters": 4000, "bytes": 16_000, "flops": 36_000},
    }


def test_weights_and_tasks_of_a_team(capsys):
    assert team_of(capsys, "--bytes", "2e4", "--weights", "tops=9")[1] == ["tops/2", "a,b=c/0"]
    assert team_of(capsys, "--bytes", "2e4", "--weights", "a,b=c=9")[1] == ["tops/0", "a,b=c/2"]
    assert team_of(capsys, "--bytes", "2e4", "--tasks", "a,b=c")[1] == ["a,b=c/2"]
    both = ("--tasks", "a,b=c", "--tasks", "tops")
    assert team_of(capsys, "--bytes", "8e3", *both)[1] == ["a,b=c/0", "tops/0"]


def test_a_team_is_a_table(capsys):
    rows = said(capsys, "team", "r", "--bytes", "16e3", "--tasks", "tops").splitlines()
    cells = [row.split() for row in rows if "," in row]
    assert cells == [
        ["tops/2", "4,000", "16,000", "20,000", "12.50", "50.00"],
        ["in", "all", "4,000", "16,000", "20,000"],
        ["at", "most", "-", "16,000", "-"],
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "`--env` or a limit must say what the team may cost in all, got neither."),
        (
            ["--bytes", "5e3"],
            "`budget` as asked must admit a member for each of 2 tasks, but the smallest team "
            "needs 8,000 bytes, 3,000 (60 %) over 5,000.",
        ),
        (
            ["--bytes", "9e3", "--weights", "tops=0,a=1"],
            "`weights` must be one of tops, a,b=c, got 'a'.",
        ),
        (
            ["--bytes", "9e3", "--tasks", "tops", "--weights", "tops=0"],
            "`weights` must have one above 0, got only zeros.",
        ),
        (
            ["--bytes", "9e3", "--tasks", "tops,tops"],
            "`tasks` must have different names, got twice: tops.",
        ),
    ],
)
def test_refused_teams(options, sentence, capsys):
    assert failure(capsys, "team", "r", *options) == sentence


@pytest.mark.parametrize(
    "command",
    [
        ["select", "r", "--task", "tops", "--knee", "bytes", "--json"],
        ["team", "r", "--bytes", "2e4"],
    ],
)
def test_choosing_imports_no_jax(command, run):
    code = (
        "import sys\n"
        "from sosjax.cli import main\n"
        f"assert main({command}) == 0\n"
        "assert 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
