"""Recovery: a whole front trained, nothing grows back, validation data chooses, resumable."""

import json
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problem import (
    TASKS,
    contents,
    found,
    found_by_perceptron,
    make_data,
    network,
    perceptron,
    shuffled,
)

from sosjax import (
    Environment,
    InputError,
    Recovery,
    Split,
    Task,
    certify,
    load_sets,
    recover,
    save_sets,
    shrink,
)
from sosjax._tree import named_leaves, with_leaves
from sosjax.fitness import _batch
from sosjax.recover import _fine_tune, _sharpness
from sosjax.recover._case import Case
from sosjax.recover._course import course_of
from sosjax.recover._fine_tune import fine_tune
from sosjax.search._found import settings_of
from sosjax.search._problem import Problem
from sosjax.training._orders import counts, orders
from sosjax.training._recovery import warmed
from sosjax.training._trainer import Lesson, SubNetwork, Trainer

RECOVERY = Recovery(epochs=3, batch=16, rate=1e-2, rounds=1, further=3)


@cache
def recovered():
    return recover(network(), found(), make_data(), TASKS, RECOVERY)


@cache
def problem():
    return Problem(network(), make_data(), TASKS, settings_of(found()))


def error(net, task, split):
    """Return the error of a shrunk network on the rows of a task's classes."""
    data = make_data()
    labels = [data.classes.index(name) for name in task.classes]
    rows = np.isin(split.labels, labels)
    guesses = np.argmax(net(split.inputs[rows]), -1)
    return float((np.array(labels)[guesses] != split.labels[rows]).mean())


def test_members_are_what_their_scores_say():
    """The shrunk network of a recovered member errs as often as its scores say, and certifies."""
    jat, data = network(), make_data()
    for task, before in zip(recovered().tasks, found().tasks, strict=True):
        assert task.members and task.jack == before.jack
        for member in task.members:
            net = shrink(jat, member)
            assert set(named_leaves(net.params)) == set(member.weights)
            assert error(net, task, data.validation) == pytest.approx(
                member.scores.validation_error, abs=1e-5
            )
            assert error(net, task, data.test) == pytest.approx(member.scores.test_error, abs=1e-5)
            assert certify(jat, member).holds


def test_nothing_is_worse_on_validation_data_and_something_is_better():
    members = [member.scores for task in recovered().tasks for member in task.members]
    assert all(one.validation_error <= one.validation_error_before for one in members)
    assert any(one.validation_error < one.validation_error_before for one in members)
    assert all(
        (one.epoch == 0) == (one.validation_error == one.validation_error_before) for one in members
    )
    for one in members:
        kept, parameters = np.array(one.kept), one.parameters
        assert any(
            parameters == network().graph.cost(kept, len(task.classes))["parameters"]
            for task in found().tasks
        )


def test_a_task_may_have_no_member(tmp_path):
    first, second = found().tasks
    sets = replace(found(), tasks=(first, replace(second, members=())))
    once = replace(RECOVERY, epochs=1, rounds=0)
    tuned = recover(network(), sets, make_data(), TASKS, once, folder=tmp_path / "tuned")
    assert tuned.tasks[0].members and tuned.tasks[1].members == ()
    assert contents(load_sets(tmp_path / "tuned")) == contents(tuned)


@pytest.mark.parametrize("parts", ["all", "norms", "low-rank"])
def test_what_is_trained(parts):
    recovery = replace(RECOVERY, parts=parts, epochs=2, rate=0.03)
    jat, member = network(), found().tasks[0].members[0]
    case = Case(0, member)
    (tuned,) = fine_tune(problem(), [case], recovery)
    old, new = named_leaves(shrink(jat, member).params), tuned.weights
    assert tuned.epoch > 0 and tuned.after < tuned.before
    changed = {name for name in new if not np.allclose(new[name], old[name])}
    one_axis = {name for name, leaf in old.items() if leaf.ndim == 1}
    head = {"head/kernel", "head/bias"}
    if parts == "norms":
        assert changed <= one_axis | head and changed & one_axis - head
    else:
        assert changed - one_axis - head
    if parts == "low-rank":
        name = "stages/1/0/conv2/kernel"
        update = (new[name] - old[name]).reshape(-1, old[name].shape[-1])
        assert np.linalg.matrix_rank(update, tol=1e-5) <= recovery.rank


