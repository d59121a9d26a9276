"""Ctrl-C during a search: stop right after the next checkpoint, so that nothing is lost."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

Report = Callable[[dict[str, Any]], None]

_NOTICE = b"\nstopping after the next checkpoint; press Ctrl-C again to stop at once\n"


@contextlib.contextmanager
def stopping_at_checkpoints(report: Report | None) -> Iterator[Report]:
    """Put off an interruption to the next call of what is yielded; a second one comes at once.

    A search reports after each checkpoint. Stopped anywhere else it could leave a checkpoint half
    written, and the threads that write it would complain on stderr.

    Args:
      report: what is yielded passes its lines on to it, if it is not `None`.

    Raises:
      KeyboardInterrupt: from the yielded function, or at the end.
    """
    pending = threading.Event()

    def stop_if_asked() -> None:
        if pending.is_set():
            raise KeyboardInterrupt

    def reported(line: dict[str, Any]) -> None:
        if report is not None:
            report(line)
        stop_if_asked()

    def on_signal(*_: Any) -> None:
        pending.set()
        signal.signal(signal.SIGINT, before)
        with contextlib.suppress(OSError):
            os.write(2, _NOTICE)  # unlike print it may be called amid another write

    before = signal.getsignal(signal.SIGINT)
    # Only the main thread may set handlers, and a foreign handler has its own plans.
    ours = (
        threading.current_thread() is threading.main_thread()
        and before is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, on_signal)
    try:
        yield reported
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
    stop_if_asked()
