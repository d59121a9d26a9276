"""Ctrl-C: the first waits for a checkpoint, the second does not."""

import signal

import pytest

from sosjax.cli._interruption import stopping_at_checkpoints


@pytest.fixture
def interruptible():
    """Have Ctrl-C mean what it does in a terminal: background jobs are told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_first_interruption_waits_for_a_checkpoint():
    lines = []

    def search():
        with stopping_at_checkpoints(lines.append) as progress:
            progress({"generation": 0})
            signal.raise_signal(signal.SIGINT)
            lines.append("goes on")
            progress({"generation": 1})
            lines.append("never")

    with pytest.raises(KeyboardInterrupt):
        search()
    assert lines == [{"generation": 0}, "goes on", {"generation": 1}]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("interruptible")
def test_second_interruption_comes_at_once():
    reached = []

    def search():
        with stopping_at_checkpoints(None):
            signal.raise_signal(signal.SIGINT)
            reached.append("first")
            signal.raise_signal(signal.SIGINT)
            reached.append("second")

    with pytest.raises(KeyboardInterrupt):
        search()
    assert reached == ["first"]


@pytest.mark.usefixtures("interruptible")
def test_interruption_at_the_end_is_not_forgotten():
    with pytest.raises(KeyboardInterrupt), stopping_at_checkpoints(None):
        signal.raise_signal(signal.SIGINT)


def test_foreign_signal_handlers_are_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping_at_checkpoints(None):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
