"""Tasks that are added to sets: they begin with what is known, and change nothing of it."""

import json
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import SETTINGS, TASKS, found, make_data, network

import sosjax
from sosjax import InputError, Task, load_sets, save_sets
from sosjax.cli import main
from sosjax.search import _driver
from sosjax.search._evolution import Evolution
from sosjax.search._extend import _known
from sosjax.search._found import digest_of, settings_of
from sosjax.search._problem import Problem
from sosjax.space._encoding import make_encoding

NEW = Task("nose", ("bee", "fox", "cat"))
SIZES = (4, 1, 9)


def extended(sets=None, **more):
    return sosjax.extend(network(), sets or found(), make_data(), [NEW], **more)


def same(one, other):
    return digest_of(replace(found(), tasks=(one,))) == digest_of(replace(found(), tasks=(other,)))


def test_the_old_sets_stay_as_they_are_and_a_new_one_joins_them():
    sets = extended(generations=1)
    assert [task.name for task in sets.tasks] == [*(task.name for task in TASKS), NEW.name]
    assert all(same(a, b) for a, b in zip(found().tasks, sets.tasks, strict=False))
    assert sets.facts["extended"] == [{"tasks": ["nose"], "generations": 1}]
    assert sets.facts["data"] == found().facts["data"]
    assert settings_of(sets) == settings_of(found())
    member = sets.select("nose", "any")
    assert member.classes == NEW.classes
    assert sosjax.certify(network(), member).holds
    again = sosjax.extend(network(), sets, make_data(), [Task("tail", ("ant", "dog"))])
    assert [one["tasks"] for one in again.facts["extended"]] == [["nose"], ["tail"]]


def test_as_many_generations_as_the_sets_had_by_default():
    assert extended().facts["extended"][0]["generations"] == settings_of(found()).generations == 3


def test_the_first_generation_holds_what_other_tasks_keep():
    problem = Problem(network(), make_data(), [NEW], settings_of(found()))
    known = _known(problem, found())
    members = [member for task in found().tasks for member in task.members]
    kept = {member.scores.kept for member in members}
    assert 0 < len(known) <= SETTINGS.population // 2
    groups = len(network().graph.sizes)
    rows = np.asarray(problem.encoding.kept(jnp.asarray(known))).astype(int)
    assert {tuple(row) for row in rows[:, :groups]} <= kept
    evolution = Evolution.of(problem)
    state = evolution.start(problem.rankings(), 0, known)
    first = np.asarray(evolution._first(sosjax_key(), SETTINGS.population, state.known))
    at = SETTINGS.uniform
    assert np.array_equal(first[at : at + len(known)], known)
    others = np.asarray(evolution._first(sosjax_key(), SETTINGS.population, state.known[:0]))
    assert np.array_equal(
        np.delete(first, range(at, at + len(known)), 0)[at:],
        np.delete(others, range(at, at + len(known)), 0)[at:],
    )


def sosjax_key():
    import jax

    return jax.random.key(3)


@given(st.data())
@pytest.mark.parametrize("name", ["ratios", "bits"])
def test_what_is_written_down_is_read_alike(name, data):
    encoding = make_encoding(name, SIZES, 1, 2, 1)
    masks = [
        np.array(data.draw(st.lists(st.booleans(), min_size=size, max_size=size))) for size in SIZES
    ]
    masks = [mask if mask.any() else np.arange(len(mask)) == 0 for mask in masks]
    masks += [np.array([data.draw(st.booleans())]) for _ in range(2)]
    places = [jnp.asarray(np.argsort(np.argsort(~mask, kind="stable"))) for mask in masks[:3]]
    read = encoding.decode(encoding.encode(masks), places)
    assert all(np.array_equal(a, b) for a, b in zip(masks, read, strict=True))


def test_recovered_tasks_stay_recovered_and_only_the_new_one_is_trained():
    recovery = sosjax.Recovery(epochs=1, images=32, batch=16, rounds=0)
    tuned = sosjax.recover(network(), found(), make_data(), TASKS, recovery)
    sets = extended(tuned)
    assert all(member.scores.epoch is None for member in sets.task("nose").members)
    again = sosjax.recover(network(), sets, make_data(), [NEW], recovery)
    assert all(same(a, b) for a, b in zip(tuned.tasks, again.tasks, strict=False))
    assert all(member.scores.epoch is not None for member in again.task("nose").members)


