"""Ctrl-C and SIGTERM: once, the run stops at the next update and keeps its state; twice, at
once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.by: str | None = None
        """The signal's name."""

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.by is not None:
            raise KeyboardInterrupt
        self.by = signal.Signals(number).name


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
