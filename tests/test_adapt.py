"""Adaptation: sub-networks err less, the whole network is told of, nothing else changes."""

import json
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problem import (
    ENVIRONMENTS,
    MLP_SHAPES,
    SETTINGS,
    SHAPE,
    TASKS,
    contents,
    drawn,
    make_data,
    network,
    perceptron,
    shuffled,
)

from sosjax import (
    Adaptation,
    InputError,
    Jat,
    Task,
    adapt,
    certify,
    load,
    load_sets,
    recover,
    resume,
    search,
)
from sosjax._tree import named_leaves, with_leaves
from sosjax.search import _driver
from sosjax.search import _search as driver
from sosjax.search._adapt import Adapting, Epoch
from sosjax.search._problem import Problem

ADAPTATION = Adaptation(epochs=4, batch=16, rate=5e-3, low=0.3, tolerance=0.1)
SHORT = replace(ADAPTATION, epochs=1, subnetworks=1, tolerance=1.0)


@cache
def adapted():
    return adapt(network(), make_data(), TASKS, ADAPTATION, SETTINGS)


@cache
def adapting():
    return Adapting(Problem(perceptron(), make_data(), TASKS, SETTINGS), SHORT)


def same(one, other):
    """Return whether two networks have the same parameters, to the bit."""
    one, other = named_leaves(one.params), named_leaves(other.params)
    return one.keys() == other.keys() and all(
        np.array_equal(leaf, other[name]) for name, leaf in one.items()
    )


def features_apply(params, inputs):
    """A hidden layer, and features that tasks get heads on."""
    flat = inputs.reshape(inputs.shape[0], 64)
    hidden = jax.nn.relu(flat @ params["first"]["kernel"] + params["first"]["bias"])
    return jnp.tanh(hidden @ params["second"]["kernel"])


@cache
def headless():
    """Return a network that ends in features."""
    shapes = {name: MLP_SHAPES[name] for name in ("first", "second")}
    shapes = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, np.float32),
        shapes,
        is_leaf=lambda node: isinstance(node, tuple),
    )
    return Jat(features_apply, drawn(shapes, 3), input_shape=SHAPE, name="headless")


def test_sub_networks_err_less_and_the_whole_network_is_told_of():
    told = []
    jat = adapt(network(), make_data(), TASKS, ADAPTATION, SETTINGS, progress=told.append)
    facts = jat.adaptation
    assert facts["epoch"] > 0
    assert facts["sample"]["after"] < 0.8 * facts["sample"]["before"]
    assert set(facts["dense"]) == {task.name for task in TASKS}
    mean = {
        when: np.mean([one[when] for one in facts["dense"].values()])
        for when in ("before", "after")
    }
    assert mean["after"] <= mean["before"] + ADAPTATION.tolerance + 1e-5
    assert len(told) == ADAPTATION.epochs + 1
    assert "of the whole network" in told[0]["event"] and "legs" in told[-1]["event"]
    assert json.loads(json.dumps(facts)) == facts


def test_the_same_seed_gives_the_same_network():
    assert same(adapt(network(), make_data(), TASKS, ADAPTATION, SETTINGS), adapted())
    other = adapt(network(), make_data(), TASKS, replace(ADAPTATION, seed=1), SETTINGS)
    assert not same(other, adapted())


def test_test_data_are_not_looked_at():
    poisoned = shuffled(make_data(), "test")
    jat = adapt(network(), poisoned, TASKS, ADAPTATION, SETTINGS)
    assert same(jat, adapted()) and jat.adaptation == adapted().adaptation


def test_validation_data_choose_the_epoch_and_train_nothing():
    """With other labels to choose by, an epoch has the same weights."""
    once = replace(SHORT, epochs=1)
    jat = adapt(network(), make_data(), TASKS, once, SETTINGS)
    other = adapt(network(), shuffled(make_data(), "validation"), TASKS, once, SETTINGS)
    assert jat.adaptation["epoch"] == 1
    assert same(jat, other) if other.adaptation["epoch"] else same(other, network())


