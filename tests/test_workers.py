"""Work side by side: results in order, one line at a time, and the first failure ends all."""

import threading
import time

import pytest

from sosjax.recover import _workers
from sosjax.recover._workers import side_by_side


@pytest.fixture(params=[1, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(_workers, "workers", lambda: request.param)
    return request.param


def test_results_are_in_order_and_lines_one_at_a_time(threads):
    inside, seen = threading.Lock(), []

    def progress(line):
        assert inside.acquire(blocking=False)
        time.sleep(0.001)
        seen.append(line["event"])
        inside.release()

    def run(number, tell):
        for _ in range(3):
            tell({"event": number})
            time.sleep(0.001 * (5 - number))
        return number**2

    assert side_by_side(run, 5, progress) == [0, 1, 4, 9, 16]
    assert sorted(seen) == sorted([*range(5)] * 3)
    assert side_by_side(run, 0, None) == []


def test_the_first_failure_stops_the_others(threads):
    """Others would go on for ever; the failure that is raised is the cause."""
    begun = []

    def run(number, tell):
        begun.append(number)
        if number == min(1, threads - 1):
            time.sleep(0.05)
            raise ZeroDivisionError("cause")
        for _ in range(10_000):
            tell({"event": "on"})
            time.sleep(0.001)
        raise AssertionError("was not stopped")

    with pytest.raises(ZeroDivisionError, match="cause"):
        side_by_side(run, 9, None)
    assert len(begun) <= threads


def test_who_stops_while_told_stops_all(threads):
    told = []

    def progress(line):
        told.append(line)
        if len(told) == 4:
            raise KeyboardInterrupt

    def run(number, tell):
        for _ in range(10_000):
            tell({"event": number})
            time.sleep(0.001)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(run, 4, progress)
    assert len(told) == 4
