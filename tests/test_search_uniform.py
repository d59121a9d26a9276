"""Uniform cuts in a search: where it begins, and members where nothing found beats them."""

from dataclasses import replace

import numpy as np
from problem import ENVIRONMENTS, SETTINGS, TASKS, found, make_data, network

from sosjax import Environment, search
from sosjax.search._problem import Problem
from sosjax.search._uniform import FINE, uniform_candidates


def test_the_first_sub_networks_may_keep_one_share_of_every_group():
    settings = replace(SETTINGS, population=8, generations=0, uniform=8, low=0.2)
    sets = search(network(), make_data(), TASKS, ENVIRONMENTS, settings)
    sizes = [group["size"] for group in sets.facts["network"]["groups"]]
    shares = max(sizes) ** (0.2 + 0.8 * np.sqrt(np.linspace(0, 1, 8)) - 1)
    uniform = {
        tuple(np.clip(np.round(share * np.array(sizes)), 1, sizes).astype(int).tolist())
        for share in shares
    }
    scores = [member.scores for task in sets.tasks for member in task.members]
    kept = {one.kept for one in scores if one.search_error is not None}
    assert kept <= uniform and len(kept) > 1


def test_uniform_cuts_that_nothing_found_beats_are_members():
    without = search(network(), make_data(), TASKS, (), replace(SETTINGS, uniform=0))
    assert all(one.scores.search_error is not None for t in without.tasks for one in t.members)
    joined = 0
    for task in found().tasks:
        members = [np.array(seen_of(one.scores)) for one in task.members]
        for scores in task.uniform:
            here = np.array(seen_of(scores))
            if scores.parameters < task.jack.parameters:
                assert any((member <= here).all() for member in members)
        joined += sum(one.scores.search_error is None for one in task.members)
    assert joined > 0


def test_the_largest_uniform_cut_that_fits_is_judged_for_every_environment():
    graph, sizes = network().graph, np.array(network().graph.sizes)
    shares = max(sizes) ** (np.sqrt(np.linspace(0, 1, FINE)) - 1)
    every = np.clip(np.round(shares[:, None] * sizes), 1, sizes).astype(int)
    whole = {name: int(cost) for name, cost in graph.cost(sizes, 3).items()}
    limits = (
        Environment("half", flops=whole["flops"] / 2),
        Environment("both", parameters=whole["parameters"] / 3, bytes=whole["bytes"] / 4),
        Environment("none", flops=1),
        Environment("all", bytes=10 * whole["bytes"]),
    )
    problem = Problem(network(), make_data(), TASKS, SETTINGS)
    rows = uniform_candidates(problem, problem.rankings(), 4, limits)
    kept = np.stack([np.asarray(mask).sum(-1) for mask in rows.masks], -1)
    assert kept.shape[:2] == (len(TASKS), 4 + len(limits)) and np.asarray(rows.wanted).all()
    for task, own in zip(TASKS, kept[:, 4:], strict=True):
        costs = [
            {name: int(cost) for name, cost in graph.cost(one, len(task.classes)).items()}
            for one in every
        ]
        for environment, chosen in zip(limits, own.tolist(), strict=True):
            fits = [row for row, own in enumerate(costs) if environment.admits(own)]
            assert chosen == every[fits[-1] if fits else 0].tolist()
        assert own[-1].tolist() == sizes.tolist() and own[-2].tolist() == every[0].tolist()


def seen_of(scores):
    """Return what members are chosen by."""
    return [scores.validation_error, *scores.costs.values()]