def test_groups_head_and_function_stay():
    jat = adapted()
    assert jat.graph is network().graph and jat.name == network().name
    assert jat.architecture == network().architecture and network().adaptation is None
    shapes = {name: leaf.shape for name, leaf in named_leaves(network().params).items()}
    assert shapes == {name: leaf.shape for name, leaf in named_leaves(jat.params).items()}
    assert not same(jat, network())
    assert not np.array_equal(
        named_leaves(jat.params)[jat.graph.buffers[0]],
        named_leaves(network().params)[jat.graph.buffers[0]],
    )


def test_the_moments_are_the_whole_networks_over_all_tasks():
    jat, data = adapted(), make_data()
    found = {name: named_leaves(jat.params)[name] for name in jat.graph.buffers}
    batch = Problem(jat, data, TASKS, SETTINGS).calibration
    each = batch.inputs.shape[1] // 2
    real = np.ones((2, each)) if batch.real is None else np.asarray(batch.real)[:, :each]
    inputs = np.concatenate(
        [np.asarray(batch.inputs)[row, :each][real[row] > 0] for row in range(2)]
    )
    full = [jnp.ones(size, bool) for size in jat.graph.sizes]
    _, wanted = jat.graph.features(jat.params, inputs, full, True)
    for name, leaf in found.items():
        np.testing.assert_allclose(leaf, wanted[name], rtol=1e-3, atol=1e-5)


@settings(max_examples=8)
@given(st.floats(0, 1, width=16), st.floats(0, 1, width=16), st.integers(0, 2**32 - 1))
def test_no_sub_network_is_outside_the_range(one, other, seed):
    low, high = min(one, other), max(one, other)
    sandwich = adapting().sandwich
    encoding = replace(sandwich.encoding, sizes=(5, 16, 7), blocks=2)
    sandwich = replace(sandwich, adaptation=replace(SHORT, low=low, high=high), encoding=encoding)
    genes = np.asarray(sandwich.genotypes(jax.random.key(seed), 8))
    assert genes.shape == (8, 5) and (genes[:, :3] >= low).all()
    # The mean gene of the whole range is spread by a quarter.
    assert (genes[:, :3] <= high + 0.25 + 1e-6).all()
    smallest = np.asarray(sandwich.smallest())
    np.testing.assert_array_equal(smallest, np.float32([low, low, low, 1, 1]))


def reference(moving, live):
    """Return the loss of the perceptron's step in plain terms: targets fixed, or moving along."""
    problem, sandwich = adapting().problem, adapting().sandwich
    batch, jat = adapting().batch, problem.jat
    keys = jax.random.split(jax.random.key(7), 2)
    total = 0.0
    for task in range(2):
        ranking = [places[task] for places in problem.rankings()]
        masks = sandwich._masks(keys[task], ranking)
        inputs, targets = batch.inputs[task, :16], batch.targets[task, :16]
        columns = batch.classes[task][batch.valid[task]]

        def logits(leaves, row, inputs=inputs, columns=columns, masks=masks):
            params = with_leaves(jat.params, named_leaves(jat.params) | leaves)
            return jat.graph.logits(params, inputs, [mask[row] for mask in masks])[:, columns]

        before = jax.nn.softmax(logits({}, 0))
        whole = logits(moving.leaves, 0)
        targets = targets[:, : len(columns)]
        divergence = optax.losses.kl_divergence(jax.nn.log_softmax(whole), before).mean()
        total += 0.5 * (optax.softmax_cross_entropy(whole, targets).mean() + divergence)
        teacher = jax.nn.softmax(whole if live else jax.lax.stop_gradient(whole))
        for row in (1, 2):
            logs = jax.nn.log_softmax(logits(moving.leaves, row))
            total += optax.losses.kl_divergence(logs, teacher).mean()
    return total / 6


