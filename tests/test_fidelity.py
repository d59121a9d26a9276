"""Fidelity: correlations by hand and by scipy, samples of all sizes, and a whole comparison."""

import json
from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import TASKS, found, make_data, network, perceptron, shuffled
from scipy import stats

from sosjax import InputError, Recovery, Task, fidelity
from sosjax._tree import named_leaves
from sosjax.fitness._kernel import MODES
from sosjax.recover import _correlation, _fidelity
from sosjax.recover._agreement import Agreement, agreement, mean_agreement
from sosjax.recover._correlation import kendall, levels, mean, regret, spearman
from sosjax.recover._fine_tune import fine_tune
from sosjax.recover._sample import key_of, sample
from sosjax.search._found import settings_of
from sosjax.search._problem import Problem

RECOVERY = Recovery(epochs=2, batch=16, rate=1e-2)
COUNT = 8


def compared(**changes):
    given = {"data": make_data(), "recovery": RECOVERY, "candidates": COUNT, **changes}
    data, recovery = given.pop("data"), given.pop("recovery")
    return fidelity(network(), found(), data, TASKS, recovery, **given)


@cache
def result():
    """Return what is told, and for once recovered in earnest: `HEALED` is what became of each."""
    with mock.patch.object(_fidelity, "fine_tune", recorded):
        return compared()


CASES, HEALED = [], []


def recorded(problem, cases, *how):
    CASES[:] = cases
    HEALED[:] = fine_tune(problem, cases, *how)
    return HEALED


def remembered(problem, cases, *how):
    """Recover nothing, but what was recovered before."""
    for one, other in zip(cases, CASES, strict=True):
        assert one.task == other.task and key_of(one.masks) == key_of(other.masks)
        leaves, others = (named_leaves(case.params(network())) for case in (one, other))
        assert all(np.array_equal(leaf, others[name]) for name, leaf in leaves.items())
    return HEALED


@pytest.fixture
def small_levels(monkeypatch):
    """Let three candidates be a level, so that ten are enough."""
    monkeypatch.setattr(_correlation, "FEWEST", 3)


def test_correlations_by_hand():
    one, other = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])
    assert spearman(one, other) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert kendall(one, other) == pytest.approx((5 - 1) / 6, abs=1e-6)
    assert spearman(one, -one) == kendall(one, -one) == -1
    infinite = np.array([0.1, np.inf, 0.2, np.inf])
    assert spearman(infinite, infinite) == 1
    assert spearman(infinite, one) == pytest.approx(stats.spearmanr([1, 9, 2, 9], one)[0], abs=1e-6)


def test_no_correlation_where_there_is_none():
    one = np.arange(5.0)
    for constant in (np.ones(5), np.full(5, np.inf)):
        assert spearman(constant, one) is None and kendall(one, constant) is None
    assert spearman(one[:2], one[:2]) is None
    assert mean([None, None]) is None and mean([None, 0.5, 1.0]) == 0.75


values = st.lists(st.integers(0, 6), min_size=3, max_size=30)


@given(values, st.randoms(use_true_random=False))
def test_correlations_are_those_of_scipy(one, random):
    other = [random.randint(0, 6) for _ in one]
    one, other = np.array(one, float), np.array(other, float)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert spearman(one, other) is None
        return
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0], abs=1e-6)
    assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other)[0], abs=1e-6)


def test_regret_by_hand():
    truth = np.array([0.1, 0.2, 0.3, 0.4])
    assert regret(truth, truth, 1) == regret(truth, truth, 3) == 0
    assert regret(-truth, truth, 1) == pytest.approx(0.3)
    assert regret(-truth, truth, 3) == pytest.approx(0.1)
    assert regret(-truth, truth, 9) == 0
    assert regret(np.ones(4), truth, 1) == pytest.approx(0.25 - 0.1)
    tied = np.array([1.0, 2.0, 2.0, 2.0])
    assert regret(tied, truth, 2) == pytest.approx((0.1 + 0.3) / 2 - 0.15)
    assert regret(np.array([np.inf, np.inf, 1, np.inf]), truth, 1) == pytest.approx(0.2)


