"""Splits: disjoint, exhaustive, the same everywhere, and true to groups, classes and time."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sosjax._errors import InputError
from sosjax.readers import duplicates, split_rows

SHARES = st.sampled_from([(0.6, 0.2, 0.2), (0.5, 0.5), (0.7, 0.1, 0.1, 0.1), (1 / 3,) * 3])
SEEDS = st.integers(0, 1000)


def sentence(function, *arguments, **named):
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    return str(caught.value)


def parts_of(count, **named):
    """Split, or give up this example where a part would be empty."""
    try:
        return split_rows(count, **named)
    except InputError as error:
        assume("must hold rows, got none" not in str(error))
        raise


def check(parts, count):
    together = np.concatenate(parts)
    assert sorted(together.tolist()) == list(range(count))
    for part in parts:
        assert len(part) and (np.diff(part) > 0).all() and part.dtype == np.int64


@given(count=st.integers(20, 300), shares=SHARES, seed=SEEDS, order=st.sampled_from([None, "time"]))
def test_rows_are_split_by_the_shares_to_one(count, shares, seed, order):
    parts = split_rows(count, shares, seed, order=order)
    check(parts, count)
    assert [len(part) for part in parts] == pytest.approx([s * count for s in shares], abs=1)
    for part, again in zip(parts, split_rows(count, shares, seed, order=order), strict=True):
        np.testing.assert_array_equal(part, again)
    if order:
        assert all(one.max() < two.min() for one, two in itertools.pairwise(parts))


@given(data=st.data(), count=st.integers(20, 120), shares=SHARES, seed=SEEDS)
def test_no_group_is_in_two_parts_and_new_groups_move_no_other(data, count, shares, seed):
    groups = data.draw(st.lists(st.integers(0, 40).map(str), min_size=count, max_size=count))
    parts = parts_of(count, shares=shares, seed=seed, groups=groups)
    check(parts, count)
    named = [{groups[row] for row in part} for part in parts]
    assert sum(map(len, named)) == len(set(groups))
    more = split_rows(count + 30, shares, seed, groups=groups + [f"new{n}" for n in range(30)])
    for part, grown in zip(parts, more, strict=True):
        np.testing.assert_array_equal(part, grown[grown < count])


@given(data=st.data(), count=st.integers(20, 120), shares=SHARES, seed=SEEDS)
def test_each_class_is_split_by_the_shares_to_one(data, count, shares, seed):
    labels = np.array(data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))
    parts = parts_of(count, shares=shares, seed=seed, labels=labels)
    check(parts, count)
    for label in set(labels.tolist()):
        for part, share in zip(parts, shares, strict=True):
            wanted = share * (labels == label).sum()
            assert abs((labels[part] == label).sum() - wanted) <= 1 + 1e-6


def test_shares_are_roughly_met_by_groups_and_by_classes_of_one_row():
    names = [str(number) for number in range(5000)]
    for named in ({"groups": names}, {"labels": np.arange(5000)}):
        sizes = [len(part) / 5000 for part in split_rows(5000, **named)]
        assert sizes == pytest.approx([0.6, 0.2, 0.2], abs=0.02)


def test_another_seed_is_another_split_and_this_one_stays():
    """These very rows, on every machine and with every version of NumPy."""
    first = [[0, 1, 5, 7, 8, 9], [2, 3], [4, 6]]
    assert [part.tolist() for part in split_rows(10, seed=1)] == first
    assert [part.tolist() for part in split_rows(10, seed=2)] != first


def test_a_gap_between_parts_in_time():
    parts = split_rows(100, (0.5, 0.3, 0.2), order="time", gap=5)
    assert [(part[0], part[-1]) for part in parts] == [(0, 49), (55, 79), (85, 99)]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"shares": (0.5, 0.4)}, "`shares` must be two or more positive numbers with the sum 1, "
         "got (0.5, 0.4)."),
        ({"shares": (1.0,)}, "`shares` must be two or more positive numbers"),
        ({"shares": (1.0, 0.0)}, "`shares` must be two or more positive numbers"),
        ({"shares": (1.5, -0.5)}, "`shares` must be a number from 0 to 1, got 1.5."),
        ({"groups": ["a"] * 9}, "`groups` must have one for each of 10 rows, got 9."),
        ({"labels": np.zeros(11, int)}, "`labels` must have one for each of 10 rows, got 11."),
        ({"groups": ["a"] * 10, "labels": np.zeros(10, int)}, "rows must be split by one of "
         "groups, labels and order, got groups, labels."),
        ({"order": "tme"}, "`order` must be 'time' or None, got 'tme'."),
        ({"gap": 3}, "`gap` goes with `order`='time', got gap 3 without."),
        ({"order": "time", "gap": 2}, "part 2 of 3 must hold rows, got none of 10: give more "
         "rows or groups, other `shares` or another `seed`."),
        ({"groups": ["a"] * 10}, "must hold rows, got none of 10"),
        ({"count": 0}, "`count` must be a whole number at least 1, got 0."),
    ],
)  # fmt: skip
def test_what_a_split_refuses(named, said):
    assert said in sentence(split_rows, **({"count": 10} | named))


# Duplicates


def test_rows_of_earlier_parts_are_found_in_texts_and_arrays():
    found = duplicates(["a", "b", "b"], ["c", "b", "a"], ["d", "c", "d"])
    assert [places.tolist() for places in found] == [[], [1, 2], [1]]
    images = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
    found = duplicates(images[:2], images[1:], images[::-1])
    assert [places.tolist() for places in found] == [[], [0], [0, 1, 2, 3]]


def test_rows_of_another_shape_or_type_are_others():
    zeros = np.zeros((1, 4), np.uint8)
    for other in (zeros.reshape(1, 2, 2), np.zeros((1, 1), np.float32), np.zeros((1, 4), bool)):
        assert len(duplicates(zeros, other)[1]) == 0


@given(parts=st.lists(st.lists(st.text(max_size=2), max_size=6), min_size=1, max_size=4))
def test_what_is_left_without_duplicates_has_nothing_in_common(parts):
    kept = [
        {text for place, text in enumerate(part) if place not in places}
        for part, places in zip(parts, map(set, duplicates(*parts)), strict=True)
    ]
    assert sum(map(len, kept)) == len(set().union(*parts))
