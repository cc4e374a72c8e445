"""What the command line does about its own process: how it keeps memory, is interrupted, and ends.

None of this is done to a program that uses tlf as a library.
"""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tlf.results import SegmentStarted


def keep_memory(*, large: bool = True) -> None:
    """Let freed memory stay with the process, on Linux with glibc; ``large`` blocks above 16 MiB,
    too.

    A batch takes large tensors and frees them, and the next one asks for as many again. By default
    each goes back to the system in between, which then has to clear every page of it anew.
    """
    from ctypes import CDLL

    if sys.platform != "linux" or not hasattr(libc := CDLL(None), "mallopt"):
        return
    trim_threshold, mmap_threshold, mmap_max = -1, -3, -4  # of glibc's malloc.h
    libc.mallopt(trim_threshold, 2**31 - 1)
    libc.mallopt(mmap_threshold, 16 * 2**20)
    libc.mallopt(mmap_max, 0 if large else 2**16)


@contextmanager
def importing() -> Iterator[None]:
    """Let Ctrl-C end the process on the spot: numpy and torch do not survive it half imported."""

    def quit_at_once(*_: object) -> None:
        os.write(2, b"\ninterrupted\n")
        os._exit(130)

    before = signal.signal(signal.SIGINT, quit_at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def leave(status: int) -> None:
    """End at once, after everything that asked to be told: taking torch apart module by module is
    the longer part of an ordinary end. Libraries count what they leak meanwhile, on stderr, and
    threads of gloo's that are left can turn any exit code into SIGABRT (pytorch/pytorch#179291).
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def collect_rarely() -> None:
    """Let the garbage collector wait for a hundred thousand new objects instead of some hundreds:
    while torch is imported they are many, and none of them garbage.
    """
    gc.set_threshold(100_000)


def settle() -> None:
    """Spare the garbage collector what was imported: it stays until the end."""
    gc.freeze()


def settled(events: Iterator[Any]) -> Iterator[Any]:
    """The same events of a run; prepares the process for what the run is about to do."""
    for number, event in enumerate(events):
        if number == 0:
            settle()  # everything is imported that will be
        if isinstance(event, SegmentStarted):
            # What a whole network keeps for its backward pass leaves gaps between large blocks,
            # which would cost memory; what only passes through frozen stages leaves none.
            keep_memory(large=event.start != "images")
        yield event
