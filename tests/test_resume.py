"""Runs that are killed go on to the sets they would have found."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from problem import (
    ENVIRONMENTS,
    SETTINGS,
    TASKS,
    contents,
    found_by_perceptron,
    make_data,
    make_mlp,
    perceptron,
    shuffled,
)

from sosjax import Environment, InputError, Task, load_sets, resume, save_sets, search
from sosjax.search import _driver as driver

CHILD = Path(__file__).parent / "child.py"


@cache
def uninterrupted():
    """Return the bytes of `sets.json` of the run that nobody kills."""
    with tempfile.TemporaryDirectory() as folder:
        save_sets(found_by_perceptron(), Path(folder))
        return (Path(folder) / "sets.json").read_bytes()


def started(moment, folder, devices=1, cluster=()):
    """Start a run, or go on with one, on so many devices of its own."""
    flags = os.environ.get("XLA_FLAGS", "")
    flags += f" --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, str(CHILD), moment, str(folder), *cluster],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def killed(moment, folder, patience=120, devices=1):
    """Start a run, wait until it holds still at a moment, kill it."""
    child = started(moment, folder, devices)
    end = time.monotonic() + patience
    while not (folder.parent / "held").exists():
        assert child.poll() is None, child.stdout.read().decode()[-2000:]
        assert time.monotonic() < end, "the run did not come to the moment"
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()


def resumed(folder, **changes):
    asked = {
        "jat": perceptron(),
        "data": make_data(),
        "tasks": TASKS,
        "environments": ENVIRONMENTS,
        "settings": SETTINGS,
    }
    return resume(**(asked | changes), folder=folder)


def journal(folder):
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def check_finished(folder):
    """Check that a run is as if it had never been interrupted."""
    assert contents(load_sets(folder)) == contents(found_by_perceptron())
    assert (folder / "sets.json").read_bytes() == uninterrupted()
    assert [line["generation"] for line in journal(folder)] == [0, 1, 2, 3]
    seconds = [line["seconds"] for line in journal(folder)]
    assert seconds == sorted(seconds)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["checkpoints", "journal.jsonl", "run.json", "sets.json", "sets.safetensors"]
    names = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert names == ["00000002", "00000004"]


def check_resumed(folder):
    """Go on in this process, to what an uninterrupted run finds."""
    assert contents(resumed(folder)) == contents(found_by_perceptron())
    check_finished(folder)


def run_to_the_end(folder, devices):
    child = started("never", folder, devices)
    told, _ = child.communicate()
    assert child.returncode == 0, told.decode()[-2000:]
    check_finished(folder)


def test_eight_devices_find_what_one_finds(tmp_path):
    """Populations of six and fronts of any size are shared out among eight, to the bit."""
    run_to_the_end(tmp_path / "run", devices=8)


@pytest.mark.parametrize(("before", "after"), [(8, 3), (1, 8)])
def test_killed_run_goes_on_with_other_devices(before, after, tmp_path):
    folder = tmp_path / "run"
    killed("between two checkpoints", folder, devices=before)
    run_to_the_end(folder, devices=after)


@pytest.fixture
def port():
    """Return a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_two_processes_find_what_one_finds(tmp_path, port):
    """Two devices each; the first writes, and the sets are the same to the bit."""
    folder = tmp_path / "run"
    pair = [started("never", folder, 2, [f"127.0.0.1:{port},2,{own}"]) for own in (1, 0)]
    told = [child.communicate()[0].decode()[-2000:] for child in pair]
    assert [child.returncode for child in pair] == [0, 0], told
    check_finished(folder)


def test_a_process_that_dies_ends_the_run_which_can_be_resumed(tmp_path, port):
    folder = tmp_path / "run"
    second = started("amid the generations", folder, 2, [f"127.0.0.1:{port},2,1"])
    first = started("never", folder, 2, [f"127.0.0.1:{port},2,0"])
    while not (tmp_path / "held").exists():
        assert second.poll() is None and first.poll() is None
        time.sleep(0.05)
    second.kill()
    second.communicate()
    told = first.communicate()[0].decode()
    assert first.returncode == 2, told
    assert "a process of this run has ended or cannot be reached" in told
    assert (folder / "checkpoints").exists() and not (folder / "sets.json").exists()
    check_resumed(folder)


