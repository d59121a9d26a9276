"""Uniform cuts in a search: where it begins, and members where nothing found beats them."""

from dataclasses import replace

import numpy as np
from problem import ENVIRONMENTS, SETTINGS, TASKS, found, make_data, network

from sosjax import search


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


def seen_of(scores):
    """Return what members are chosen by."""
    return [scores.validation_error, *scores.costs.values()]
