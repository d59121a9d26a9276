"""Whole searches: what they find, what they may look at, and what they refuse."""

import json
import logging
from dataclasses import asdict, replace

import jax
import numpy as np
import pytest
from problem import (
    CLASSES,
    ENVIRONMENTS,
    SETTINGS,
    TASKS,
    contents,
    found,
    found_by_perceptron,
    make_data,
    make_mlp,
    make_split,
    network,
    perceptron,
    shuffled,
)

from sosjax import (
    Dataset,
    Environment,
    InputError,
    Settings,
    Split,
    Task,
    certify,
    check_inputs,
    save_sets,
    search,
    shrink,
)
from sosjax._tree import named_leaves
from sosjax.search import _driver as driver
from sosjax.search._asked import check_asked

VARIANTS = {
    "adaptive-de": {"strategy": "adaptive-de"},
    "an evosax algorithm": {"strategy": "SNES", "directions": 2},
    "mo-mfea-ii, bits": {"strategy": "mo-mfea-ii", "encoding": "bits", "uniform": 0},
    "random, raw": {"strategy": "random", "fitness": "raw"},
    "mo-mfea, halving": {"halving": (12, 24), "population": 8},
    "adaptive-de, halving": {"strategy": "adaptive-de", "halving": [12], "generations": 0},
    "random, halving": {"strategy": "random", "halving": (16,)},
    "bits, three objectives": {
        "encoding": "bits",
        "uniform": 0,
        "objectives": ("error", "bytes", "flops"),
    },
}


def costs_of(jat, member):
    """Count the arrays of the shrunk network, and two FLOPs for each product in its trace."""
    net = shrink(jat, member)
    leaves = named_leaves(net.params)
    moments = {name for pair in jat.graph.statistics for name in (pair.mean, pair.variance)}
    return {
        "parameters": sum(leaf.size for name, leaf in leaves.items() if name not in moments),
        "bytes": sum(4 * leaf.size for leaf in leaves.values()),
        "flops": net.flops(jat.graph.inputs.shape),
    }


def check_sets(jat, sets):
    """Check all that holds for the sets of any search."""
    for task in sets.tasks:
        assert task.members
        rows = np.array(
            [[one.scores.validation_error, *one.scores.costs.values()] for one in task.members]
        )
        for row in rows:
            assert not ((rows <= row).all(1) & (rows < row).any(1)).any()
        assert len(np.unique(rows, axis=0)) == len(rows)
        assert (np.diff(rows[:, 1]) >= 0).all()
        for member in task.members:
            assert member.scores.costs == costs_of(jat, member)
            assert member.scores.kept == tuple(int(mask.sum()) for mask in member.masks)
            groups = len(jat.graph.sizes)
            assert min(member.scores.kept[:groups]) >= 1
            assert set(member.scores.kept[groups:]) <= {0, 1}
            assert 0 <= (member.scores.search_error or 0) <= 1
            assert member.kernel.shape[1:] == member.bias.shape == (len(task.classes),)
        for scores in (task.jack, *task.uniform, *(one.scores for one in task.members)):
            assert 0 <= scores.validation_error <= 1 and 0 <= scores.test_error <= 1
        assert task.jack.kept[: len(jat.graph.sizes)] == jat.graph.sizes
        assert all(block == 1 for block in task.jack.kept[len(jat.graph.sizes) :])


def test_sets_of_a_resnet():
    check_sets(network(), found())
    assert [task.name for task in found().tasks] == [task.name for task in TASKS]
    assert sum(len(task.members) for task in found().tasks) >= 4
    assert all(task.members[-1].scores.validation_error < 0.3 for task in found().tasks)


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_variants(options):
    settings = replace(SETTINGS, **options)
    sets = search(perceptron(), make_data(), TASKS, (), settings)
    check_sets(perceptron(), sets)
    assert sets.facts["objectives"] == settings.objectives
    if options.get("fitness") == "raw":
        full = named_leaves(perceptron().params)
        for task in sets.tasks:
            rows = [CLASSES.index(name) for name in task.classes]
            for member in task.members:
                assert np.array_equal(member.kernel, full["head/kernel"][:, rows])
    else:
        assert contents(sets) != contents(found_by_perceptron())