def test_a_step_is_the_sandwich_and_its_targets_carry_no_gradient():
    problem, sandwich = adapting().problem, adapting().sandwich
    moving = sandwich.pupil(problem.jat.params, None).moving
    moving = jax.tree.map(lambda leaf: 1.1 * leaf, moving)  # away from what the Jack says
    rows = jnp.tile(jnp.arange(16), (2, 1))
    found, losses = jax.jit(sandwich.slopes)(
        moving, problem.jat.params, adapting().batch, problem.rankings(), rows, jax.random.key(7)
    )
    wanted = jax.grad(lambda leaves: reference(leaves, False))(moving)
    other = jax.grad(lambda leaves: reference(leaves, True))(moving)
    assert float((losses[0] + 2 * losses[1]) / 3) == pytest.approx(
        float(reference(moving, False)), rel=1e-4
    )
    for name, leaf in wanted.leaves.items():
        np.testing.assert_allclose(found.leaves[name], leaf, rtol=1e-3, atol=1e-5)
    name = "second/kernel"
    assert not np.allclose(found.leaves[name], other.leaves[name], rtol=1e-2, atol=1e-4)


def test_a_network_of_features_keeps_its_head_of_zeros():
    tasks = tuple(replace(task, head="new") for task in TASKS)
    jat = adapt(headless(), make_data(), tasks, replace(SHORT, epochs=2), SETTINGS)
    assert jat.adaptation["epoch"] > 0
    assert all(not np.any(leaf) for leaf in jat.params["head"].values())
    assert set(jat.bare_params) == {"first", "second"}
    again = headless().with_params(jat.bare_params)
    assert same(again, jat) and not same(jat, headless())


def test_own_and_new_heads_side_by_side():
    tasks = (TASKS[0], replace(TASKS[1], head="new"))
    jat = adapt(perceptron(), make_data(), tasks, replace(SHORT, anchor=0.0), SETTINGS)
    assert set(jat.adaptation["dense"]) == {task.name for task in tasks}


@pytest.mark.parametrize(
    "changes",
    [
        {"ranking": ("taylor", "activation")},
        {"encoding": "bits", "uniform": 0},
        {"fitness": "compensated"},
    ],
)
def test_what_the_search_to_come_judges_and_decodes_by(changes):
    settings = replace(SETTINGS, **changes)
    jat = adapt(perceptron(), make_data(), TASKS, SHORT, settings)
    assert jat.adaptation["settings"]["batch"] == 16


def test_a_rate_that_diverges_leaves_the_network_as_it_came():
    told = []
    wild = replace(ADAPTATION, rate=1e30, warmup=0.0)
    jat = adapt(network(), make_data(), TASKS, wild, SETTINGS, progress=told.append)
    assert same(jat, network()) and jat.adaptation["epoch"] == 0
    warnings = [line["event"] for line in told if line.get("warning")]
    assert "diverged in epoch 1" in warnings[0] and "`adaptation.rate`" in warnings[0]
    assert "was not adapted" in warnings[-1]


def test_a_whole_network_beyond_the_tolerance_is_not_kept():
    strict = Adapting(adapting().problem, replace(SHORT, tolerance=0.02))

    def epoch(number, dense, sample):
        return Epoch(number, None, np.float32(dense), sample)

    first = epoch(0, [0.1, 0.3], 0.5)
    assert strict._is_better(epoch(1, [0.14, 0.3], 0.4), first, first)
    assert not strict._is_better(epoch(1, [0.15, 0.3], 0.4), first, first)
    assert not strict._is_better(epoch(2, [0.1, 0.3], 0.45), epoch(1, [0.1, 0.3], 0.4), first)
    assert not strict._is_better(epoch(1, [0.0, 0.0], 0.5), first, first)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, "`adaptation.epochs` must be a whole number from 1 to 1e+06, got 0."),
        ({"rate": -1.0}, "`adaptation.rate` must be a number at least 0, got -1.0."),
        ({"low": 1.5}, "`adaptation.low` must be a number from 0 to 1, got 1.5."),
        ({"high": 0.2}, "`adaptation.high` must be a number from 0.5 to 1, got 0.2."),
        ({"distillation": 2}, "`adaptation.distillation` must be a number from 0 to 1, got 2."),
        ({"images": 20}, "`adaptation.images` must be at least a batch of 32, got 20."),
        ({"subnetworks": -1}, "`adaptation.subnetworks` must be a whole number from 0 to 1000, g"),
        ({"seed": -1}, "`adaptation.seed` must be a whole number from 0 to 4.29497e+09, got -1."),
    ],
)
def test_settings_are_checked(changes, sentence):
    with pytest.raises(InputError) as refusal:
        Adaptation(**changes)
    assert str(refusal.value).startswith(sentence)


