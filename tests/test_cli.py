"""Commands, exit codes, and what goes to which stream."""

import json
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import sosjax.cli._commands as commands
from sosjax import Environment, Member, Scores, SetOfSets, TaskSet
from sosjax.cli import main
from sosjax.cli._config import example_text


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure(capsys, *arguments):
    """Return the sentence that a command fails with."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("sosjax: error: ")
    return err.removeprefix("sosjax: error: ").rstrip("\n")


def made_run(folder, finished=True):
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "config.toml").write_text(example_text())
    if finished:
        (folder / "sets.json").write_text("{}")
    return folder


@pytest.fixture
def searched(monkeypatch):
    """Replace all that computes; the configurations that were searched come back in a list."""
    asked = []

    class Sets:
        def select(self, task, environment):
            return SimpleNamespace(task=task)

    def search(config, folder, quiet):
        made_run(folder)
        (folder / "config.toml").write_text(config.text)
        asked.append(config)
        return Sets()

    monkeypatch.setattr(commands, "_search", search)
    monkeypatch.setattr(commands, "_resume", lambda config, folder, quiet: asked.append(config))
    monkeypatch.setattr(commands, "show", lambda folder, quiet, *_: print(folder / "report.html"))

    def exported(config, member, folder, **about):
        folder.mkdir()
        return f"export: {folder}", {}

    monkeypatch.setattr(commands, "_export", exported)
    return asked


def test_help_and_version(capsys):
    assert main(["--help"]) == 0
    assert "demo" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sosjax ")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "required: COMMAND"),
        (["rnu"], "invalid choice: 'rnu'"),
        (["run"], "required: CONFIG, --out"),
        (["run", "a", "--ou", "b"], "--out"),
        (["demo", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["select", "a", "--env", "e"], "required: --task"),
        (["select", "a", "--task", "t", "--bytes", "x"], "--bytes: invalid number value: 'x'"),
        (["select", "a", "--task", "t", "--knee", "flops", "--at", "bytes=1"], "not allowed with"),
        (["export", "a", "--task", "t", "--env", "e"], "required: --out"),
    ],
)
def test_bad_arguments(arguments, wanted, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert wanted in err
    assert out == ""


def test_help_and_init_import_nothing_heavy(folder):
    code = (
        "import sys\n"
        "from sosjax.cli import main\n"
        "assert [main(['--help']), main(['run', '--help'])] == [0, 0]\n"
        "assert not {'jax', 'numpy', 'rich', 'shtab'} & set(sys.modules)\n"
        "assert [main(['init']), main(['run', 'x', '--out', 'y'])] == [0, 2]\n"
        "assert 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_module_runs_as_the_command():
    command = [sys.executable, "-m", "sosjax", "report", "x"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr == b"sosjax: error: `RUN` must be a run folder, got no such folder: x.\n"


def test_init_writes_the_example_and_never_overwrites(folder, capsys):
    assert main(["init"]) == 0
    assert capsys.readouterr().out == "sosjax.toml\n"
    assert (folder / "sosjax.toml").read_text() == example_text()
    (folder / "sosjax.toml").write_text("mine")
    wanted = "`PATH` must be new, got a path that exists: sosjax.toml; nothing was changed."
    assert failure(capsys, "init") == wanted
    assert (folder / "sosjax.toml").read_text() == "mine"
    assert "cannot be written: No such file" in failure(capsys, "init", "none/here.toml")
    (folder / "link").symlink_to("nowhere")
    assert "`PATH` must be new" in failure(capsys, "init", "link")


def test_run_refuses_before_it_computes(folder, capsys):
    (folder / "there").mkdir()
    (folder / "c.toml").write_text(example_text())
    wanted = "`--out` must be new, got a path that exists: there; nothing was changed."
    assert failure(capsys, "run", "c.toml", "--out", "there") == wanted
    (folder / "c.toml").write_text(example_text().replace("rmp =", "rpm ="))
    assert "(did you mean `search.rmp`?)" in failure(capsys, "run", "c.toml", "--out", "new")
    assert not (folder / "new").exists()


def test_run_keeps_its_configuration_word_for_word(folder, searched, capsys):
    (folder / "c.toml").write_text(example_text())
    assert main(["run", "c.toml", "--out", "new"]) == 0
    assert capsys.readouterr().out == "new/report.html\n"
    assert (folder / "new" / "config.toml").read_text() == example_text()


def test_demo_finds_a_free_folder(folder, searched, capsys):
    for name in ("sosjax-demo", "sosjax-demo-2", "sosjax-demo-3"):
        assert main(["demo"]) == 0
        out = capsys.readouterr().out
        assert out == f"export: {name}/exports/tops-sensor\n{name}/report.html\n"
        assert (folder / name / "exports" / "tops-sensor").is_dir()
    assert failure(capsys, "demo", "--out", "sosjax-demo").startswith("`--out` must be new")


def test_demo_is_the_example_with_a_seed(folder, searched, capsys):
    assert main(["demo", "--seed", "5", "--quiet", "--out", "d"]) == 0
    assert capsys.readouterr().out == "d/report.html\n"
    assert searched[0].text == example_text().replace("\nseed = 0", "\nseed = 5")
    assert failure(capsys, "demo", "--seed", "-1").startswith("`search.seed` must be a whole")


@pytest.mark.parametrize("given", ["", "10.0.0.1,2,0", "10.0.0.1:80,2", "h:80,2,2", "h:80,0,0"])
def test_a_cluster_that_cannot_be_is_refused(given, folder, capsys):
    assert main(["init"]) == 0
    capsys.readouterr()
    told = failure(capsys, "run", "sosjax.toml", "--out", "r", "--cluster", given)
    assert told.startswith("`--cluster` must be auto or ADDRESS:PORT,COUNT,NUMBER")
    assert not (folder / "r").exists()


def test_where_there_is_no_cluster_auto_says_so(folder, capsys, monkeypatch):
    def alone():
        raise ValueError("coordinator_address should be defined.\nMore of it.")

    monkeypatch.setattr(jax.distributed, "initialize", alone)
    assert main(["init"]) == 0
    capsys.readouterr()
    assert failure(capsys, "run", "sosjax.toml", "--out", "r", "--cluster", "auto") == (
        "`--cluster` auto: the processes did not meet: coordinator_address should be defined "
        "(give ADDRESS:PORT,COUNT,NUMBER)."
    )


def test_resume_reads_the_copy(folder, searched, capsys):
    made_run(folder / "r", finished=False)
    assert main(["resume", "r"]) == 0
    assert searched[0].text == example_text()


@pytest.mark.parametrize("command", ["resume", "recover", "report", "select", "export"])
def test_not_a_run(command, folder, capsys):
    options = ["--task", "t", "--env", "e"] if command in ("select", "export") else []
    options += ["--out", "new"] if command == "export" else []
    (folder / "file").write_text("")
    for name, came in (
        ("x", "no such folder"),
        ("file", "a file"),
        (".", "a folder without run.json"),
    ):
        wanted = f"`RUN` must be a run folder, got {came}: {name}."
        assert failure(capsys, command, name, *options) == wanted


@pytest.mark.parametrize("command", ["recover", "report", "select", "export"])
def test_not_a_finished_run(command, folder, capsys):
    made_run(folder / "my run", finished=False)
    options = ["--task", "t", "--env", "e"] if command in ("select", "export") else []
    options += ["--out", "new"] if command == "export" else []
    message = failure(capsys, command, "my run", *options)
    assert message.endswith("continue it with: sosjax resume 'my run'")


def test_run_of_the_library_cannot_be_resumed_here(folder, capsys):
    made_run(folder / "r", finished=False)
    (folder / "r" / "config.toml").unlink()
    assert "got one of the library, without config.toml: r." in failure(capsys, "resume", "r")


def raises(error):
    def action(*_):
        raise error

    return action


def test_interruption_says_how_to_continue(folder, searched, monkeypatch, capsys):
    (folder / "c.toml").write_text(example_text())

    def search(config, folder, quiet):
        made_run(folder, finished=False)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "_search", search)
    assert main(["run", "c.toml", "--out", "my run"]) == 130
    err = capsys.readouterr().err
    assert err == "sosjax: interrupted; continue with: sosjax resume 'my run'\n"
    monkeypatch.setattr(commands, "_search", raises(KeyboardInterrupt))
    assert main(["run", "c.toml", "--out", "other"]) == 130
    assert capsys.readouterr().err == "sosjax: interrupted; nothing was written\n"


def test_system_errors_are_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(commands, "init", raises(OSError(28, "No space left on device", "x")))
    assert failure(capsys, "init") == "No space left on device: x."


def test_closed_pipe_is_quiet(monkeypatch, capsys):
    monkeypatch.setattr(commands, "init", raises(BrokenPipeError()))
    assert main(["init"]) == 1
    assert capsys.readouterr().err == ""


def sets_on_disk(**recovery):
    errors = {"search_error": 0.1, "validation_error": 0.125, "test_error": 0.25}
    scores = Scores((3, 8), 1234, 5678, 91011, **{**errors, **recovery})
    none = np.zeros((0, 0), np.float32)
    member = Member("tops", ("Coat", "Shirt"), scores, (), {}, none, none.ravel())
    groups = [{"name": "a", "size": 4}, {"name": "b", "size": 8}]
    sets = SetOfSets(
        (TaskSet("tops", member.classes, scores, (member,), ()),),
        (Environment("watch", bytes=16_000),),
        {"network": {"groups": groups}},
    )
    return lambda path: sets


def test_select_prints_the_member(folder, monkeypatch, capsys):
    (made_run(folder / "r") / "config.toml").unlink()
    monkeypatch.setattr(commands, "sets_of", sets_on_disk())
    assert main(["select", "r", "--task", "tops", "--env", "watch"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {key: value.strip() for key, value in rows.items()} == {
        "task": "tops (Coat, Shirt)",
        "member": "tops/0",
        "environment": "watch (bytes <= 16,000)",
        "parameters": "1,234",
        "bytes": "5,678",
        "flops": "91,011",
        "validation error": "12.50 %",
        "test error": "25.00 %",
        "kept": "a 3/4, b 8/8",
        "certificate": "none: the network of a run of the library is not at hand",
    }


def test_select_prints_the_certificate_of_a_run(folder, monkeypatch, capsys):
    made_run(folder / "r")
    monkeypatch.setattr(commands, "sets_of", sets_on_disk())
    asked = []

    def kept(*arguments):
        asked.append(arguments)
        return "float32: the same\nas searched"

    monkeypatch.setattr("sosjax.deploy._certify.kept_certificate", kept)
    assert main(["select", "r", "--task", "tops", "--env", "watch"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "certificate       float32: the same",
        "                  as searched",
    ]
    ((run, load, member),) = asked
    assert (run.name, load.__name__, member.task) == ("r", "load", "tops")


def test_export_needs_a_new_folder(folder, searched, monkeypatch, capsys):
    made_run(folder / "r")
    monkeypatch.setattr(commands, "sets_of", sets_on_disk())
    arguments = ["export", "r", "--task", "tops", "--env", "watch", "--out", "new"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "export: new\n"
    assert failure(capsys, *arguments).startswith("`--out` must be new")


def test_export_tells_a_script(folder, monkeypatch, capsys):
    made_run(folder / "r")

    def exported(config, member, place, **about):
        place.mkdir()
        (place / "architecture.json").write_text('{"parameters": 7}')
        return "told", {}

    monkeypatch.setattr(commands, "_export", exported)
    monkeypatch.setattr(commands, "sets_of", sets_on_disk())
    assert main(["export", "r", "--task", "tops", "--env", "watch", "--out", "new", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": "new", "parameters": 7}


def test_export_says_what_could_not_be_written(folder, monkeypatch, capsys):
    made_run(folder / "r")
    asked = []

    def exported(config, member, folder, **about):
        asked.append(about)
        return f"export: {folder}", {"onnx": "no ONNX for 'x'."}

    monkeypatch.setattr(commands, "_export", exported)
    monkeypatch.setattr(commands, "sets_of", sets_on_disk())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    arguments = ["export", "r", "--task", "tops", "--env", "watch", "--int8", "--out", "new"]
    assert main([*arguments, "--format", "pytorch, safetensors", "--format", "onnx"]) == 2
    out, err = capsys.readouterr()
    assert out == "export: new\n"
    assert err == (
        "sosjax: error: `--format` must name what can hold this member, got onnx: no ONNX for "
        "'x'; the other formats are in new.\n"
    )
    (about,) = asked
    assert about["formats"] == ("onnx", "pytorch") and about["quantize"] == "int8"
    assert about["environment"].limits == {"bytes": 16000}


@pytest.mark.parametrize("asked", ["tflite", "onnx,tflite", ""])
def test_a_format_that_is_unknown_is_refused_first(asked, folder, capsys):
    arguments = ["export", "nowhere", "--task", "t", "--env", "e", "--out", "new"]
    assert failure(capsys, *arguments, "--format", asked) == (
        "`--format` must be one of safetensors, stablehlo, onnx, pytorch, got "
        f"{asked.split(',')[-1]!r}."
    )