def test_blocks_are_left_out_where_asked():
    settings = replace(SETTINGS, depth=True)
    sets = search(network(), make_data(), TASKS, (), settings)
    check_sets(network(), sets)
    groups = sets.facts["network"]["groups"]
    assert groups[-1] == {"name": "block stages/0/0", "size": 1} and len(groups) == 5
    kept = {member.scores.kept[-1] for task in sets.tasks for member in task.members}
    assert 0 in kept and kept <= {0, 1}


def test_an_environment_may_fit_only_without_a_block():
    smallest = network().graph.cost(np.ones(4, np.int64), 3)["parameters"]
    environment = Environment("speck", parameters=int(smallest) - 1)
    with pytest.raises(InputError, match="`environments` speck must admit some sub-network"):
        check_asked(network(), make_data(), TASKS, [environment])
    check_asked(network(), make_data(), TASKS, [environment], depth=True)


def test_an_environment_must_fit_with_the_granularity():
    # Four units in both layers, and three classes.
    parameters = 64 * 4 + 4 + 4 * 4 + 4 + 4 * 3 + 3
    environment = Environment("speck", parameters=parameters - 1)
    check_asked(perceptron(), make_data(), TASKS, [environment])
    with pytest.raises(InputError, match=f"needs {parameters} parameters of {parameters - 1}"):
        check_asked(make_mlp(granularity=4), make_data(), TASKS, [environment])


def test_kept_counts_are_of_the_granularity():
    jat = make_mlp(granularity=2)
    sets = search(jat, make_data(), TASKS, (), SETTINGS)
    check_sets(jat, sets)
    for task in sets.tasks:
        for member in task.members:
            first, second = member.scores.kept
            assert first in (2, 4) and second in (2, 4, 5)


def test_same_seed_same_sets():
    again = search(network(), make_data(), TASKS, ENVIRONMENTS, SETTINGS)
    assert contents(again) == contents(found())


def test_other_chunk_and_other_block_of_generations_same_sets():
    settings = replace(SETTINGS, chunk=5, checkpoint_every=3)
    other = search(perceptron(), make_data(), TASKS, (), settings)
    assert contents(other) == contents(found_by_perceptron())


def test_other_seed_other_sets():
    other = search(perceptron(), make_data(), TASKS, (), replace(SETTINGS, seed=1))
    assert contents(other) != contents(found_by_perceptron())


def without_test(sets):
    """Return all but the test errors."""
    blind = [
        replace(
            task,
            jack=replace(task.jack, test_error=0),
            uniform=tuple(replace(one, test_error=0) for one in task.uniform),
            members=tuple(
                replace(one, scores=replace(one.scores, test_error=0)) for one in task.members
            ),
        )
        for task in sets.tasks
    ]
    return contents(replace(sets, tasks=tuple(blind)))


def test_test_data_never_chooses():
    other = search(perceptron(), shuffled(make_data(), "test"), TASKS, (), SETTINGS)
    assert without_test(other) == without_test(found_by_perceptron())
    assert contents(other) != contents(found_by_perceptron())


def test_validation_data_does_not_search(monkeypatch):
    seen, fronts = [], []
    judged = driver.judge

    def judge(problem, rows):
        fronts.append(jax.tree.map(np.asarray, rows))
        return judged(problem, rows)

    monkeypatch.setattr(driver, "judge", judge)
    for data in (make_data(), shuffled(make_data(), "validation")):
        lines = []
        search(perceptron(), data, TASKS, (), SETTINGS, progress=lines.append)
        seen.append([line["hypervolume"] for line in lines if "generation" in line])
    assert seen[0] == seen[1] and len(seen[0]) == SETTINGS.generations + 1
    assert jax.tree.all(jax.tree.map(np.array_equal, *fronts))


def test_candidates_that_give_nan_never_enter(tmp_path):
    # Without its first hidden unit this network divides by zero.
    jat = make_mlp(gate=(1.0, 0.0, 0.0, 0.0))
    settings = replace(SETTINGS, **VARIANTS["bits, three objectives"])
    sets = search(jat, make_data(), TASKS, (), settings, folder=tmp_path / "run")
    check_sets(jat, sets)
    assert all(member.masks[0][0] for task in sets.tasks for member in task.members)


