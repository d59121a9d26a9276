"""Searches and baselines over other rankings than Taylor's, several at once, and the refusals."""

from dataclasses import replace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import taylor_rankings
from problem import SETTINGS, TASKS, contents, make_data, make_mlp, perceptron

from sosjax import Bits, InputError, Kernel, Ratios, Settings, resume, search, uniform
from sosjax.cli._config import parse_config
from sosjax.search import _driver as driver
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem
from sosjax.search._ranked import check_scores
from sosjax.search._uniform import global_candidates, uniform_candidates
from sosjax.space._importance import RANKINGS, magnitude, ranking, unit_costs

BOTH = replace(SETTINGS, ranking=("taylor", "activation"))


def problem(**changes):
    return Problem(perceptron(), make_data(), TASKS, replace(SETTINGS, **changes))


def test_every_ranking_is_one_of_places():
    asked = {name: problem(ranking=name) for name in RANKINGS}
    places = {name: each.rankings() for name, each in asked.items()}
    for each in places.values():
        for size, row in zip(perceptron().graph.sizes, each, strict=True):
            assert row.dtype == jnp.int32 and (np.sort(row) == np.arange(size)).all()
    jat = perceptron()
    wanted = ranking(magnitude(jat.graph, jat.params))
    for row, place in zip(places["magnitude"], wanted, strict=True):
        assert (row == place).all()
    told = {b"".join(np.asarray(one).tobytes() for one in each.scores) for each in asked.values()}
    assert len(told) == len(RANKINGS)


def test_a_shared_ranking_is_the_mean_of_the_tasks():
    own, same = problem().scores, problem(shared_ranking=True)
    for group, (score, each) in enumerate(zip(own, same.scores, strict=True)):
        mean = (score / score.mean(-1, keepdims=True)).mean(0)
        np.testing.assert_allclose(each, jnp.broadcast_to(mean, each.shape), rtol=1e-6)
        assert (same.rankings()[group][0] == same.rankings()[group][1]).all()


def test_bits_mix_several_rankings_evenly_and_ratios_take_scores():
    bits = problem(encoding="bits", uniform=0, ranking=BOTH.ranking)
    ratios = problem(ranking=BOTH.ranking)
    assert isinstance(bits.encoding, Bits) and ratios.encoding == Ratios((4, 5), rankings=2)
    for mixed, places in zip(ratios.rankings(), bits.rankings(), strict=True):
        assert mixed.shape[:2] == (2, 2)
        np.testing.assert_allclose(mixed.mean(-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(places, ranking([mixed.mean(1)])[0])
    for one, other in zip(ratios.unranked(), ratios.rankings(), strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype


@pytest.fixture(scope="module")
def mixed():
    """The sets of a search over two rankings."""
    return search(perceptron(), make_data(), TASKS, (), BOTH)


def test_a_search_over_two_rankings_is_traced_once_and_finds_sets(mixed, monkeypatch):
    chex.clear_trace_counter()
    traced = chex.assert_max_traces(Evolution.steps, n=1)
    monkeypatch.setattr(Evolution, "advance", jax.jit(traced, static_argnums=0))
    again = search(perceptron(), make_data(), TASKS, (), BOTH)
    assert contents(again) == contents(mixed)
    assert mixed.facts["ranking"] == ("taylor", "activation")
    for task in mixed.tasks:
        assert all(min(member.scores.kept) >= 1 for member in task.members) and task.uniform


def test_a_search_over_two_rankings_is_resumed(mixed, tmp_path, monkeypatch):
    asked = (perceptron(), make_data(), TASKS, (), BOTH)
    save = driver.save_checkpoint

    def stop(folder, generation, state):
        save(folder, generation, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(driver, "save_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        search(*asked, folder=tmp_path / "run")
    monkeypatch.setattr(driver, "save_checkpoint", save)
    monkeypatch.setattr(Problem, "rankings", None)  # they come from the checkpoint
    assert contents(resume(*asked, tmp_path / "run")) == contents(mixed)


def test_a_list_of_one_ranking_is_that_ranking():
    assert replace(SETTINGS, ranking=["taylor"]) == SETTINGS
    assert SETTINGS.rankings == ("taylor",)
    assert BOTH.rankings == ("taylor", "activation")


# The global baseline.


def test_one_threshold_keeps_the_best_units_of_all_groups():
    asked = problem()
    for cost in (None, "parameters", "flops"):
        found = global_candidates(asked, cost, 6)
        for number, task in enumerate(TASKS):
            scores = [np.asarray(score[number, 0]) for score in asked.scores]
            scores = [score / score.mean() for score in scores]
            if cost:
                prices = unit_costs(perceptron().graph, cost, len(task.classes))
                scores = [score / price for score, price in zip(scores, prices, strict=True)]
            for row, share in enumerate(5 ** (np.sqrt(np.linspace(0, 1, 6)) - 1)):
                masks = [np.asarray(mask[number, row]) for mask in found.masks]
                level = np.sort(np.concatenate(scores))[-max(round(share * 9), 1)]
                for score, mask in zip(scores, masks, strict=True):
                    wanted = score >= level
                    wanted[score.argmax()] = True
                    np.testing.assert_array_equal(mask, wanted)


def test_the_scope_and_the_cost_are_looked_at():
    rows = {
        (scope, cost): uniform(
            perceptron(), make_data(), TASKS, SETTINGS, scope=scope, cost=cost, count=5
        )
        for scope, cost in (("local", None), ("global", None), ("global", "parameters"))
    }
    for found in rows.values():
        assert list(found) == [task.name for task in TASKS]
        for scores in found.values():
            assert scores and all(min(one.kept) >= 1 for one in scores)
    local = uniform(perceptron(), make_data(), TASKS, BOTH, count=5)
    assert local == rows["local", None]  # its own ranking, not that of the settings


def test_a_local_share_is_the_same_of_every_group():
    found = uniform_candidates(problem(), problem().rankings(), 4)
    for row, share in enumerate(5 ** (np.sqrt(np.linspace(0, 1, 4)) - 1)):
        kept = [int(mask[0, row].sum()) for mask in found.masks]
        assert kept == [max(1, round(share * size)) for size in (4, 5)]


# Refusals.


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"ranking": "tailor"},
            "`search.ranking` must be one of taylor, fisher, activation, magnitude, surgeon, "
            "random, got 'tailor' (did you mean 'taylor'?).",
        ),
        (
            {"ranking": ("fisher", "taylor", "fisher")},
            "`search.ranking` must have different names, got twice: fisher.",
        ),
        ({"ranking": ()}, "`search.ranking` must be one or more names, got none."),
    ],
)
def test_bad_settings(options, sentence):
    with pytest.raises(InputError) as refusal:
        Settings(**options)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"scope": "globe"},
            "`scope` must be one of local, global, got 'globe' (did you mean 'global'?).",
        ),
        (
            {"scope": "global", "cost": "flop"},
            "`cost` must be one of parameters, bytes, flops, got 'flop' (did you mean 'flops'?).",
        ),
        (
            {"cost": "flops"},
            "`cost` must be None under the local scope, where all units of a group cost the same, "
            "got 'flops'.",
        ),
        (
            {"ranking": "size"},
            "`search.ranking` must be one of taylor, fisher, activation, magnitude, surgeon, "
            "random, got 'size'.",
        ),
    ],
)
def test_bad_baselines(options, sentence):
    with pytest.raises(InputError) as refusal:
        uniform(perceptron(), make_data(), TASKS, SETTINGS, **options)
    assert str(refusal.value) == sentence


