"""Numbers and axes of the report, and by what it selects."""

import pytest

from sosjax.environments._environment import Environment
from sosjax.report._axis import error_axis, log_axis
from sosjax.report._number import brief, part, short
from sosjax.report._result import Jack, Member, Task, limits_of, select, shortfall


def test_selection_is_by_validation_error_then_parameters():
    def one(parameters, validation, test=0.5):
        return Member((), parameters, 10 * parameters, parameters, 0.0, validation, test)

    members = (one(1, 0.4), one(3, 0.2, 0.0), one(2, 0.2), one(4, 0.3, 0.0), one(5, 0.1))
    task = Task("a", (), Jack(1, 1, 1, 0.0, 0.0), members, ())
    assert select(task, Environment("a", parameters=4)) is members[2]
    assert select(task, Environment("a", parameters=5)) is members[4]
    assert select(task, Environment("a", parameters=5, bytes=10)) is members[0]
    assert select(task, Environment("a", bytes=9)) is None
    assert "the nearest, a/0, needs 10 bytes, 1 (11 %) over 9" in shortfall(
        task, Environment("a", bytes=9)
    )


def test_numbers_in_words():
    texts = [short(value) for value in (0, 7, 999, 999.9, 1000, 12_431, 999_960, 5_104_000)]
    assert texts == ["0", "7", "999", "1.00 k", "1.00 k", "12.4 k", "1.00 M", "5.10 M"]
    assert [short(48_100, "bytes"), short(12, "bytes")] == ["48.1 kB", "12 B"]
    assert [brief(16_000, "bytes"), brief(12_345), brief(1.5e6)] == ["16 kB", "12.345 k", "1.5 M"]
    assert [part(1, 3), part(1, 300), part(1, 0)] == ["33 %", "0.3 %", "-"]
    assert limits_of(Environment("a", bytes=16_000, flops=1e6)) == "up to 16 kB, 1 M FLOPs"


@pytest.mark.parametrize("points", [[1], [0, 3], [900, 1000], [52_000, 97_000], [10, 10**9]])
def test_axes_hold_their_points_and_have_labels(points):
    axis = log_axis(points)
    assert all(0 <= axis.at(point) < 100 for point in points)
    assert 2 <= sum(bool(label) for _, label in axis.ticks("bytes")) <= 12


@pytest.mark.parametrize("errors", [[0.0], [1.0], [0.1, 0.1001], [0.02, 0.9]])
def test_error_axis_holds_its_points(errors):
    axis = error_axis(errors, top=10, height=100)
    assert all(10 <= axis.at(error) <= 110 for error in errors)
    labels = [label for _, label in axis.ticks()]
    assert 2 <= len(set(labels)) == len(labels) <= 9
