"""Buckets: members of like widths in one program, as if each were trained alone."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import TASKS, found, make_data, network, perceptron

from sosjax import Recovery, shrink
from sosjax.fitness._kernel import Kernel
from sosjax.recover import _bucket, _fine_tune
from sosjax.recover._bucket import COMPILING, buckets, placed
from sosjax.recover._case import Case
from sosjax.recover._fine_tune import fine_tune
from sosjax.search._found import settings_of
from sosjax.search._judge import Candidates, calibrated
from sosjax.search._problem import Problem

RECOVERY = Recovery(epochs=1, batch=16, rate=1e-2)


@cache
def problem():
    return Problem(network(), make_data(), TASKS, settings_of(found()))


def test_masked_in_common_shapes_is_trained_alone():
    """What a bucket makes of a member is what its own small network would become."""
    jat, task = network(), found().tasks[0]
    small, large = task.members[0], task.members[-1]
    cases = [Case(0, one) for one in (small, large)]
    (bucket,) = buckets(jat.graph, [one.masks for one in cases], 3, 1.0)
    assert bucket.graph.sizes != tuple(small.scores.kept) and set(bucket.rows) == {0, 1}
    row = bucket.rows.index(0)
    params, there = placed(jat.graph, cases[0].params(jat), small.masks, bucket.wide[row])
    alone = shrink(jat, small)
    grown = sum(int(leaf.size) for leaf in jax.tree.leaves(params))
    assert grown > sum(int(leaf.size) for leaf in jax.tree.leaves(alone.params))
    assert sum(int(one.sum()) for one in there.values()) == sum(
        int(leaf.size) for leaf in jax.tree.leaves(alone.params)
    )
    logits = bucket.graph.graph.apply(params, make_data().test.inputs)
    np.testing.assert_allclose(logits, alone(make_data().test.inputs), atol=1e-4)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=9), st.integers(1, 4), st.floats(0, 9))
def test_no_bucket_is_waited_for(widths, side_by_side, decades):
    """Every sub-network is in one bucket, the longest first, and all are never done later."""
    graph, examples = perceptron().graph, 10**decades
    members = [tuple(np.arange(size) < width for size in graph.sizes) for width in widths]

    def times(found):
        return [COMPILING + _trained(graph, one, examples) for one in found]

    found = buckets(graph, members, 3, examples, side_by_side=side_by_side)
    assert sorted(row for one in found for row in one.rows) == list(range(len(widths)))
    costs, alone = times(found), times(buckets(graph, members, 3, examples))
    assert costs == sorted(costs, reverse=True)
    bound = max(*costs, sum(costs) / side_by_side)
    assert bound <= max(*alone, sum(alone) / side_by_side)
    if side_by_side == 1:
        assert len(costs) == len(alone)


def _trained(graph, bucket, examples):
    counts = np.array([one.sum() for one in bucket.wide[0]])
    return len(bucket.rows) * examples * float(graph.cost(counts, 3)["flops"])


def test_split_buckets_train_to_the_same(monkeypatch):
    cases = [Case(0, one) for one in found().tasks[0].members[:3]]
    monkeypatch.setattr(_fine_tune, "workers", lambda: 1)
    whole = fine_tune(problem(), cases, RECOVERY)
    monkeypatch.setattr(_fine_tune, "workers", lambda: 2)
    monkeypatch.setattr(_bucket, "COMPILING", 1.0)
    seen = []
    parts = fine_tune(problem(), cases, RECOVERY, progress=lambda line: seen.append(line["event"]))
    assert not any("bucket 1 of 1," in line for line in seen)
    for one, other in zip(whole, parts, strict=True):
        assert one.after == pytest.approx(other.after, abs=0.05)
        for name, leaf in one.weights.items():
            np.testing.assert_allclose(other.weights[name], leaf, atol=1e-2, rtol=1e-2)


def test_side_by_side_is_one_after_the_other_with_a_block_gone(monkeypatch, tmp_path):
    """As on an accelerator, where three members come as two and one."""
    settings = replace(settings_of(found()), depth=True)
    whole = Problem(network(), make_data(), TASKS, settings)
    masks = [jnp.ones((len(TASKS), 2, size), bool) for size in whole.mask_sizes]
    masks[-1] = masks[-1].at[:].set(False)
    wanted = jnp.asarray([[True, True], *[[True, False]] * (len(TASKS) - 1)])
    members = calibrated(whole, Candidates(masks, wanted))
    cases = [Case(task, one) for task, own in enumerate(members) for one in own][:3]
    recovery = replace(RECOVERY, epochs=2)
    plain = fine_tune(whole, cases, recovery, tmp_path)
    left = [path.name for bucket in tmp_path.iterdir() for path in bucket.iterdir()]
    assert left and set(left) == {"tuned.safetensors"}
    again = fine_tune(whole, cases, recovery, tmp_path)
    for one, other in zip(plain, again, strict=True):
        assert replace(one, weights={}) == replace(other, weights={})
        assert one.weights.keys() == other.weights.keys()
        assert all(np.array_equal(leaf, one.weights[name]) for name, leaf in other.weights.items())
    assert any(leaf.size == 0 for leaf in plain[0].weights.values())
    monkeypatch.setattr(Kernel, "lanes", property(lambda self: 2))
    for one, other in zip(plain, fine_tune(whole, cases, recovery), strict=True):
        assert one.before == other.before and abs(one.after - other.after) < 0.1
        assert one.epoch > 0 or other.epoch == 0


def test_what_is_kept_of_some_is_not_taken_for_others(tmp_path):
    """A round may seek other members on another machine: the place is the same."""
    members = found().tasks[0].members
    cases = [Case(0, members[0]), Case(0, members[-1])]
    (plain,) = fine_tune(problem(), cases[1:], RECOVERY)
    fine_tune(problem(), cases[:1], RECOVERY, tmp_path)
    (other,) = fine_tune(problem(), cases[1:], RECOVERY, tmp_path)
    assert replace(other, weights={}) == replace(plain, weights={})
    shapes = {name: leaf.shape for name, leaf in plain.weights.items()}
    assert {name: leaf.shape for name, leaf in other.weights.items()} == shapes
