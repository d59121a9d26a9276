"""The folder of a run: made whole, opened only for what it is of."""

import errno
import json

import pytest

from sosjax import InputError, __version__
from sosjax.search import _run_folder as run_folder
from sosjax.search._run_folder import RunFolder

ASKED = {"settings": {"seed": 3, "objectives": ("error", "bytes")}, "data": "abc", "tasks": []}


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "deep" / "run", ASKED, "seed = 3\n")


def changed(run, **changes):
    header = json.loads((run.path / "run.json").read_text()) | changes
    (run.path / "run.json").write_text(json.dumps(header))


def refusal(run, asked=ASKED):
    with pytest.raises(InputError) as refused:
        RunFolder.open(run.path, asked)
    return str(refused.value).replace(str(run.path), "RUN")


def lines(*generations):
    return [{"generation": generation, "seconds": 0.5} for generation in generations]


def test_made_whole(run):
    assert sorted(path.name for path in run.path.iterdir()) == ["config.toml", "run.json"]
    assert [path.name for path in run.path.parent.iterdir()] == ["run"]
    assert (run.path / "config.toml").read_text() == "seed = 3\n"
    header = json.loads((run.path / "run.json").read_text())
    assert (header["format"], header["version"], header["seed"]) == ("sosjax-run", 1, 3)
    assert header["versions"]["sosjax"] == __version__
    assert RunFolder.open(run.path, ASKED).path == run.path


def test_existing_place_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"got one that exists: .*file; nothing was changed\."):
        RunFolder.create(tmp_path / "file", ASKED, None)
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(InputError, match="`folder` .* cannot be made: Not a directory"):
        RunFolder.create(tmp_path / "file" / "run", ASKED, None)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_folder.os, "rename", full)
    with pytest.raises(InputError, match="cannot be made: No space left on device"):
        RunFolder.create(tmp_path / "run", ASKED, "seed = 3\n")
    assert not list(tmp_path.iterdir())


def test_no_run_folder(tmp_path):
    with pytest.raises(InputError, match="`run` must be a run folder, got none at"):
        RunFolder.open(tmp_path / "none")
    with pytest.raises(InputError, match="run.json must be a file, got none there"):
        RunFolder.open(tmp_path)
    for content in ('{"format": "other"}', "[]", "3"):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(InputError, match="`run` must be a run folder of sosjax, got "):
            RunFolder.open(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "sos')
    with pytest.raises(InputError, match="got a damaged file"):
        RunFolder.open(tmp_path)


def test_other_settings(run):
    other = ASKED | {"settings": ASKED["settings"] | {"seed": 4}, "tasks": ["a"]}
    wanted = (
        "`run` must be resumed with what it was started with, got other settings (seed 4, not 3), "
        "tasks for RUN."
    )
    assert refusal(run, other) == wanted


def test_other_format_version(run):
    changed(run, version=2)
    wanted = f"`run` must be of format version 1, got 2 in RUN: use sosjax {__version__}."
    assert refusal(run) == wanted
    changed(run, versions=None)
    assert refusal(run) == "`run` must be of format version 1, got 2 in RUN: use sosjax None."


def test_other_sosjax(run):
    changed(run, versions={"sosjax": "9.9"})
    wanted = f"`run` must be resumed with the sosjax it was started with, 9.9, got {__version__}."
    assert refusal(run) == wanted
    assert RunFolder.open(run.path).path == run.path


@pytest.mark.parametrize("changes", [{"versions": {}}, {"versions": None}, {"asked": None}])
def test_damaged_header(changes, run):
    changed(run, **changes)
    assert refusal(run).startswith("`run` must be resumed with ")


def test_journal_is_appended_and_rewound(run):
    run.append_journal(lines(0, 1))
    run.append_journal(lines(2, 3))
    assert run.rewind_journal(2) == lines(0, 1, 2)
    assert run.journal.read_text().count("\n") == 3
    assert run.rewind_journal(-1) == []
    assert run.journal.read_text() == ""


@pytest.mark.parametrize(
    "tail", ['{"generation": 2, "sec', "7\n", '{"other": 1}\n', "\x00\x00", "\n"]
)
def test_cut_journal_is_mended(tail, run):
    run.append_journal(lines(0, 1))
    with open(run.journal, "a") as file:
        file.write(tail)
    assert run.rewind_journal(5) == lines(0, 1)
    assert [json.loads(line) for line in run.journal.read_text().splitlines()] == lines(0, 1)


def test_journal_on_a_full_disk(run, monkeypatch):
    run.journal.mkdir()
    with pytest.raises(InputError, match="journal.jsonl cannot be written: Is a directory"):
        run.append_journal(lines(0))
