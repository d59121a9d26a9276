"""Teams: the integer program beside all teams there are, and what is refused."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sets import made, made_sets, score

from sosjax import Environment, InputError
from sosjax.sets._team import team_numbers

cost = st.integers(1, 9)
error = st.integers(0, 8).map(lambda eighths: eighths / 8)
COSTS = ("parameters", "bytes", "flops")


@st.composite
def asked(draw):
    """Draw rows of up to four tasks, one to three limits and weights, at several scales."""
    scale = draw(st.sampled_from([1, 10**9 + 7, 10**12 + 39]))
    offset = draw(st.sampled_from([0, 1, 10**6]))
    row = st.tuples(cost, cost, cost.map(lambda flops: flops * scale + offset), error)
    rows = draw(st.lists(st.lists(row, min_size=1, max_size=5), min_size=1, max_size=4))
    limits = {}
    for place in sorted(draw(st.sets(st.integers(0, 2), min_size=1))):
        total = sum(draw(st.sampled_from(each))[place] for each in rows)
        limits[COSTS[place]] = max(1, total - draw(st.integers(0, 1)))
    return rows, limits, [draw(st.sampled_from([1.0, 2.0, 0.25])) for _ in rows]


def ranked(sets, budget, weights):
    """Return (error, parameters) and the numbers of every team within the budget."""
    found = []
    for numbers in itertools.product(*[range(len(each)) for each in sets]):
        team = [each[number] for each, number in zip(sets, numbers, strict=True)]
        if budget.admits({name: sum(getattr(one, name) for one in team) for name in COSTS}):
            errors = [w * one.validation_error for w, one in zip(weights, team, strict=True)]
            found.append(((math.fsum(errors), sum(one.parameters for one in team)), numbers))
    return found


@settings(max_examples=200)
@given(asked())
def test_a_team_is_the_best_of_all_teams(case):
    rows, limits, weights = case
    sets, budget = [[score(*row) for row in each] for each in rows], Environment("all", **limits)
    teams = ranked(sets, budget, weights)
    if not teams:
        with pytest.raises(InputError, match="`budget` all must admit a member for each of"):
            team_numbers(sets, budget, weights)
        return
    numbers = tuple(team_numbers(sets, budget, weights))
    assert dict((numbers, key) for key, numbers in teams)[numbers] == min(teams)[0]
