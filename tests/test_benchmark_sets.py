"""The evidence script's pure parts: choice by validation data, intervals, tests, masks."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("matplotlib")

from benchmarks.sets import _choice, _flagship, _methods, _numbers, _statistics
from benchmarks.sets.__main__ import in_lines, recorded, wanted
from benchmarks.sets._picture import draw
from benchmarks.text import SMALL
from sosjax import Scores, Settings
from sosjax._tree import named_leaves
from sosjax.search._problem import Problem

DENSE = {"parameters": 1000, "bytes": 4000, "flops": 2000}
JACK = Scores((), **DENSE, search_error=None, validation_error=0.1, test_error=0.1)


@dataclass(frozen=True)
class Named:
    scores: Scores


def scores(parameters, validation, test=0.5, **more):
    return Scores(
        (),
        parameters,
        4 * parameters,
        2 * parameters,
        None,
        validation,
        test,
        **more,
    )


errors = st.floats(0, 1, allow_nan=False)
rows = st.lists(st.tuples(st.integers(1, 1000), errors, errors), min_size=1, max_size=20)


@given(rows, st.integers(1, 8))
def test_the_choice_is_the_best_within_each_budget_on_validation_data(points, most):
    members = [Named(scores(*point)) for point in points]
    budgets = _flagship.BUDGETS
    found = _choice.chosen(members, "parameters", 1000, budgets, most)
    assert len(found) <= most and len({id(one) for one in found}) == len(found)
    for budget in budgets:
        fitting = [one.scores for one in members if one.scores.parameters <= 1000 * budget]
        if fitting and len(found) < most:
            best = min(one.validation_error for one in fitting)
            assert any(
                one.scores.validation_error == best and one.scores.parameters <= 1000 * budget
                for one in found
            )


@given(rows, st.randoms(use_true_random=False))
def test_no_test_error_chooses_anything(points, random):
    members = [Named(scores(*point)) for point in points]
    poisoned = [Named(replace(one.scores, test_error=random.random())) for one in members]
    found, other = (
        _choice.chosen(some, "flops", 2000, _flagship.BUDGETS, 5) for some in (members, poisoned)
    )
    places = [[one.scores.parameters for one in some] for some in (found, other)]
    assert places[0] == places[1]
    kept = _choice.undominated(
        [one.scores.validation_error for one in members], [one.scores.flops for one in members]
    )
    # What is told is the test error of a member that validation data leaves unbeaten.
    best = _choice.within([one.scores for one in members], "parameters", 1000)
    assert best is not None
    fitting = [one.scores for one, keep in zip(members, kept, strict=True) if keep]
    assert best.validation_error == min(one.validation_error for one in fitting)


@given(rows)
def test_undominated_is_what_no_other_beats(points):
    costs, seen = [one[0] for one in points], [one[1] for one in points]
    expected = [
        not any(
            a <= costs[row] and b <= seen[row] and (a, b) != (costs[row], seen[row])
            for a, b in zip(costs, seen, strict=True)
        )
        for row in range(len(points))
    ]
    assert _choice.undominated(seen, costs).tolist() == expected


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9))
def test_intervals_are_those_of_scipy(values):
    found = _statistics.interval(values)
    deviation = np.std(values, ddof=1) / np.sqrt(len(values))
    assert found["mean"] == pytest.approx(np.mean(values), abs=1e-9)
    if deviation > 1e-9:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), deviation)
        assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-6)


def test_one_value_has_no_interval():
    assert _statistics.interval([0.3]) == {"mean": 0.3, "low": None, "high": None}
    assert _statistics.interval([])["mean"] is None


def test_pairs_are_tested_as_scipy_does_and_empty_ones_left_out():
    rng = np.random.default_rng(0)
    ours, theirs = rng.uniform(0.1, 0.5, 20), rng.uniform(0.2, 0.6, 20)
    found = _statistics.paired([*ours, None, 0.1], [*theirs, 0.1, None])
    assert found["pairs"] == 20
    assert found["p"] == pytest.approx(stats.wilcoxon(ours, theirs).pvalue)
    assert found["lower"] + found["higher"] == 20
    assert found["reduction"] == pytest.approx(1 - ours.sum() / theirs.sum())
    assert found["mean_reduction"] == pytest.approx(np.mean(1 - ours / theirs))


def test_equal_methods_do_not_differ():
    found = _statistics.paired([0.1, 0.2], [0.1, 0.2])
    assert found["p"] == 1 and found["reduction"] == 0
    assert _statistics.paired([None], [0.1]) == {"pairs": 0, "p": None}


def test_before_and_after_are_kept_apart():
    after = scores(50, 0.2, 0.25, epoch=3, validation_error_before=0.4, test_error_before=0.45)
    row = _numbers.row_of(after)
    assert _numbers.scores_of(row, "after").test_error == 0.25
    before = _numbers.scores_of(row, "before")
    assert (before.validation_error, before.test_error) == (0.4, 0.45)
    jack = _numbers.row_of(JACK)
    found = {one: _numbers.numbers([row], jack, one) for one in ("before", "after")}
    assert found["before"]["error at 5% of parameters"] == 0.45
    assert found["after"]["error at 5% of parameters"] == 0.25
    assert found["after"]["error at 2% of parameters"] is None
    assert found["after"]["parameters hypervolume"] > found["before"]["parameters hypervolume"]
    assert found["after"]["as good as the Jack at 10% of parameters"] == 0.0
    assert found["after"]["points lost at 50% of flops"] == pytest.approx(15)


def test_a_lucky_test_error_of_a_beaten_member_does_not_count():
    good, lucky = scores(50, 0.2, 0.3), scores(60, 0.3, 0.0)
    alone = _numbers.volume([good], "parameters", 1000)
    assert _numbers.volume([good, lucky], "parameters", 1000) == alone


def seeds():
    rng = np.random.default_rng(1)

    def members(shift):
        return [
            _numbers.row_of(
                scores(
                    int(1000 * share),
                    0.3 + shift,
                    float(rng.uniform(0.2, 0.4)) + shift,
                    epoch=1,
                    validation_error_before=0.5,
                    test_error_before=0.5 + shift,
                )
            )
            for share in (0.02, 0.1, 0.5)
        ]

    return [
        {
            "jack": {"a": _numbers.row_of(JACK), "b": _numbers.row_of(JACK)},
            "members": {
                name: {task: members(shift) for task in "ab"}
                for name, shift in ((_numbers.OURS, 0.0), ("other", 0.1))
            },
        }
        for _ in range(3)
    ]


def test_the_summary_compares_over_tasks_and_seeds():
    found = _numbers.summary(seeds())
    test = found["tests"]["after"]["other"]["error at 10% of parameters"]
    assert test["pairs"] == 6 and test["reduction"] > 0
    mean = found["means"]["after"]["other"]["mean"]["error at 10% of parameters"]
    assert mean["seeds"] == 3 and mean["low"] < mean["mean"] < mean["high"]


def test_the_picture_is_drawn(tmp_path):
    draw(seeds(), "parameters", tmp_path / "sets.png")
    assert (tmp_path / "sets.png").stat().st_size > 10_000


def test_the_largest_within_a_limit():
    costs = np.array([5, 9, 7, 20])
    assert _methods.largest(costs, 9) == 1
    assert _methods.largest(costs, 8) == 2
    assert _methods.largest(costs, 4) is None


def test_masks_of_unequal_numbers_become_candidates():
    masks = [np.array([True, False]), np.array([False, True, True])]
    found = _methods.of_masks([[masks], [masks, masks]], (2, 3, 1))
    assert found.wanted.tolist() == [[True, False], [True, True]]
    assert found.masks[1][0, 0].tolist() == [False, True, True]
    assert found.masks[2].all()  # blocks that nobody names are there


@pytest.mark.torch
@pytest.mark.parametrize("is_global", [True, False])
def test_torch_pruning_keeps_what_the_masks_say(is_global):
    pytest.importorskip("torch_pruning")
    from benchmarks.sets._torch_pruning import kept, pruned
    from benchmarks.torch_resnet import TorchResNet, as_torch

    problem = images_problem()
    found = pruned(problem, 0, is_global)
    sizes = np.array([[mask.sum() for mask in masks] for masks in found])
    assert (np.diff(sizes, axis=0) <= 0).all() and sizes[-1].sum() < 0.1 * sizes[0].sum()
    if not is_global:
        shares = sizes[60] / sizes[0]
        assert shares.max() - shares.min() < 0.1
    # The numbers that stand for channels come back through PyTorch as they went in.
    jat = problem.jat
    small = jat.graph.graph.cut_params(jat.params, found[60], jat.graph.resized(10))
    leaves = named_leaves(small)
    for name, leaf in leaves.items():
        if name.endswith("/mean"):
            full = np.asarray(named_leaves(jat.params)[name])
            places = [int(np.flatnonzero(full == value)[0]) for value in np.asarray(leaf)]
            leaves[name] = np.array(places, np.float32)
    module = TorchResNet(leaves, dict(jat.architecture))
    for mine, theirs in zip(found[60], kept(jat, module), strict=True):
        assert mine.tolist() == theirs.tolist()
    assert module(as_torch(problem.search.inputs[0][:2])).shape == (2, 10)


def images_problem():
    flagship = _flagship.short(_flagship.images())
    return Problem(flagship.jat, flagship.data, flagship.tasks, flagship.settings)


def test_records_are_as_short_as_they_may_be_and_say_the_same():
    content = {"a": [{"mean": 0.123456789, "low": None}, {"mean": 1e-07}], "note": "1, 2", "b": []}
    text = in_lines(json.dumps(content, indent=1))
    assert len(text.splitlines()) == 8
    assert json.loads(text) == content | {"a": [{"mean": 0.12346, "low": None}, {"mean": 1e-07}]}


def test_both_recoveries_of_the_same_members_are_compared():
    given = seeds()
    assert _numbers.agreement(given) is None
    for seed in given:
        for name in (_numbers.THERE, _numbers.IN_TORCH):
            seed["members"][name] = seed["members"]["other"]
    found = _numbers.agreement(given)
    assert found is not None and found["members"] == 18
    assert found["mean_absolute_difference"] == 0 and found["p"] == 1


@pytest.mark.parametrize("settings", [SMALL.settings, Settings()])
@pytest.mark.parametrize("name", _methods.SEARCHES)
def test_every_search_can_have_the_settings_of_every_flagship(name, settings):
    found = replace(settings, **_methods.SEARCHES[name])
    assert found.population == settings.population and found.generations == settings.generations


def test_seeds_are_added_to_a_record_of_the_same_settings_alone(tmp_path):
    flagship = _flagship.short(_flagship.images())
    path = tmp_path / "sets.json"
    assert recorded(path, flagship) == {}
    seeds = [{"seed": 3, "tasks": []}]
    path.write_text(json.dumps(wanted(flagship) | {"seeds": seeds}))
    assert recorded(path, flagship) == {3: seeds[0]}
    assert recorded(path, replace(flagship, members=flagship.members + 1)) == {}
    older = wanted(flagship)
    older["settings"] = {**older["settings"], "chunk": 8}
    del older["settings"]["precision"]
    path.write_text(json.dumps(older | {"seeds": seeds}))
    assert recorded(path, flagship) == {3: seeds[0]}
    half = replace(flagship.settings, precision="bfloat16")
    assert recorded(path, replace(flagship, settings=half)) == {}
