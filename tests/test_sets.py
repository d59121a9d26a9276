"""Sets: the choice for an environment, and the two files they are kept in."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import ENVIRONMENTS, TASKS, contents, found_by_perceptron

from sosjax import (
    Environment,
    InputError,
    Member,
    Scores,
    SetOfSets,
    TaskSet,
    load_sets,
    save_sets,
)
from sosjax.models._weights import load_arrays, save_arrays
from sosjax.sets._store import load_scores

NAMES = ("../../etc/x", "<script>alert(1)</script>", "a/b\\c", "früh & 🦊", 'quo"te')


def made(scores, task="a", classes=("x", "y"), seed=0):
    """Make a member of two groups of 3 and 2 units."""
    rng = np.random.default_rng(seed)
    return Member(
        task=task,
        classes=classes,
        scores=scores,
        masks=(np.array([True, False, True]), np.array([False, True])),
        statistics={"norm/mean": rng.normal(size=3).astype(np.float32)},
        kernel=rng.normal(size=(2, 2)).astype(np.float32),
        bias=rng.normal(size=2).astype(np.float32),
    )


def score(parameters=10, size=40, flops=100, error=0.5):
    return Scores((2, 1), parameters, size, flops, 0.25, error, 0.5)


def made_sets(members, names=("a",), environments=()):
    tasks = tuple(
        TaskSet(name, ("x", "y"), score(99), tuple(members), (score(7), score(8))) for name in names
    )
    groups = [{"name": "one", "size": 3}, {"name": "two", "size": 2}]
    return SetOfSets(tasks, tuple(environments), {"network": {"groups": groups}, "seed": 0})


def test_weights_of_members_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    own = [
        {"up/kernel": rng.normal(size=(2, size)).astype(np.float32), "up/none": np.zeros((0, 3))}
        for size in (1, 3)
    ]
    rows = [replace(made(score(number)), weights=weights) for number, weights in enumerate(own)]
    sets = made_sets([*rows, made(score(9))])
    save_sets(sets, tmp_path)
    assert contents(load_sets(tmp_path)) == contents(sets)
    assert load_sets(tmp_path).tasks[0].members[2].weights == {}


costs = st.integers(1, 6)


@given(
    st.lists(st.tuples(costs, costs, costs, st.sampled_from([0.1, 0.2, 0.3])), min_size=1),
    st.tuples(*[st.none() | st.integers(1, 7)] * 3).filter(any),
)
def test_selection_is_the_rule(rows, limits):
    members = [made(score(*row)) for row in rows]
    environment = Environment("e", *limits)

    def fits(row):
        return all(limit is None or cost <= limit for cost, limit in zip(row, limits, strict=False))

    fitting = [row for row in rows if fits(row)]
    if not fitting:
        with pytest.raises(InputError, match="`env` e must admit a member of 'a', but"):
            made_sets(members).select("a", environment)
        return
    chosen = made_sets(members).select("a", environment).scores
    best = min(row[3] for row in fitting)
    assert chosen.validation_error == best
    assert chosen.parameters == min(row[0] for row in fitting if row[3] == best)
    assert environment.admits(chosen.costs)


def test_sentences():
    sets = made_sets([made(score())], environments=ENVIRONMENTS)
    assert sets.select("a", "watch") is sets.tasks[0].members[0]
    with pytest.raises(InputError) as refusal:
        sets.select("a", Environment("speck", bytes=39, flops=99, parameters=10))
    assert str(refusal.value) == (
        "`env` speck must admit a member of 'a', but the nearest needs 40 bytes, 1 (2.56 %) over "
        "39 and 100 flops, 1 (1.01 %) over 99."
    )
    with pytest.raises(InputError, match="`task` must be one of a, got 'b'"):
        sets.select("b", "watch")
    with pytest.raises(InputError, match=r"got 'wach' \(did you mean 'watch'\?\)"):
        sets.select("a", "wach")


def test_the_nearest_is_that_with_the_smallest_largest_excess():
    # The member with the fewest parameters is within one limit, and far beyond the other.
    sets = made_sets([made(score(parameters=5, flops=200)), made(score(parameters=9, flops=66))])
    with pytest.raises(InputError) as refusal:
        sets.select("a", Environment("e", parameters=6, flops=60))
    assert str(refusal.value) == (
        "`env` e must admit a member of 'a', but the nearest needs 9 parameters, 3 (50 %) over 6 "
        "and 66 flops, 6 (10 %) over 60."
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"name": "e"},
            "`environments` e must limit parameters, bytes, flops or, with a device, latency_ms, "
            "peak_memory, energy_mj, price, got no limit.",
        ),
        (
            {"name": "e", "bytes": 0},
            "`environments e.bytes` must be a number at least 1, got 0.",
        ),
        (
            {"name": "e", "flops": float("nan")},
            "`environments e.flops` must be a number at least 1, got nan.",
        ),
        (
            {"name": " ", "flops": 9},
            "`environments.name` must be a printable name of 1 to 200 characters, got ' '.",
        ),
    ],
)
def test_bad_environments(arguments, sentence):
    with pytest.raises(InputError) as refusal:
        Environment(**arguments)
    assert str(refusal.value) == sentence


def test_round_trip_of_a_search(tmp_path):
    save_sets(found_by_perceptron(), tmp_path)
    loaded = load_sets(tmp_path)
    assert contents(loaded) == contents(found_by_perceptron())
    assert loaded.environments == ENVIRONMENTS
    first = (tmp_path / "sets.json").read_bytes()
    save_sets(loaded, tmp_path)
    assert (tmp_path / "sets.json").read_bytes() == first
    for task in TASKS:
        loaded.select(task.name, "any")


def test_names_are_only_names(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    sets = made_sets(
        [made(score(), classes=NAMES[:2])], NAMES, [Environment(name, flops=1e6) for name in NAMES]
    )
    save_sets(sets, folder)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "in",
        "sets.json",
        "sets.safetensors",
    ]
    loaded = load_sets(folder)
    assert tuple(task.name for task in loaded.tasks) == NAMES
    assert all(loaded.select(name, name).scores == score() for name in NAMES)


def two_members():
    return made_sets([made(score(10)), made(score(20), seed=1)])


@pytest.fixture
def folder(tmp_path):
    save_sets(two_members(), tmp_path)
    return tmp_path


def refusal(folder):
    with pytest.raises(InputError) as refused:
        load_sets(folder)
    return str(refused.value).replace(str(folder), "RUN")


def edited(folder, change):
    content = json.loads((folder / "sets.json").read_text())
    change(content)
    (folder / "sets.json").write_text(json.dumps(content))


def test_scores_need_no_arrays(folder):
    whole = load_sets(folder)
    (folder / "sets.safetensors").unlink()
    found = load_scores(folder)
    assert [one.scores for one in found.tasks[0].members] == [
        one.scores for one in whole.tasks[0].members
    ]
    assert (found.tasks[0].jack, found.facts) == (whole.tasks[0].jack, whole.facts)
    assert found.tasks[0].members[0].masks == ()
    for change, sentence in (
        (lambda content: content["tasks"][0]["members"][0].pop("bytes"), "must be a whole"),
        (lambda content: content.update(version=9), "must be of version 2, got 9"),
    ):
        edited(folder, change)
        with pytest.raises(InputError, match=sentence):
            load_scores(folder)


def test_missing_and_foreign_files(folder):
    assert load_sets(folder).tasks
    (folder / "sets.safetensors").rename(folder / "kept")
    assert "must be a safetensors file, got no such file" in refusal(folder)
    (folder / "sets.safetensors").write_bytes(b"PK\x03\x04 something else")
    assert "RUN/sets.safetensors must be" in refusal(folder)
    shutil.copy(folder / "kept", folder / "sets.safetensors")
    edited(folder, lambda content: content.update(version=3))
    assert refusal(folder) == (
        "RUN/sets.json must be of version 2, got 3: use the sosjax that wrote it."
    )
    edited(folder, lambda content: content.update(format="other"))
    assert refusal(folder) == "RUN/sets.json must be a sosjax-sets file, got another one."
    (folder / "sets.json").write_text("[1]")
    assert refusal(folder) == "RUN/sets.json must be a sosjax-sets file, got another one."
    (folder / "sets.json").unlink()
    assert refusal(folder) == "RUN/sets.json must be a file, got none there."


@pytest.mark.parametrize("name", ["sets.json", "sets.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_truncated_files(name, share, folder):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * len(content))])
    assert f"RUN/{name} must" in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("tasks"),
        lambda content: content["tasks"][0].pop("jack"),
        lambda content: content["tasks"][0]["members"][0].pop("bytes"),
        lambda content: content.update(tasks=["a"]),
        lambda content: content.update(network=None),
        lambda content: content["tasks"][0].update(members=None),
        lambda content: content["network"].update(groups=[]),
        lambda content: content["tasks"].append(content["tasks"][0]),
        lambda content: content.update(environments=[{"name": "e", "limits": {"watts": 3}}]),
    ],
)
def test_damaged_json(change, folder):
    edited(folder, change)
    assert "sets.json must" in refusal(folder) or "must belong to" in refusal(folder)


def test_files_of_two_searches(folder):
    edited(folder, lambda content: content["tasks"][0]["members"][0].update(kept=[1, 1]))
    assert "sets.safetensors must belong to" in refusal(folder)
    save_sets(two_members(), folder)
    edited(folder, lambda content: content["tasks"][0]["members"].pop())
    assert "sets.safetensors must belong to" in refusal(folder)


def test_arrays_that_another_search_wrote(folder):
    arrays, _ = load_arrays(folder / "sets.safetensors")
    save_arrays(folder / "sets.safetensors", arrays | {"0/bias": arrays["0/bias"] + 1})
    assert refusal(folder) == (
        "RUN/sets.safetensors must belong to sets.json, got one that was not written with it."
    )
