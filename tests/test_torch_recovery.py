"""The recovery that Torch-Pruning's members have in PyTorch: the one that they have here."""

import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from problem import TASKS, found, make_data, network

pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sets import _torch_recovery
from sosjax import Recovery
from sosjax.recover._case import Case
from sosjax.recover._course import course_of
from sosjax.recover._fine_tune import fine_tune
from sosjax.search._found import settings_of
from sosjax.search._problem import Problem

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("distillation", [0.0, 0.5])
def test_both_come_to_the_same(distillation, monkeypatch):
    """The same losses and nearly the same errors after an epoch: steps differ by rounding."""
    problem = Problem(network(), make_data(), TASKS, settings_of(found()))
    recovery = Recovery(epochs=3, batch=16, rate=1e-3, distillation=distillation)
    course = jax.tree.map(np.asarray, course_of(problem, recovery))
    seen, marks = [], _torch_recovery.marks

    def spied(module, batch, task):
        found = marks(module, batch, task)
        if batch is not problem.test:
            seen.append(found)
        return found

    monkeypatch.setattr(_torch_recovery, "marks", spied)
    epochs = set()
    for number, task in enumerate(found().tasks):
        for member in task.members:
            (here,) = fine_tune(problem, [Case(number, member)], recovery)
            seen.clear()
            _torch_recovery.recovered(problem, course, recovery, number, member)
            assert len(seen) == 1 + recovery.epochs
            assert seen[0][0] == pytest.approx(here.before)
            assert seen[here.epoch][0] == pytest.approx(here.after, abs=1.1 / 48)
            assert seen[here.epoch][1] == pytest.approx(here.loss, rel=2e-2)
            epochs.add(here.epoch)
    assert max(epochs) > 0


def test_of_epochs_that_err_equally_the_one_with_the_lower_loss_is_kept(monkeypatch):
    problem = Problem(network(), make_data(), TASKS, settings_of(found()))
    recovery = replace(Recovery(), epochs=3, batch=16, distillation=0.0)
    course = jax.tree.map(np.asarray, course_of(problem, recovery))
    told = iter([(0.5, 1.0), (0.5, 0.8), (0.5, 0.9), (0.5, 0.7)])

    def marks(module, batch, task):
        return (0.25, 0.0) if batch is problem.test else next(told)

    monkeypatch.setattr(_torch_recovery, "marks", marks)
    member = found().tasks[0].members[0]
    kept = _torch_recovery.recovered(problem, course, recovery, 0, member)
    assert kept == {"validation_error": 0.5, "epoch": 3, "test_error": 0.25}