MOMENTS = {
    "before the first checkpoint": [],
    "between two checkpoints": ["00000002"],
    "inside a checkpoint": [".00000004.part", "00000002"],
    "inside the final sets": ["00000002", "00000004"],
}


@pytest.mark.parametrize(("moment", "checkpoints"), MOMENTS.items())
def test_killed_run_goes_on(moment, checkpoints, tmp_path):
    folder = tmp_path / "run"
    killed(moment, folder)
    assert sorted(path.name for path in folder.glob("checkpoints/*")) == checkpoints
    assert not (folder / "sets.json").exists()
    check_resumed(folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a finished run; whoever changes it copies it first."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    lines = []
    search(
        perceptron(),
        make_data(),
        TASKS,
        ENVIRONMENTS,
        SETTINGS,
        folder=folder,
        progress=lines.append,
    )
    check_finished(folder)
    assert [line["generation"] for line in lines if "generation" in line] == [0, 1, 2, 3]
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """Return a copy of the finished run without its sets."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "sets.json").unlink()
    return folder


def test_journal(finished):
    lines = journal(finished)
    assert [line["evaluations"] for line in lines] == [12, 24, 36, 48]
    for task in TASKS:
        volumes = [line["hypervolume"][task.name] for line in lines]
        assert volumes == sorted(volumes)
        assert volumes[0] > 0 and volumes[-1] <= 1


def test_finished_run_is_only_read(finished, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    monkeypatch.setattr(driver.Driver, "run", None)
    assert contents(resumed(finished)) == contents(found_by_perceptron())
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*")}


def test_cut_line_of_the_journal_is_mended(run):
    shutil.rmtree(run / "checkpoints" / "00000004")
    whole = (run / "journal.jsonl").read_text()
    (run / "journal.jsonl").write_text(whole[:-40])
    resumed(run)
    check_finished(run)


def test_damaged_checkpoint_is_passed_over(run):
    for path in (run / "checkpoints" / "00000004").rglob("*"):
        if path.is_file() and path.name != "SHA256.json":
            path.write_bytes(path.read_bytes()[:-1])
    lines = []
    resumed(run, progress=lines.append)
    events = [line["event"] for line in lines if "event" in line]
    assert events[0] == "checkpoint 00000004 is damaged: using the one before it"
    assert [line["generation"] for line in lines if "generation" in line] == [2, 3]
    check_finished(run)


def test_without_a_whole_checkpoint_it_starts_anew(run):
    for place in (run / "checkpoints").iterdir():
        (place / "SHA256.json").write_text("{")
    lines = []
    resumed(run, progress=lines.append)
    events = [line["event"] for line in lines if "event" in line]
    assert len(events) == 4 and "00000002 is damaged" in events[1]
    assert [line["generation"] for line in lines if "generation" in line] == [0, 1, 2, 3]
    check_finished(run)


OTHER = {
    "settings": ({"settings": replace(SETTINGS, seed=3)}, "settings"),
    "weights": ({"jat": lambda: make_mlp(gate=(1.0, 1.0, 1.0, 0.5))}, "weights"),
    "data": ({"data": shuffled(make_data(), "search")}, "data"),
    "tasks": ({"tasks": (Task("legs", ("ant", "bee")), TASKS[1])}, "tasks"),
    "environments": ({"environments": (Environment("any", flops=1e9),)}, "environments"),
    "classes": (
        {"data": replace(make_data(), classes=("ant", "bee", "dog", "cat", "eel", "fox"))},
        "data",
    ),
}


@pytest.mark.parametrize(("changes", "named"), OTHER.values(), ids=OTHER)
def test_another_search_is_refused(changes, named, run):
    changes = {name: value() if callable(value) else value for name, value in changes.items()}
    before = (run / "journal.jsonl").read_bytes()
    with pytest.raises(InputError) as refusal:
        resumed(run, **changes)
    assert str(refusal.value).startswith(
        f"`run` must be resumed with what it was started with, got other {named}"
    )
    assert (run / "journal.jsonl").read_bytes() == before
