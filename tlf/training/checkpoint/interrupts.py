"""Ctrl-C and SIGTERM. After the first signal, the run stores its state and stops at the next event;
after the second, it stops at once.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ECHO = 2.0
"""Seconds in which a second signal counts as the first one: a terminal or batch system sends a
signal to all processes, and the launcher then passes it on to them again."""


class Interrupted:
    """Whether the run was asked to stop."""

    def __init__(self) -> None:
        self.by: str | None = None
        """The name of the first signal; None before it comes."""
        self._since = 0.0

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.by is None:
            self.by, self._since = signal.Signals(number).name, now
        elif now - self._since > ECHO:
            raise KeyboardInterrupt


@contextmanager
def watching() -> Iterator[Interrupted]:
    """Note the first signal instead of ending the process.

    In a thread other than the main one nothing is noted: Python handles signals in the main thread.
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