def test_network_that_gives_nan_on_test_data_is_reported(tmp_path):
    # A black image has nothing in the hidden layer, so that everything divides by zero.
    data = make_data()
    inputs = data.test.inputs.copy()
    inputs[0] = 0
    data = replace(data, test=Split(inputs, data.test.labels))
    jat = make_mlp()
    jat.params["first"]["bias"] *= 0
    sets = search(jat, data, TASKS, (), SETTINGS, folder=tmp_path / "run")
    task = sets.task("legs")
    assert task.jack.test_error == 1
    assert all(member.scores.test_error == 1 for member in task.members)
    assert all(member.scores.validation_error < 1 for member in task.members)
    assert json.loads((tmp_path / "run" / "sets.json").read_text())["tasks"][0]["members"]


def test_network_that_gives_only_nan_is_refused():
    data = make_data()
    data = replace(data, validation=Split(data.validation.inputs * 0, data.validation.labels))
    jat = make_mlp()
    jat.params["first"]["bias"] *= 0
    with pytest.raises(InputError, match="must have a candidate with a finite error, got none"):
        search(jat, data, TASKS, (), SETTINGS)


def test_members_are_what_was_judged():
    for task in found().tasks:
        for member in task.members:
            certify(network(), member, check_inputs(network(), 4))


# What does not fit together is refused before anything is compiled.

LACKING = make_data().search.labels != CLASSES.index("bee")
WITHOUT_BEES = Split(make_data().search.inputs[LACKING], make_data().search.labels[LACKING])


def other_shape(data):
    def cropped(split):
        return Split(split.inputs[:, :7], split.labels)

    parts = {part: cropped(getattr(data, part)) for part in ("search", "validation", "test")}
    return replace(data, **parts)


REFUSED = {
    "no tasks": ({"tasks": ()}, "`tasks` must hold at least one task, got none."),
    "unknown class": (
        {"tasks": (Task("legs", ("ant", "dogs")),)},
        "`tasks legs.classes` must be one of ant, bee, cat, dog, eel, fox, got 'dogs' "
        "(did you mean 'dog'?).",
    ),
    "two of one name": (
        {"tasks": (TASKS[0], TASKS[0])},
        "`tasks` must have different names, got twice: legs.",
    ),
    "two environments of one name": (
        {"environments": (ENVIRONMENTS[0], ENVIRONMENTS[0])},
        "`environments` must have different names, got twice: watch.",
    ),
    "nothing fits": (
        {"environments": (Environment("speck", bytes=40, flops=1e9),)},
        "`environments` speck must admit some sub-network, but the smallest for 'legs' needs "
        "304 bytes of 40.",
    ),
    "other images": (
        {"data": other_shape(make_data())},
        "`data` must have float32 inputs of shape [B, 8, 8, 1] for the network, got float32 of "
        "[B, 7, 8, 1] in squares.",
    ),
    "other number of classes": (
        {"data": replace(make_data(), classes=(*CLASSES, "gnu"))},
        "`data` must have the 6 classes of the network, got 7 in squares; "
        "`head = \"new\"` gives task 'legs' a head of its own.",
    ),
    "a class without examples": (
        {"data": replace(make_data(), search=WITHOUT_BEES)},
        "`data.search` of squares must hold every class of task 'wings <&> / ../x', got no example "
        "of bee.",
    ),
}


@pytest.fixture
def compiled(caplog):
    """Return a function that tells whether anything has been compiled."""
    network()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        yield lambda: "compil" in caplog.text.lower()


def test_compilation_would_be_noticed(compiled):
    assert not compiled()
    jax.jit(lambda number: number * 3 + 1)(2.5)
    assert compiled()


