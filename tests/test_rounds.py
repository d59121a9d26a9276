"""Rounds of recovery: what is foretold, which members come next, and which ones the sets hold."""

from dataclasses import replace
from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from problem import TASKS, found, make_data, network

from sosjax import Environment, Recovery, recover
from sosjax.recover import _rounds
from sosjax.recover._course import course_of
from sosjax.recover._forecast import forecast
from sosjax.recover._foretold import averaged, unseen
from sosjax.recover._further import _members, further
from sosjax.recover._rounds import recovered
from sosjax.recover._seeking import genes_of, ratios_of
from sosjax.search._found import settings_of
from sosjax.search._problem import Problem
from sosjax.training._orders import counts
from sosjax.training._recovery import LARGEST

RECOVERY = Recovery(epochs=1, batch=16, rate=1e-2, rounds=1, further=3)


@cache
def problem():
    return Problem(network(), make_data(), TASKS, settings_of(found()))


def in_rounds(recovery, sets=None):
    course = course_of(problem(), recovery)
    return recovered(problem(), found() if sets is None else sets, recovery, course)


def test_a_task_without_members_leaves_the_others_their_rounds(monkeypatch):
    """If no sub-network was drawn for it either, nothing is known of it, and nothing is sought."""
    first, second = found().tasks
    sets = replace(found(), tasks=(first, replace(second, members=())))
    monkeypatch.setattr(_rounds, "_strewn", lambda *_: [])
    trials = in_rounds(RECOVERY, sets)
    assert len(trials) > len(first.members) and {one.task for one in trials} == {0}
    assert averaged(problem(), trials, RECOVERY)[-1].expected is not None


def test_of_several_rankings_the_scale_decides_nothing():
    """Neither in the search nor in the members that rounds seek."""
    settings = replace(settings_of(found()), ranking=("taylor", "magnitude"))
    mixed = Problem(network(), make_data(), TASKS, settings)
    mixed.__dict__["scores"] = [score.at[:, 1].multiply(1e4) for score in mixed.scores]
    plain = Problem(network(), make_data(), TASKS, settings)
    for scaled, ranking in zip(mixed.one_ranking(), plain.one_ranking(), strict=True):
        np.testing.assert_array_equal(scaled, ranking)
    genes = jnp.full((len(TASKS), 1, ratios_of(plain).dimensions), 0.6)
    for scaled, member in zip(
        *(_members(each, np.asarray(genes), [[0], [0]]) for each in (mixed, plain)), strict=True
    ):
        for mask, same in zip(scaled[1].masks, member[1].masks, strict=True):
            np.testing.assert_array_equal(mask, same)


def test_the_front_is_of_errors_held_against_those_of_others():
    """After rounds by the forecast's mean, without by validation errors as they are."""
    trials = in_rounds(RECOVERY)
    plain = [trial.tuned.after for trial in trials]
    unrounded = averaged(problem(), trials, replace(RECOVERY, rounds=0))
    assert [trial.error for trial in unrounded] == plain
    assert all(trial.after().scores.expected_error is None for trial in unrounded)
    encoding = ratios_of(problem())
    genes = genes_of(encoding, np.array([trial.member.scores.kept for trial in trials]))
    tasks = np.array([trial.task for trial in trials])
    losses = np.array([trial.tuned.loss for trial in trials])
    examples = counts(problem().validation)[tasks]
    told = forecast(genes, tasks, np.array(plain), losses, examples, len(TASKS))
    errors = [trial.error for trial in averaged(problem(), trials, RECOVERY)]
    for row, (own, task) in enumerate(zip(genes, tasks.tolist(), strict=True)):
        share = float(np.exp(told(jnp.float32(own)[None], task)[0][0]))
        assert errors[row] == pytest.approx(share - 0.5 / examples[row], 1e-4)
    final = recover(network(), found(), make_data(), TASKS, RECOVERY)
    for number, task in enumerate(final.tasks):
        rows = np.flatnonzero(tasks == number)
        points = [[errors[row], *trials[row].member.scores.costs.values()] for row in rows]
        best = {
            tuple(trials[row].member.scores.kept)
            for row, point in zip(rows, points, strict=True)
            if not any(np.all(np.array(one) <= point) and one != point for one in points)
        }
        assert {one.scores.kept for one in task.members} == best
        own = {tuple(trials[row].member.scores.kept): errors[row] for row in rows}
        for one in task.members:
            assert one.scores.error == one.scores.expected_error
            assert one.scores.expected_error == pytest.approx(own[one.scores.kept], abs=1e-6)


def test_what_is_foretold_of_a_member_does_not_know_its_recovery():
    trials = in_rounds(RECOVERY)
    errors = unseen(problem(), trials)
    assert errors.shape == (len(trials),) and np.all((errors > 0) & (errors <= 1))
    for row in (0, len(trials) // 2):
        worse = replace(trials[row].tuned, after=0.99)
        others = [*trials[:row], replace(trials[row], tuned=worse), *trials[row + 1 :]]
        changed = unseen(problem(), others)
        assert changed[row] == pytest.approx(errors[row], rel=1e-5)
        assert not np.allclose(np.delete(changed, row), np.delete(errors, row), rtol=1e-3)


def test_before_further_rounds_some_of_all_sizes_are_strewn():
    """None without rounds; else of sizes that matter, and none twice."""
    first = sum(len(task.members) for task in found().tasks)
    assert len(in_rounds(replace(RECOVERY, rounds=0))) == first
    trials = in_rounds(replace(RECOVERY, further=4))
    assert len(trials) > first + 4
    seen = set()
    for trial in trials:
        key = (trial.task, *(mask.tobytes() for mask in trial.member.masks))
        assert key not in seen
        seen.add(key)
    for trial in trials[first : first + 8]:
        jack = found().tasks[trial.task].jack
        assert RECOVERY.smallest <= trial.member.scores.parameters / jack.parameters <= LARGEST


def test_a_round_seeks_within_environments():
    """Where only size lowers the error, one that uses up what each allows, in each task."""
    first = in_rounds(replace(RECOVERY, rounds=0))
    trials = []
    for trial in first:
        genes = genes_of(ratios_of(problem()), np.array(trial.member.scores.kept))
        error = 0.5 * float(np.exp(-2 * genes.mean()))
        trials.append(replace(trial, tuned=replace(trial.tuned, after=error, loss=error)))
    whole = problem().whole[0]
    places = [Environment(f"{one}", flops=one * whole["flops"]) for one in (0.15, 0.45)]
    recovery = replace(RECOVERY, further=4)
    members = further(problem(), places, trials, recovery, 1)
    taken = {(one.task, one.member.scores.kept) for one in trials}
    for task in range(len(TASKS)):
        own = [member.scores for number, member in members if number == task]
        assert 2 <= len(own) <= 4 and not {(task, one.kept) for one in own} & taken
        assert len({one.kept for one in own}) == len(own)
        for place in places:
            assert any(0.85 < one.flops / place.flops <= 1 for one in own)
    assert len(further(problem(), (), trials, recovery, 1)) <= 4 * len(TASKS)