@given(values, st.integers(1, 5))
def test_no_choice_is_better_than_the_best(fitness, count):
    truth = np.random.default_rng(len(fitness)).random(len(fitness))
    found = regret(np.array(fitness, float), truth, count)
    assert -1e-6 <= found <= np.ptp(truth) + 1e-6


def test_levels_are_thirds_of_a_decade():
    parameters = np.array([1000, 1001, 2154, 2155, 999, 1500, 1600, 1700, 10**6], float)
    assert {key: rows.tolist() for key, rows in levels(parameters).items()} == {
        9: [0, 1, 2, 5, 6, 7]
    }


def test_levels_whose_errors_are_noise_do_not_count():
    """Of 100 examples an error of a half has a standard error of a twentieth."""
    truth = np.array([0.5 - 0.06, 0.5, 0.5 + 0.06])
    deviation = truth.std(ddof=1)
    assert deviation == pytest.approx(0.06)
    few, many, values = (_fidelity._level(9, truth, count) for count in (100, 200, None))
    assert few["noise"] == pytest.approx(0.05, abs=1e-3) and not few["differs"]
    assert many["differs"] and values["differs"] and values["noise"] is None
    assert not _fidelity._level(9, np.full(3, 0.5), None)["differs"]


def test_agreement_is_over_all_sizes_and_within_levels():
    """A judge that only knows the size has no correlation within a level."""
    truth = np.array([0.5, 0.4, 0.45, 0.2, 0.1, 0.15])
    rows = [np.arange(3), np.arange(3, 6)]
    size = agreement(np.array([1.0, 1, 1, 0, 0, 0]), truth, rows)
    assert size.spearman > 0.8 and size.spearman_within is None and size.kendall_within is None
    assert size.regret_1 == pytest.approx(0.05)
    whole = agreement(truth, truth, rows)
    assert whole == Agreement(1, 1, 1, 1, 0, 0)
    none = agreement(truth, truth, [])
    assert none.regret_1 is None and none.spearman == 1
    assert mean_agreement([whole, size]).spearman_within == 1
    assert mean_agreement([whole, size]).regret_1 == pytest.approx(0.025)