@pytest.mark.parametrize(("changes", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused_before_anything_is_compiled(changes, sentence, tmp_path, compiled, monkeypatch):
    asked = {"data": make_data(), "tasks": TASKS, "environments": (), "settings": SETTINGS}
    jat = network()
    with pytest.raises(InputError) as refusal:
        search(jat, **(asked | changes), folder=tmp_path / "run")
    assert str(refusal.value) == sentence
    assert not compiled() and not list(tmp_path.iterdir())


def test_existing_folder_is_refused(tmp_path, compiled):
    jat = network()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("run", "link"):
        with pytest.raises(InputError, match="`folder` must be a new folder, got one that exists"):
            search(jat, make_data(), TASKS, (), SETTINGS, folder=tmp_path / name)
    assert (tmp_path / "run" / "mine.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "mine.txt", "run"]
    assert not compiled()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"population": 5},
            "`search.population` must be even, since parents mate in pairs, got 5.",
        ),
        ({"population": 0}, "`search.population` must be a whole number at least 2, got 0."),
        (
            {"generations": -1},
            "`search.generations` must be a whole number from 0 to 1e+06, got -1.",
        ),
        ({"rmp": float("nan")}, "`search.rmp` must be a number from 0 to 1, got nan."),
        ({"low": 0.6, "high": 0.5}, "`search.high` must be a number from 0.6 to 1, got 0.5."),
        ({"uniform": 42}, "`search.uniform` must be a whole number from 0 to 40, got 42."),
        (
            {"uniform": 1, "encoding": "bits"},
            '`search.uniform` must be 0 with `search.encoding` "bits", which has no shares, got 1.',
        ),
        (
            {"strategy": "mo-mfa"},
            "`search.strategy` must be one of mo-mfea, mo-mfea-ii, adaptive-de, random, ARS, "
            "ASEBO, CMAAnchoredLES, CMA_ES, CR_FM_NES, DiscoveredES, ESMC, EvoTF_ES and 31 "
            "more, got 'mo-mfa' (did you mean 'mo-mfea'?).",
        ),
        (
            {"objectives": ("parameters", "error")},
            "`search.objectives` must be error, divergence or both, and then one or more different "
            "costs, got ['parameters', 'error'].",
        ),
        (
            {"objectives": ("error", "parameters", "bytes", "flops", "latency_ms")},
            "`search.objectives` must name at most 3 costs, or no journal could tell a front's "
            "hypervolume, got ['parameters', 'bytes', 'flops', 'latency_ms'].",
        ),
    ],
)
def test_bad_settings(options, sentence):
    with pytest.raises(InputError) as refusal:
        Settings(**options)
    assert str(refusal.value) == sentence


def broken(change):
    inputs, labels = make_split(12, 0)
    return change(inputs.copy(), labels.copy())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda split: Split((split.inputs * 255).astype(np.uint8), split.labels),
            "`search.inputs` must be floating point, or int32 for tokens, got uint8; divide "
            "images by 255 to bring them to [0, 1].",
        ),
        (
            lambda split: Split(split.inputs, split.labels.astype(float)),
            "`search.labels` must be whole numbers of shape [B], got float64 of shape (12,).",
        ),
        (
            lambda split: Split(split.inputs[:5], split.labels),
            "`search.inputs` must have shape (12, 8, 8, 1) to go with its labels and with "
            "`search`, got (5, 8, 8, 1).",
        ),
        (
            lambda split: Split(split.inputs, split.labels + 1),
            "`search.labels` must be in [0, 6), got 1 to 6.",
        ),
        (
            lambda split: Split(split.inputs * np.float32("nan"), split.labels),
            "`search.inputs` must be finite, got 768 NaN or infinite values, the first at index "
            "(0, 0, 0, 0).",
        ),
    ],
)
def test_bad_data(change, sentence):
    split = make_split(12, 0)
    with pytest.raises(InputError) as refusal:
        Dataset("squares", CLASSES, change(split), split, split)
    assert str(refusal.value) == sentence


def test_bad_weights():
    with pytest.raises(InputError) as refusal:
        make_mlp(gate=(1.0, float("nan"), 0.0, 0.0))
    assert str(refusal.value) == (
        "`params gate` must be finite, got 1 NaN or infinite values, the first at index (1, 0)."
    )


def test_facts_are_json(tmp_path):
    save_sets(found(), tmp_path)
    content = json.loads((tmp_path / "sets.json").read_text())
    assert content["network"]["parameters"] == 990 and content["data"]["name"] == "squares"
    assert {name: content[name] for name in asdict(SETTINGS)} == json.loads(
        json.dumps(asdict(SETTINGS))
    )