def test_an_interrupted_extension_goes_on_to_the_same_sets(tmp_path, monkeypatch):
    whole = extended(generations=3)
    path = tmp_path / "run"
    save = _driver.save_checkpoint

    def stopped(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(_driver, "save_checkpoint", stopped)
    with pytest.raises(KeyboardInterrupt):
        extended(generations=3, folder=path)
    monkeypatch.undo()
    assert not (path / "sets.json").exists()
    resumed = extended(generations=3, folder=path)
    assert digest_of(resumed) == digest_of(whole)
    assert digest_of(load_sets(path)) == digest_of(whole)
    with pytest.raises(InputError, match=r"got other settings \(generations 2, not 3\)"):
        extended(generations=2, folder=path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tasks": [TASKS[0]]}, "`tasks` must be new, got 'legs', of which there is a set already"),
        ({"tasks": [Task("new", ("ant", "gnu"))]}, "gnu"),
        ({"tasks": []}, "`tasks` must hold at least one task"),
        ({"generations": -1}, "`generations` must be a whole number at least 0, got -1"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(change, said, tmp_path):
    asked = {"tasks": [NEW], "folder": tmp_path / "run"} | change
    with pytest.raises(InputError, match=said):
        sosjax.extend(network(), found(), make_data(), asked.pop("tasks"), **asked)
    assert not (tmp_path / "run").exists()


def run_folder(tmp_path):
    """Make a finished run of the embedded network, small enough for a test."""
    text = (Path(sosjax.__file__).parent / "cli/example.toml").read_text()
    for key, value in {"population": 4, "generations": 1, "images": 64, "calibration": 64}.items():
        text = "\n".join(
            f"{key} = {value}" if line.startswith(f"{key} =") else line for line in text.split("\n")
        )
    (tmp_path / "c.toml").write_text(text.replace("uniform = 4", "uniform = 1"))
    assert main(["run", "c.toml", "--out", "run", "--quiet"]) == 0


@pytest.mark.slow
def test_the_command_adds_a_task_to_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_folder(tmp_path)
    (tmp_path / "new.toml").write_text('[[tasks]]\nname = "bags"\nclasses = ["Bag", "Coat"]\n')
    before = (tmp_path / "run/sets.json").read_text()
    command = ["extend", "run", "--task", "new.toml", "--out", "run-2", "--generations", "1"]
    assert main([*command, "--quiet"]) == 0
    assert (tmp_path / "run/sets.json").read_text() == before
    content = json.loads((tmp_path / "run-2/sets.json").read_text())
    assert content["tasks"][:-1] == json.loads(before)["tasks"]
    assert content["tasks"][-1]["name"] == "bags"
    assert main(["select", "run-2", "--task", "bags", "--knee", "parameters"]) == 0
    assert "bags (Bag, Coat)" in capsys.readouterr().out
    assert main([*command, "--quiet"]) == 0  # finished already


def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    from test_cli import made_run

    made_run(tmp_path / "r")
    save_sets(found(), tmp_path / "r")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "`--task` must be a TOML file of one or more [[tasks]] and nothing else, got nothing"),
        ("seed = 1\n[[tasks]]\nname = 'a'", "and nothing else, got seed, tasks in new.toml"),
        (
            "[[tasks]]\nclasses = ['Bag', 'Coat']",
            "`tasks.name` must be a text in quotes, got none in new.toml",
        ),
        ("[[tasks]]\nname = 'a'\nclasses = ['Bag', 'Gnu']", "Gnu"),
        ("[[tasks]]\nname = 'tops'\nclasses = ['Bag', 'Coat']", "tops"),
        ("[[tasks]", "new.toml must be TOML, got a mistake"),
        (None, "`--task` must be a TOML file, got no such file: new.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(text, said, tmp_path, monkeypatch, capsys):
    made(tmp_path, monkeypatch)
    if text is not None:
        (tmp_path / "new.toml").write_text(text)
    assert main(["extend", "r", "--task", "new.toml", "--out", "r-2"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "r-2").exists()


def test_a_place_that_is_taken_is_left_alone(tmp_path, monkeypatch, capsys):
    made(tmp_path, monkeypatch)
    (tmp_path / "mine").mkdir()
    assert main(["extend", "r", "--task", "new.toml", "--out", "mine"]) == 2
    assert "`--out` must be new, got a path that exists: mine" in capsys.readouterr().err
    assert list((tmp_path / "mine").iterdir()) == []


def test_resume_names_the_command_that_goes_on(tmp_path, monkeypatch, capsys):
    made(tmp_path, monkeypatch)
    header = json.loads((tmp_path / "r/run.json").read_text())
    header.setdefault("asked", {})["extended"] = "?"
    (tmp_path / "r/run.json").write_text(json.dumps(header))
    assert main(["resume", "r"]) == 2
    assert "got one of `sosjax extend`, which goes on with the same" in capsys.readouterr().err