def test_what_does_not_fit_is_refused(tmp_path):
    large = Adaptation(batch=50)
    wanted = (
        "`adaptation.batch` must be at most the 40 search examples of the smallest task, got 50"
    )
    with pytest.raises(InputError, match=wanted):
        adapt(network(), make_data(), TASKS, large, SETTINGS)
    with pytest.raises(InputError, match=wanted):
        search(
            network(),
            make_data(),
            TASKS,
            settings=SETTINGS,
            adaptation=large,
            folder=tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="`tasks` nothing must be among the classes|nothing"):
        adapt(network(), make_data(), [Task("nothing", ("ant", "nothing"))], SHORT, SETTINGS)


@pytest.mark.parametrize("broken", ["missing", "shape", "nan"])
def test_other_parameters_must_fit(broken):
    leaves = dict(named_leaves(perceptron().params))
    bias = np.array(leaves["head/bias"])
    params = {
        "missing": {"first": perceptron().params["first"]},
        "shape": with_leaves(perceptron().params, leaves | {"head/bias": bias[:2]}),
        "nan": with_leaves(perceptron().params, leaves | {"head/bias": bias * np.nan}),
    }[broken]
    wanted = {
        "missing": "`params` must have the leaves of perceptron in their shapes, got others: gate",
        "shape": "`params` must have the leaves of perceptron in their shapes, got others: head/b",
        "nan": "`params head/bias` must be finite",
    }[broken]
    with pytest.raises(InputError) as refusal:
        perceptron().with_params(params)
    assert str(refusal.value).startswith(wanted)


# A search of an adapted network.


@cache
def found():
    return search(perceptron(), make_data(), TASKS, ENVIRONMENTS, SETTINGS, adaptation=SHORT)


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("name", ["save_adapted", "save_checkpoint", "save_sets"])
def test_a_search_killed_after_or_amid_adaptation_goes_on_to_the_same_sets(
    name, tmp_path, monkeypatch
):
    folder = tmp_path / "run"

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_driver if name == "save_checkpoint" else driver, name, killed)
        with pytest.raises(Killed):
            search(
                perceptron(),
                make_data(),
                TASKS,
                ENVIRONMENTS,
                SETTINGS,
                adaptation=SHORT,
                folder=folder,
            )
    asked = (perceptron(), make_data(), TASKS, ENVIRONMENTS, SETTINGS, folder)
    for wrong in (None, replace(SHORT, rate=0.5)):
        with pytest.raises(InputError, match="got other adaptation for"):
            resume(*asked, adaptation=wrong)
    if name != "save_adapted":
        monkeypatch.setattr(driver, "Adapting", killed)  # what is finished is not done again
    sets = resume(*asked, adaptation=SHORT)
    assert contents(sets) == contents(found()) and sets.facts == found().facts
    assert load_sets(folder).facts["adaptation"]["epoch"] == sets.facts["adaptation"]["epoch"]
    assert contents(resume(*asked, adaptation=SHORT)) == contents(found())


def test_the_kept_network_is_the_one_that_members_are_of(tmp_path):
    folder = tmp_path / "run"
    sets = search(
        network(),
        make_data(),
        TASKS,
        ENVIRONMENTS,
        SETTINGS,
        adaptation=ADAPTATION,
        folder=folder,
    )
    assert sets.facts["adaptation"] == adapted().adaptation
    jat = load(folder / "jack.safetensors")
    assert same(jat, adapted())
    assert contents(sets) == contents(search(adapted(), make_data(), TASKS, (), SETTINGS))
    assert certify(jat, sets.tasks[0].members[0]).holds
    with pytest.raises(InputError, match="`jat` must be the network of the sets as it was adapted"):
        recover(network(), sets, make_data(), TASKS)
    dense = sets.facts["adaptation"]["dense"]
    assert dense["legs"]["after"] == sets.tasks[0].jack.validation_error
