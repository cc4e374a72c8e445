"""Ctrl-C and SIGTERM: once, the run stops at the next update and keeps its state; twice, at
once.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ECHO = 2.0
"""Seconds in which a signal that comes again is the same one: launchers pass on to their processes
what a terminal or a batch system has sent to all of them already."""


class Interrupted:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.by: str | None = None
        """The signal's name."""
        self._since = 0.0

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.by is None:
            self.by, self._since = signal.Signals(number).name, now
        elif now - self._since > ECHO:
            raise KeyboardInterrupt


@contextmanager
def watching() -> Iterator[Interrupted]:
    """Note the first signal instead of dying of it.

    In a thread, where Python gives no signals, nothing is noted.
    """
    interrupted = Interrupted()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in old:
        signal.signal(number, interrupted._note)
    try:
        yield interrupted
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