def test_the_jack_teaches():
    """With distillation alone, targets do not matter."""
    recovery = replace(RECOVERY, distillation=1.0, epochs=2)
    jat, member = network(), found().tasks[0].members[-1]
    case = Case(0, member)
    one = fine_tune(problem(), [case], recovery)[0]
    wrong = Problem(jat, make_data(), TASKS, settings_of(found()))
    turned = wrong.training(None)
    wrong.training = lambda limit: turned._replace(targets=jnp.roll(turned.targets, 1, -1))
    other = fine_tune(wrong, [case], recovery)[0]
    for name, leaf in one.weights.items():
        if not name.startswith("head"):  # whose scale is fitted to targets
            np.testing.assert_allclose(leaf, other.weights[name], atol=1e-5)


def test_a_rate_that_diverges_leaves_the_member_as_it_came():
    told = []
    recovery = replace(RECOVERY, rate=1e30, warmup=0.0)
    sets = recover(network(), found(), make_data(), TASKS, recovery, progress=told.append)
    warnings = [line["event"] for line in told if line.get("warning")]
    assert warnings and "diverged" in warnings[0] and "`recovery.rate`" in warnings[0]
    for task in sets.tasks:
        for member in task.members:
            assert np.isfinite(member.scores.validation_error)
            assert all(np.isfinite(leaf).all() for leaf in member.weights.values())
            assert member.scores.validation_error <= member.scores.validation_error_before


@pytest.mark.parametrize("rate", [10.0, 1e3])
def test_a_rate_that_helps_nobody_is_told(rate):
    """Adam seldom comes to numbers that are not finite, however large its steps are."""
    told, recovery = [], replace(RECOVERY, rate=rate, rounds=0)
    sets = recover(network(), found(), make_data(), TASKS, recovery, progress=told.append)
    warnings = [line["event"] for line in told if line.get("warning")]
    members = [member for task in sets.tasks for member in task.members]
    stayed = [member for member in members if member.scores.epoch == 0]
    assert stayed and any("stay as they came" in line for line in warnings)
    assert all("`recovery.rate`" in line for line in warnings)
    for member in stayed:
        assert member.scores.validation_error == member.scores.validation_error_before


def test_a_refused_recovery_leaves_nothing_behind(tmp_path):
    """What was mended can be asked again, in the same folder."""
    place = tmp_path / "recovered"
    with pytest.raises(InputError, match=r"`recovery.batch` must be at most"):
        recover(network(), found(), make_data(), TASKS, replace(RECOVERY, batch=5000), folder=place)
    assert not place.exists()


def test_test_data_choose_nothing():
    """With other test labels the same members come out with the same weights."""
    poisoned = shuffled(make_data(), "test")
    sets = recover(network(), found(), poisoned, TASKS, RECOVERY)
    for own, whole in zip(sets.tasks, recovered().tasks, strict=True):
        assert len(own.members) == len(whole.members)
        for first, second in zip(own.members, whole.members, strict=True):
            one, other = (
                replace(found.scores, test_error=0.0, test_error_before=0.0)
                for found in (first, second)
            )
            assert one == other
            assert first.weights.keys() == second.weights.keys()
            assert all(
                np.array_equal(first.weights[name], leaf) for name, leaf in second.weights.items()
            )
    assert [m.scores.test_error for t in sets.tasks for m in t.members] != [
        m.scores.test_error for t in recovered().tasks for m in t.members
    ]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("after", [1, 2, 4])
def test_an_interrupted_recovery_goes_on_to_the_same_result(after, tmp_path, monkeypatch):
    arguments = (network(), found(), make_data(), TASKS, RECOVERY)
    folder, written, save = tmp_path / "recovered", [], _fine_tune.save_checkpoint

    def killed(*given):
        if len(written) == after:
            raise Killed
        written.append(given[1])
        save(*given)

    with monkeypatch.context() as patch:
        patch.setattr(_fine_tune, "save_checkpoint", killed)
        patch.setattr(_fine_tune, "SECONDS", 0.0)
        with pytest.raises(Killed):
            recover(*arguments, folder=folder)
    again = recover(*arguments, folder=folder)
    assert contents(again) == contents(recovered())
    assert contents(load_sets(folder)) == contents(recovered())
    assert not (folder / "checkpoints").exists()
    assert contents(recover(*arguments, folder=folder)) == contents(recovered())
    with pytest.raises(InputError, match="`run` must be resumed with what it was started with, go"):
        recover(*arguments[:-1], replace(RECOVERY, rate=1.0), folder=folder)
    elsewhere = replace(found(), environments=(Environment("other", flops=1e9),))
    with pytest.raises(InputError, match="got other environments for"):
        recover(network(), elsewhere, *arguments[2:], folder=folder)


