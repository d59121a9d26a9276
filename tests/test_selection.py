"""Selection: what holds for every preference, each beside its definition, why, and refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sets import made, made_sets, score

from sosjax import Environment, InputError, SetOfSets
from sosjax.sets import At, Best, Knee, Weighted
from sosjax.sets._selection import nearest

COSTS = ("parameters", "bytes", "flops")
cost = st.integers(1, 9)
error = st.integers(0, 16).map(lambda sixteenths: sixteenths / 16)
rows = st.lists(st.tuples(cost, cost, cost, error), min_size=1, max_size=8)
limits = st.fixed_dictionaries({}, optional={name: st.integers(1, 10) for name in COSTS})
weight = st.sampled_from([0.0, 0.5, 1.0, 3.0])
wanted = st.one_of(
    st.just(("best", None)),
    st.tuples(st.just("knee"), st.sampled_from(COSTS)),
    st.tuples(
        st.just("weighted"),
        st.dictionaries(st.sampled_from(("error", *COSTS)), weight, min_size=1).filter(
            lambda found: any(found.values())
        ),
    ),
)
"""What makes a preference. Its checks draw random numbers, which a strategy may not."""


def preference(kind, value):
    return {"best": lambda _: Best(), "knee": Knee, "weighted": Weighted}[kind](value)


def of(found):
    return {name: getattr(found, name) for name in COSTS} | {"error": found.validation_error}


def sets_of(found):
    return made_sets([made(score(*row)) for row in found])


def place(limits):
    return Environment("e", **limits) if limits else None


def selected(sets, environment, prefer):
    """Return the scores of the choice, or nothing if nothing fits."""
    if not any(one.admitted for one in sets.why("a", environment, prefer)):
        with pytest.raises(InputError, match="must admit a member of 'a', but the nearest needs"):
            sets.select("a", environment, prefer)
        return None
    return sets.select("a", environment, prefer).scores


def one_fits(scores, limits):
    return all(getattr(scores, name) <= limit for name, limit in limits.items())


@given(rows, limits, wanted)
def test_a_choice_fits_and_is_dominated_by_none_that_does(found, limits, how):
    fitting = [one for one in (score(*row) for row in found) if one_fits(one, limits)]
    own = selected(sets_of(found), place(limits), preference(*how))
    assert (own is None) == (not fitting)
    if own is None:
        return
    assert one_fits(own, limits)
    kind, value = how
    weights = value if kind == "weighted" else {"error": 1} | ({value: 1} if value else {})
    names = [name for name, weight in weights.items() if weight]
    for one in fitting:
        better = [of(one)[name] <= of(own)[name] for name in names]
        assert not (all(better) and any(of(one)[name] < of(own)[name] for name in names))


@given(rows, limits)
def test_the_best_has_the_lowest_error_and_of_those_the_fewest_parameters(found, limits):
    fitting = [one for one in (score(*row) for row in found) if one_fits(one, limits)]
    own = selected(sets_of(found), place(limits), Best())
    keys = [(one.validation_error, one.parameters) for one in fitting]
    assert (own and (own.validation_error, own.parameters)) == min(keys, default=None)


@given(rows, limits, wanted, st.randoms(use_true_random=False))
def test_expected_errors_take_the_place_of_validation_errors(found, limits, how, random):
    known = [score(*row) for row in found]
    noisy = [
        replace(one, validation_error=random.random(), expected_error=one.validation_error)
        for one in known
    ]
    prefer = preference(*how)
    before, after = (
        made_sets([made(one) for one in each]).why("a", place(limits), prefer)
        for each in (known, noisy)
    )
    assert [(one.chosen, one.loss, one.reason) for one in before] == [
        (one.chosen, one.loss, one.reason) for one in after
    ]


@given(rows, limits.filter(bool))
def test_what_fits_exceeds_no_limit_and_decades_add_up(found, limits):
    costs = [of(score(*row)) for row in found]
    columns = {name: np.array([one[name] for one in costs]) for name in COSTS}
    beyond = Environment("e", **limits).excess(columns, np)
    for one, much in zip(costs, beyond, strict=True):
        assert (much == 0) == Environment("e", **limits).admits(one)
        decades = [math.log10(one[name] / limit) for name, limit in limits.items()]
        assert much == pytest.approx(sum(max(each, 0) for each in decades))


@given(rows, limits, limits, wanted)
def test_a_tighter_limit_changes_a_choice_only_if_it_shuts_it_out(found, limits, further, how):
    sets, prefer = sets_of(found), preference(*how)
    before = selected(sets, place(limits), prefer)
    tighter = limits | {name: min(value, limits.get(name, 99)) for name, value in further.items()}
    if before is not None and one_fits(before, tighter):
        assert selected(sets, place(tighter), prefer) == before


@given(rows, limits)
def test_the_nearest_has_the_smallest_largest_excess(found, limits):
    if not limits:
        return
    verdicts = sets_of(found).why("a", place(limits))
    excess = [max(of(score(*row))[name] / limits[name] for name in limits) - 1 for row in found]
    if min(excess) > 0:
        assert nearest(verdicts).excess == pytest.approx(min(excess))


@given(rows, limits, wanted, st.permutations(range(8)))
def test_test_data_never_choose(found, limits, how, order):
    sets, prefer = sets_of(found), preference(*how)
    other = made_sets(
        [
            replace(one, scores=replace(one.scores, test_error=error / 8))
            for one, error in zip(sets.task("a").members, order, strict=False)
        ]
    )
    numbers = [
        [one.number for one in each.why("a", place(limits), prefer) if one.chosen]
        for each in (sets, other)
    ]
    assert numbers[0] == numbers[1]


@given(rows, st.sampled_from(COSTS), st.integers(1, 10))
def test_at_is_the_most_of_a_cost_at_or_below(found, name, amount):
    below = [one for one in (score(*row) for row in found) if getattr(one, name) <= amount]
    own = selected(sets_of(found), None, At(name, amount))
    assert (own is None) == (not below)
    if own is not None:
        most = max(getattr(one, name) for one in below)
        assert getattr(own, name) == most
        ties = [one for one in below if getattr(one, name) == most]
        assert own.validation_error == min(one.validation_error for one in ties)


@given(rows, st.sampled_from(COSTS))
def test_the_knee_is_farthest_below_the_line_between_the_ends(found, name):
    points = {(math.log(of(score(*row))[name]), row[3]) for row in found}
    left, low = min(points), min(points, key=lambda point: (point[1], point[0]))
    own = selected(sets_of(found), None, Knee(name))
    point = (math.log(of(own)[name]), own.validation_error)
    if left == low:
        assert point == left
        return

    def below(point):
        # Twice the signed area of the triangle with both ends, as a share of their rectangle.
        run, rise = low[0] - left[0], low[1] - left[1]
        area = run * (point[1] - left[1]) - rise * (point[0] - left[0])
        return -area / abs(run * rise)

    assert below(point) >= max(map(below, points)) - 1e-9


def front(*points):
    return made_sets([made(score(parameters, 1, 1, error)) for parameters, error in points])


def test_weights_reach_a_member_where_the_front_is_not_convex():
    sets = front((1, 1.0), (10, 0.75), (100, 0.0))
    # Scaled, these are (0, 1), (1/2, 3/4) and (1, 0): no weighted sum prefers the second.
    for weight in np.linspace(0, 1, 99):
        sums = [
            cost * weight + error * (1 - weight) for cost, error in ((0, 1), (0.5, 0.75), (1, 0))
        ]
        assert sums[1] > min(sums)
    assert selected(sets, None, Weighted({"error": 1, "parameters": 1.25})).parameters == 10
    assert selected(sets, None, Weighted({"error": 1, "parameters": 0})).parameters == 100
    assert selected(sets, None, Weighted({"parameters": 1e300})).parameters == 1


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 200)), min_size=3, unique=True))
def test_some_weights_reach_every_member_that_none_beats(found):
    points = [(parameters, error / 200) for parameters, error in found]
    sets = front(*points)
    low = [math.log10(min(one for one, _ in points)), min(error for _, error in points)]
    for point in points:
        above = (math.log10(point[0]) - low[0], point[1] - low[1])
        beaten = any(a <= point[0] and b <= point[1] for a, b in points if (a, b) != point)
        if beaten or not all(above):
            continue
        highs = [math.log10(max(one for one, _ in points)), max(error for _, error in points)]
        spans = [high - one for high, one in zip(highs, low, strict=True)]
        weights = {"parameters": spans[0] / above[0], "error": spans[1] / above[1]}
        own = selected(sets, None, Weighted(weights))
        assert (own.parameters, own.validation_error) == point


def test_ties_go_to_the_fewest_parameters_and_then_to_the_first():
    sets = made_sets([made(score(9)), made(score(3)), made(score(3, 7))])
    assert [one.chosen for one in sets.why("a")] == [False, True, False]
    reasons = [one.reason for one in sets.why("a")]
    assert reasons == [
        "as good, with 6 parameters more",
        "chosen: 50.00 % error",
        "as good, and behind it in the set",
    ]


def test_why():
    sets = made_sets(
        [
            made(score(5, 40, error=0.5)),
            made(score(8, 50, error=0.25)),
            made(score(20, 90, error=0)),
        ]
    )
    small, middle, large = sets.why("a", Environment("e", parameters=10, bytes=60))
    assert (small.admitted, middle.admitted, large.admitted) == (True, True, False)
    assert middle.chosen and middle.scores.parameters == 8
    assert small.reason == "50.00 % error; the chosen 25.00 % error"
    assert large.reason == (
        "needs 20 parameters, 10 (100 %) over 10 and 90 bytes, 30 (50 %) over 60"
    )
    (parameters, size) = large.misses
    assert (parameters.over, parameters.share, size.over, size.share) == (10, 1, 30, 0.5)
    assert large.excess == 1 and small.excess == 0
    none = sets.why("a", Environment("e", parameters=4))
    assert not any(one.chosen or one.admitted for one in none)
    assert none[0].reason == "needs 5 parameters, 1 (25 %) over 4"
    told = [one.reason for one in sets.why("a", prefer=At("parameters", 10))]
    assert told[0] == ("5 parameters, 50.00 % error; the chosen 8 parameters, 25.00 % error")
    assert told[2] == "needs 20 parameters, 10 (100 %) over 10"
    assert "below the line" in sets.why("a", prefer=Knee())[1].reason
    weighted = sets.why("a", prefer=Weighted({"error": 1, "parameters": 1}))
    assert weighted[0].reason.startswith("1.000 from the ideal (sum 1.000); the chosen 0.5")


EMPTY = SetOfSets((replace(made_sets([]).tasks[0], members=()),), (), {})
NAN = float("nan")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (lambda: At("parameters", 0), "`at.parameters` must be a number at least 1, got 0."),
        (lambda: At("flops", NAN), "`at.flops` must be a number at least 1, got nan."),
        (lambda: At("watts", 9), "`at` must be one of parameters, bytes, flops, got 'watts'."),
        (lambda: Knee("flop"), "got 'flop' (did you mean 'flops'?)."),
        (lambda: Weighted({}), "`weights` must have one above 0, got none."),
        (lambda: Weighted({"error": 0}), "`weights` must have one above 0, got only zeros."),
        (
            lambda: Weighted({"error": 1, "bytes": -1}),
            "`weights.bytes` must be a number at least 0, got -1.",
        ),
        (
            lambda: Weighted({"error": NAN}),
            "`weights.error` must be a number at least 0, got nan.",
        ),
        (
            lambda: Weighted({"latency": 1}),
            "`weights` must be one of error, parameters, bytes, flops, got 'latency'.",
        ),
    ],
)
def test_bad_preferences(asked, sentence):
    with pytest.raises(InputError) as refusal:
        made_sets([made(score())]).select("a", prefer=asked())
    assert sentence in str(refusal.value)


def test_limits_that_contradict_and_limits_of_the_preference():
    sets = made_sets([made(score(parameters=10))])
    with pytest.raises(InputError) as refusal:
        sets.select("a", Environment("e", parameters=20), At("parameters", 30))
    assert str(refusal.value) == (
        "`at` must be within the limits, got 30 parameters where at most 20 are allowed."
    )
    with pytest.raises(InputError) as refusal:
        sets.select("a", prefer=At("parameters", 8))
    assert str(refusal.value) == (
        "`at` must admit a member of 'a', but the nearest needs 10 parameters, 2 (25 %) over 8."
    )
    with pytest.raises(InputError, match="^`env` e and `at` must admit a member of 'a'"):
        sets.select("a", Environment("e", bytes=4), At("parameters", 8))


def test_an_empty_set():
    assert EMPTY.why("a") == ()
    with pytest.raises(InputError) as refusal:
        EMPTY.select("a")
    wanted = "`task` 'a' must have members to select from, got an empty set."
    assert str(refusal.value) == wanted
    with pytest.raises(InputError) as refusal:
        EMPTY.team(Environment("e", bytes=4))
    wanted = "`tasks` must have members to select from, got 'a' with none."
    assert str(refusal.value) == wanted
