"""Teams: the integer program beside all teams there are, and what is refused."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sets import made, made_sets, score, two_members

from sosjax import Environment, InputError, SetOfSets
from sosjax.sets._team import team, team_numbers

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


@settings(max_examples=100)
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
    assert {each: key for key, each in teams}[numbers] == min(teams)[0]


@settings(max_examples=50)
@given(asked(), st.randoms(use_true_random=False))
def test_a_team_is_chosen_by_expected_errors(case, random):
    rows, limits, weights = case
    budget = Environment("all", **limits)
    sets = [[score(*row) for row in each] for each in rows]
    noisy = [
        [replace(one, validation_error=random.random(), expected_error=one.error) for one in each]
        for each in sets
    ]
    if ranked(sets, budget, weights):
        chosen = team_numbers(noisy, budget, weights)
        assert chosen == team_numbers(sets, budget, weights)
        members = [[made(one) for one in each] for each in noisy]
        names = [str(number) for number in range(len(rows))]
        own = dict(zip(names, weights, strict=True))
        found = team(dict(zip(names, members, strict=True)), budget, own)
        assert list(found.numbers.values()) == chosen
        errors = [w * each[n].error for w, each, n in zip(weights, sets, chosen, strict=True)]
        assert found.error == pytest.approx(sum(errors))


def near_limits(seed):
    """Make costs of 13 digits that differ in the last ones."""
    flops = [10**12 + 7 * number + seed for number in range(6)]
    return [
        [score(1, 1, each + 1000 * task, 1 - number / 8) for number, each in enumerate(flops)]
        for task in range(4)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_limits_are_exact_where_the_solver_has_a_tolerance(seed):
    sets = near_limits(seed)
    least = sum(min(one.flops for one in each) for each in sets)
    for room in (0, 6, 7, 20, 35):
        budget = Environment("all", flops=least + room)
        numbers = tuple(team_numbers(sets, budget, [1.0] * 4))
        teams = ranked(sets, budget, [1.0] * 4)
        assert {each: key for key, each in teams}[numbers] == min(teams)[0]
    with pytest.raises(InputError, match=r"needs [\d,]+ flops, 1 \(0.00 %\) over"):
        team_numbers(sets, Environment("all", flops=least - 1), [1.0] * 4)


@pytest.mark.parametrize("room", range(2, 9))
def test_teams_that_only_the_tolerance_admits_are_ruled_out(room):
    much = 10**13
    sets = [[score(1, 1, 1, 0.5), score(1, 1, much + extra, 0.0)] for extra in (1, 2, 3)]
    sets.append([score(1, 1, 1, 0.25), score(1, 1, much, 0.0)])
    # Any two large ones exceed the limit by less than a share of 1e-12, or do not.
    budget = Environment("all", flops=2 * much + room)
    teams = {numbers: key for key, numbers in ranked(sets, budget, [1.0] * 4)}
    assert teams[tuple(team_numbers(sets, budget, [1.0] * 4))] == min(teams.values())


@pytest.mark.parametrize(
    ("rows", "limits", "weights", "numbers"),
    [
        (  # With numbers up to 1e5 in rows and goal HiGHS takes the first of the last task.
            [
                [
                    (5000000009, 7000000000, 48000000428, 5.8e-05),
                    (48000000002, 45000000000, 8000000705, 2.36e-05),
                    (34000000003, 28000000000, 29000000293, 0.0593),
                ],
                [(49000000008, 10000000000, 1000000177, 0.664)],
                [
                    (22000000001, 8000000000, 5000000724, 0.788),
                    (11000000008, 18000000000, 14000000203, 9.36e-05),
                ],
            ],
            {"parameters": 119000000010, "bytes": 72999999999, "flops": 63000000807},
            [1.0, 0.001, 50.0],
            [2, 0, 1],
        ),
        (  # And here it says that nothing fits.
            [
                [
                    (37000000000, 24000000000, 3000000375, 6.2e-05),
                    (3000000008, 21000000000, 36000000137, 1.7e-05),
                    (48000000001, 48000000000, 6000000576, 0.358),
                    (18000000009, 6000000000, 33000000359, 0.505),
                    (41000000002, 47000000000, 16000000241, 0.768),
                    (17000000000, 11000000000, 40000000286, 0.302),
                ],
                [
                    (3000000003, 46000000000, 37000000502, 1.63e-05),
                    (31000000009, 22000000000, 34000000639, 1.26e-05),
                    (14000000008, 50000000000, 5000000059, 0.752),
                ],
            ],
            {"parameters": 32000000016, "bytes": 61000000000, "flops": 53000000743},
            [0.0, 0.001],
            [5, 2],
        ),
    ],
)
def test_teams_that_the_solver_alone_gets_wrong(rows, limits, weights, numbers):
    sets = [[score(*row) for row in each] for each in rows]
    assert team_numbers(sets, Environment("all", **limits), weights) == numbers


def three_tasks():
    """Make sets in which 4 bytes fewer cost an error of 1/4, 1/8 and 1/16."""
    tasks = [
        made_sets([made(score(4, 4, error=0.25 * share)), made(score(8, 8, error=0.0))], [name])
        for name, share in (("a", 1), ("b", 0.5), ("c", 0.25))
    ]
    return SetOfSets(tuple(sets.tasks[0] for sets in tasks), (Environment("hub", bytes=20),), {})


def test_a_team():
    team = three_tasks().team("hub")
    assert team.numbers == {"a": 1, "b": 1, "c": 0} and team.error == 0.0625
    assert team.costs == {"parameters": 20, "bytes": 20, "flops": 300}
    assert [one.scores.bytes for one in team.members.values()] == [8, 8, 4]
    assert team.weights == {"a": 1, "b": 1, "c": 1} and team.budget.name == "hub"


def test_weights_and_tasks_of_a_team():
    sets = three_tasks()
    assert sets.team("hub", weights={"c": 9}).numbers == {"a": 1, "b": 0, "c": 1}
    # What weighs nothing is as small as can be.
    numbers = sets.team(Environment("all", bytes=99), weights={"a": 0}).numbers
    assert numbers == {"a": 0, "b": 1, "c": 1}
    team = sets.team(Environment("all", bytes=12), tasks=["c", "a"])
    assert team.numbers == {"c": 0, "a": 1} and team.error == 0.0625


def test_of_equal_members_a_team_has_the_first():
    assert two_members().team(Environment("all", flops=999)).numbers == {"a": 0}
    twice = made_sets([made(score(10)), made(score(10))])
    assert twice.team(Environment("all", flops=999)).numbers == {"a": 0}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            lambda sets: sets.team(Environment("e", bytes=10)),
            "`budget` e must admit a member for each of 3 tasks, but the smallest team needs 12 "
            "bytes, 2 (20 %) over 10.",
        ),
        (
            lambda sets: sets.team(Environment("e", bytes=10, parameters=8)),
            "`budget` e must admit a member for each of 3 tasks, but the nearest team needs 12 "
            "parameters, 4 (50 %) over 8 and 12 bytes, 2 (20 %) over 10.",
        ),
        (
            lambda sets: sets.team("hob"),
            "`env` must be one of hub, got 'hob' (did you mean 'hub'?).",
        ),
        (lambda sets: sets.team("hub", []), "`tasks` must name one or more tasks, got none."),
        (lambda sets: sets.team("hub", ["d"]), "`tasks` must be one of a, b, c, got 'd'."),
        (
            lambda sets: sets.team("hub", ["a", "a"]),
            "`tasks` must have different names, got twice: a.",
        ),
        (
            lambda sets: sets.team("hub", ["a"], {"b": 1}),
            "`weights` must be one of a, got 'b'.",
        ),
        (
            lambda sets: sets.team("hub", weights={"a": -1}),
            "`weights.a` must be a number at least 0, got -1.",
        ),
        (
            lambda sets: sets.team("hub", weights={"a": float("nan")}),
            "`weights.a` must be a number at least 0, got nan.",
        ),
        (
            lambda sets: sets.team("hub", ["a"], {"a": 0}),
            "`weights` must have one above 0, got only zeros.",
        ),
    ],
)
def test_bad_teams(asked, sentence):
    with pytest.raises(InputError) as refusal:
        asked(three_tasks())
    assert str(refusal.value) == sentence


def test_the_nearest_team_has_the_smallest_largest_excess():
    # The one has few bytes and the other few FLOPs; neither fits, and the middle misses least.
    members = [made(score(1, 10, 90)), made(score(1, 50, 50)), made(score(1, 90, 10))]
    with pytest.raises(InputError) as refusal:
        made_sets(members, ["a", "b"]).team(Environment("e", bytes=80, flops=80))
    assert str(refusal.value).endswith(
        "the nearest team needs 100 bytes, 20 (25 %) over 80 and 100 flops, 20 (25 %) over 80."
    )