def test_a_ranking_without_an_answer_is_refused_before_the_search(tmp_path, monkeypatch):
    dead = make_mlp()
    dead.params["head"]["kernel"] = np.zeros_like(dead.params["head"]["kernel"])
    monkeypatch.setattr(driver.Driver, "__init__", None)  # nothing of the search is built
    with pytest.raises(InputError) as refusal:
        search(dead, make_data(), TASKS, (), SETTINGS, folder=tmp_path / "run")
    assert str(refusal.value) == (
        "`ranking` 'taylor' must have finite scores for the units of every group, and some above "
        "zero, got all zero for group 'first' and task 'legs': another ranking, or other examples, "
        "may tell its units apart."
    )
    assert not list(tmp_path.iterdir())


def test_scores_that_are_not_finite_are_refused():
    scores = jnp.ones((2, 3))
    check_scores({"fisher": [scores]}, ["wide"], ["one", "two"])
    scores = scores.at[1, :2].set(jnp.array([jnp.inf, jnp.nan]))
    with pytest.raises(InputError, match="got 2 not finite for group 'wide' and task 'two'"):
        check_scores({"fisher": [scores]}, ["wide"], ["one", "two"])


def test_the_configuration_takes_a_name_or_a_list(tmp_path):
    small = '[model]\nname = "fashion-resnet"\n[data]\nname = "fashion-mnist"\n'
    small += '[[tasks]]\nname = "tops"\nclasses = ["Coat", "Shirt"]\n[search]\n'

    def settings(line):
        return parse_config(small + line, tmp_path, "the text").settings

    assert settings('ranking = "fisher"').ranking == "fisher"
    assert settings('ranking = ["fisher", "random"]').rankings == ("fisher", "random")
    assert settings("shared_ranking = true").shared_ranking
    for line, came in (("ranking = 3", "3"), ('ranking = ["fisher", 3]', "['fisher', 3]")):
        with pytest.raises(InputError) as refusal:
            settings(line)
        assert str(refusal.value) == (
            f"`search.ranking` must be a text in quotes or a list of them, got {came}."
        )


def test_a_kernel_ranks_by_taylor():
    asked = problem()
    kernel = Kernel(perceptron().graph, asked.encoding)
    found = taylor_rankings(kernel, perceptron().params, asked.search)
    for one, other in zip(found, asked.rankings(), strict=True):
        np.testing.assert_array_equal(one, other)