@pytest.mark.parametrize("encoding", ["ratios", "bits"])
def test_samples_are_different_and_of_all_sizes(encoding):
    settings = replace(settings_of(found()), encoding=encoding, uniform=0)
    problem = Problem(network(), make_data(), TASKS, settings)
    rows = sample(problem, found().tasks, COUNT, 3)
    again = sample(problem, found().tasks, COUNT, 3)
    other = sample(problem, found().tasks, COUNT, 4)
    assert np.asarray(rows.wanted).all() and rows.wanted.shape == (2, COUNT)
    for number, task in enumerate(found().tasks):
        masks = [[np.asarray(mask[number, row]) for mask in rows.masks] for row in range(COUNT)]
        keys = [key_of(one) for one in masks]
        assert len(set(keys)) == COUNT
        members = {key_of(member.masks) for member in task.members}
        assert len(members & set(keys)) >= min(len(members), COUNT // 2)
        kept = np.array([[int(mask.sum()) for mask in one] for one in masks])
        sizes = np.log10(network().graph.cost(kept, 3)["parameters"])
        whole = np.log10(network().graph.cost(np.array(network().graph.sizes), 3)["parameters"])
        assert sizes.max() > whole - 0.3 and np.ptp(sizes) > 0.5
        assert np.diff(np.sort(sizes)).max() < 0.5
    assert all(np.array_equal(a, b) for a, b in zip(rows.masks, again.masks, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(rows.masks, other.masks, strict=True))


def test_a_comparison(small_levels):
    content = result()
    assert json.loads(json.dumps(content, allow_nan=False)) == json.loads(json.dumps(content))
    names = [*MODES, "divergence", "forecast"]
    names += ["validation", "parameters", "flops", "recovered"]
    assert set(content["judges"]) == set(names) and content["own"] == ["recalibrated"]
    assert content["recovery"]["epochs"] == 2
    for task, known in zip(content["tasks"], found().tasks, strict=True):
        rows = task["candidates"]
        assert task["examples"] == 16 * len(known.classes) and len(rows) == COUNT
        kept = {member.scores.kept: member.scores for member in known.members}
        assert 1 <= sum(row["member"] for row in rows) <= COUNT
        truth = np.array([row["test_error"] for row in rows])
        sizes = np.array([row["parameters"] for row in rows])
        for name in (*MODES, "divergence", "forecast"):
            judged = np.array([row["judged"][name] for row in rows], float)
            alike = np.ptp(judged) == 0
            wanted = None if alike else pytest.approx(stats.spearmanr(judged, truth)[0], abs=1e-5)
            assert task["judges"][name]["spearman"] == wanted
        wanted = stats.kendalltau(-sizes, truth)[0]
        assert task["judges"]["parameters"]["kendall"] == pytest.approx(wanted, abs=1e-5)
        assert task["levels"]
        for level in task["levels"]:
            own = truth[(sizes >= level["low"]) & (sizes < level["high"])]
            assert level["candidates"] == len(own) >= 3
            assert level["spread"] == pytest.approx(own.std(ddof=1), abs=1e-5)
            noise = np.sqrt((own * (1 - own)).mean() / task["examples"])
            assert level["noise"] == pytest.approx(noise, abs=1e-5)
        for row in rows:
            if row["member"]:  # calibrated as it was, it is what it was
                one = kept[tuple(row["kept"])]
                assert row["validation_error_before"] == pytest.approx(one.validation_error)
                assert row["test_error_before"] == pytest.approx(one.test_error)
                if one.search_error is not None and settings_of(found()).fitness == "recalibrated":
                    assert row["judged"]["recalibrated"] == pytest.approx(one.search_error)


def test_test_data_change_nothing_but_what_is_compared(small_levels, monkeypatch):
    wanted = result()
    monkeypatch.setattr(_fidelity, "fine_tune", remembered)
    poisoned = compared(data=shuffled(make_data(), "test"))
    for one, other in zip(poisoned["tasks"], wanted["tasks"], strict=True):
        for mine, theirs in zip(one["candidates"], other["candidates"], strict=True):
            hidden = {"test_error": 0, "test_error_before": 0}
            assert mine | hidden == theirs | hidden
    assert poisoned["judges"] != wanted["judges"]


class Killed(BaseException):
    """The process is gone."""


def test_an_interrupted_comparison_goes_on_to_the_same_result(tmp_path, monkeypatch, small_levels):
    wanted, folder, places = result(), tmp_path / "fidelity", []

    def killed(problem, cases, recovery, place, *_):
        places.append(place)
        if len(places) == 1:
            raise Killed
        return remembered(problem, cases)

    monkeypatch.setattr(_fidelity, "fine_tune", killed)
    with pytest.raises(Killed):
        compared(folder=folder)
    with pytest.raises(InputError, match=r"got other settings \(candidates 9, not 8\) for"):
        compared(folder=folder, candidates=9)
    assert compared(folder=folder) == wanted
    assert places == [folder / "checkpoints"] * 2
    assert json.loads((folder / "fidelity.json").read_text()) == wanted
    assert compared(folder=folder) == wanted
    assert len(places) == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"candidates": 5}, "`candidates` must be a whole number from 6 to 10000, got 5."),
        ({"candidates": True}, "`candidates` must be a whole number from 6 to 10000, got True."),
        ({"seed": -1}, "`seed` must be a whole number from 0 to 4.29497e+09, got -1."),
    ],
)
def test_numbers_are_checked(changes, sentence):
    with pytest.raises(InputError) as refusal:
        compared(**changes)
    assert str(refusal.value) == sentence


def test_what_does_not_fit_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="`tasks` must be one of"):
        fidelity(network(), found(), make_data(), [Task("gone", ("ant", "bee"))])
    with pytest.raises(InputError, match="`jat` must be the network of the sets, tiny"):
        fidelity(perceptron(), found(), make_data(), TASKS)
    monkeypatch.setattr(_fidelity, "calibrated", lambda *_: [[1, 2], [3]])
    with pytest.raises(InputError) as refusal:
        compared(folder=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert str(refusal.value) == (
        "`candidates` must be at least 6 different sub-networks with finite errors for each task, "
        "got 2 for 'legs'."
    )