def test_recovered_sets_are_kept(tmp_path):
    save_sets(recovered(), tmp_path)
    again = load_sets(tmp_path)
    assert contents(again) == contents(recovered())
    kept = json.loads((tmp_path / "sets.json").read_text())
    assert kept["recovery"]["epochs"] == RECOVERY.epochs


def test_a_network_without_statistics_recovers():
    sets = recover(perceptron(), found_by_perceptron(), make_data(), TASKS, RECOVERY)
    for task in sets.tasks:
        for member in task.members:
            assert certify(perceptron(), member).holds


def test_every_task_takes_as_many_steps():
    batch = problem().training(None)
    order = np.asarray(orders(batch, RECOVERY, 0))
    assert order.shape == (2, counts(batch).max() // 16, 16)
    for rows, size in zip(order, counts(batch), strict=True):
        assert rows.max() < size
        assert np.bincount(rows.ravel(), minlength=size).max() <= -(-rows.size // size)
    assert not np.array_equal(order, orders(batch, RECOVERY, 1))
    assert np.array_equal(order, orders(batch, RECOVERY, 0))


@pytest.mark.parametrize("pace", [1.0, 2.0])
def test_steps_are_adams_times_the_pace(pace):
    """A step of a whole network is optax's on the plain function, so many times as far."""
    jat = perceptron()
    recovery = replace(RECOVERY, epochs=1, distillation=0.0, warmup=0.0, images=16)
    leaves = named_leaves(jat.params)
    own = {"head/kernel": leaves["head/kernel"][:, :3], "head/bias": leaves["head/bias"][:3]}
    params = with_leaves(jat.params, leaves | own)
    tiny = Problem(jat, make_data(), TASKS, settings_of(found_by_perceptron()))
    batch = tiny.training(16)
    task = batch.task(jnp.int32(0))

    def loss(params):
        logits = jat.graph.graph.apply(params, task.inputs)
        return optax.softmax_cross_entropy(logits, task.targets).mean()

    optimiser, slopes = recovery.optimiser(2), jax.grad(loss)(params)
    updates, _ = optimiser.update(slopes, optimiser.init(params), params)
    trainer = Trainer(jat.graph, "classes", recovery, 2)
    there = {name: jnp.ones(leaf.shape, bool) for name, leaf in named_leaves(params).items()}
    member = SubNetwork(params, there, jnp.int32(0), jnp.float32(pace))
    learner, losses = trainer.study(
        member,
        trainer.learner(params, jax.random.key(0)),
        Lesson(batch, jnp.zeros((2, 16))),
        jnp.arange(16)[None],
    )
    assert losses[0] == pytest.approx(float(loss(params)), 1e-4)
    found, moved = named_leaves(trainer.weights(member, learner.moving)), 0.0
    for name, leaf in named_leaves(updates).items():
        step = found[name] - named_leaves(params)[name]
        np.testing.assert_allclose(step, pace * leaf, atol=1e-5)
        moved = max(moved, float(jnp.abs(step).max()))
    assert moved > 1e-3


def test_smaller_members_take_larger_steps():
    assert Recovery.pace(1.0) == 1 and Recovery.pace(1 / 16) == 2
    for number, task in enumerate(found().tasks):
        for member in task.members:
            share = problem().share(number, member.scores.kept)
            assert share == pytest.approx(member.scores.parameters / task.jack.parameters)


def test_the_jack_teaches_log_odds():
    """By a head in closed form it foretells shares, which would teach that all is nearly equal."""
    tasks = [TASKS[0], replace(TASKS[1], head="new")]
    mixed = Problem(network(), make_data(), tasks, settings_of(found()))
    batch, course = mixed.training(None), course_of(mixed, RECOVERY)
    said = np.asarray(jax.jit(mixed.kernel.outputs)(network().params, batch))
    np.testing.assert_allclose(course.lessons.teacher[0], said[0], atol=1e-4)
    factors = np.asarray(course.lessons.teacher[1])[:, 0] / said[1][:, 0]
    factor = np.median(factors)
    assert factor in _sharpness.SHARPNESS and factor > 1

    def loss(factor):
        odds = np.where(batch.valid[1], factor * said[1], -1e9)
        entropy = optax.softmax_cross_entropy(odds, batch.targets[1])
        return float((entropy * (1 if batch.real is None else batch.real[1])).sum())

    assert loss(factor) == min(map(loss, _sharpness.SHARPNESS))


def test_the_first_examples_stand_for_all_of_data_in_the_order_of_classes():
    data = make_data()
    order = np.argsort(data.search.labels, kind="stable")
    split = Split(data.search.inputs[order], data.search.labels[order])
    asked = Problem(network(), replace(data, search=split), TASKS, settings_of(found()))
    batch = asked.training(None)
    for task, size in enumerate(counts(batch).tolist()):
        targets = np.asarray(batch.targets)[task, :size]
        # All are there, and each class is among the first.
        assert targets.sum(0).tolist() == [20 * there for there in np.asarray(batch.valid)[task]]
        assert targets[: size // 2].any(0).tolist() == np.asarray(batch.valid)[task].tolist()


@pytest.mark.parametrize("steps", [1, 2, 7, 40])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_every_step_has_a_rate(steps, warmup):
    rates = np.array([warmed(0.5, warmup, steps)(step) for step in range(steps)])
    assert (rates > 0).all() and rates.max() <= 0.5
    peak = rates.argmax()
    assert peak == min(round(warmup * steps), steps - 1)
    np.testing.assert_allclose(rates[: peak + 1], rates[0] * np.arange(1, peak + 2), 1e-5)


def test_of_epochs_that_err_equally_the_one_with_the_lowest_loss_is_kept():
    """Steps too small to change a decision change the loss."""
    cases = [Case(0, member) for member in found().tasks[0].members[:1]]
    [tuned] = fine_tune(problem(), cases, replace(RECOVERY, rate=1e-6, epochs=1))
    assert tuned.after == tuned.before and tuned.epoch == 1


def test_a_teacher_that_does_not_fit_is_refused(monkeypatch):
    batch = course_of(problem(), RECOVERY).lessons.batch  # there are examples by now
    monkeypatch.setattr(problem(), "training", lambda limit: batch)
    monkeypatch.setattr(_batch, "device_memory", lambda: 1000)
    with pytest.raises(InputError, match="`recovery.distillation` must keep what the Jack says"):
        course_of(problem(), RECOVERY)
    course_of(problem(), replace(RECOVERY, distillation=0.0))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"epochs": 0}, "`recovery.epochs` must be a whole number from 1 to 1e+06, got 0."),
        ({"parts": "most"}, "`recovery.parts` must be one of all, norms, low-rank, got 'most'."),
        ({"rate": -1.0}, "`recovery.rate` must be a number at least 0, got -1.0."),
        ({"distillation": 2}, "`recovery.distillation` must be a number from 0 to 1, got 2."),
        ({"images": 20}, "`recovery.images` must be at least a batch of 64, got 20."),
    ],
)
def test_settings_are_checked(changes, sentence):
    with pytest.raises(InputError) as refusal:
        Recovery(**changes)
    assert str(refusal.value) == sentence


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="`tasks` must be one of"):
        recover(network(), found(), make_data(), [Task("gone", ("ant", "bee"))])
    with pytest.raises(InputError, match="`jat` must be the network of the sets, tiny"):
        recover(perceptron(), found(), make_data(), TASKS)
    turned = [Task(TASKS[0].name, TASKS[0].classes[::-1])]
    with pytest.raises(InputError, match="`tasks` legs must have the classes of its set in their"):
        recover(network(), found(), make_data(), turned)
    again = network().with_params(jax.tree.map(lambda leaf: 2 * leaf, network().params))
    with pytest.raises(
        InputError, match="must have the weights that the sets were found with, got"
    ):
        recover(again, found(), make_data(), TASKS)
    own = found().facts["network"]
    other = replace(found(), facts=found().facts | {"network": own | {"bytes": own["bytes"] + 4}})
    with pytest.raises(InputError, match="must be the network of the sets, of .* bytes, got"):
        recover(network(), other, make_data(), TASKS)
    with pytest.raises(InputError, match="`recovery.batch` must be at most the 40 search examples"):
        recover(network(), found(), make_data(), TASKS, Recovery(batch=50))
