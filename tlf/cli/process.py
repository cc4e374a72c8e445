"""Settings of the command line's own process: memory, garbage collection, Ctrl-C and its end.

A program that uses tlf as a library is left as it is.
"""

import atexit
import gc
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from tlf.errors import OutputError, RunError, StoppedError
from tlf.events import SegmentStarted


def keep_memory(*, large: bool = True) -> None:
    """Keep freed memory in the process, on Linux with glibc.

    Every batch allocates large tensors and frees them. By default glibc returns them to the system,
    which has to clear every page before the next batch.

    Parameters:
        large: keep blocks above 16 MiB, too.
    """
    from ctypes import CDLL

    if sys.platform != "linux" or not hasattr(libc := CDLL(None), "mallopt"):
        return
    trim_threshold, mmap_threshold, mmap_max = -1, -3, -4  # from glibc's malloc.h
    libc.mallopt(trim_threshold, 2**31 - 1)
    libc.mallopt(mmap_threshold, 16 * 2**20)
    libc.mallopt(mmap_max, 0 if large else 2**16)


def wait_briefly() -> None:
    """Let threads of GNU OpenMP wait for each other awake for some 30 microseconds, then asleep. By
    default they wait awake for milliseconds, which takes the cores from other programs, and time
    from this one. It has to be said before torch is imported; what a person says is kept.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "2000"


def check_working_directory() -> None:
    """Check that the working directory is there: without it, torch's libraries end the process.

    Raises:
        RunError: it was removed.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise RunError("the working directory is gone; start in another directory") from None


def guard_imports() -> None:
    """Let Ctrl-C end the process at once while anything is imported: half-imported numpy and torch
    break on an exception, or lose it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # otherwise it is ignored
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os.write(2, b"\ninterrupted\n")
            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


@contextmanager
def stopped_cleanly() -> Iterator[None]:
    """Let SIGTERM raise, as Ctrl-C does: what is half-written is then removed."""

    def stop(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def goes_on(kept: str) -> Iterator[None]:
    """Let the same command go on with what Ctrl-C, SIGTERM or ``tlf stop`` has ended.

    Parameters:
        kept: what is kept, in words.

    Raises:
        StoppedError: says so.
    """
    advice = f"{kept}: write the same command to go on"
    try:
        with stopped_cleanly():
            yield
    except KeyboardInterrupt:
        raise StoppedError(None, "Ctrl-C", advice) from None
    except SystemExit:
        raise StoppedError(None, "SIGTERM", advice) from None
    except StoppedError as error:
        raise StoppedError(None, error.by, advice) from error


def leave(status: int) -> None:
    """Run the exit handlers, then end at once.

    The interpreter would take torch apart module by module, which takes longer than all the rest.
    Libraries would print what they leak, and gloo's threads could turn any exit code into SIGABRT
    (pytorch/pytorch#179291).
    """
    atexit._run_exitfuncs()
    with suppress(OSError, OutputError):  # the command's own output is written by now
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def collect_rarely() -> None:
    """Collect garbage after 100,000 new objects, not after some hundreds.

    Importing torch creates many objects, and none of them is garbage.
    """
    gc.set_threshold(100_000)


def ignore_warnings_of_pillow() -> None:
    """Do not show what Pillow warns of: damaged EXIF data, a large image, a file that ends early.

    An image is read, or is an error that names it. Pillow's warnings name no file.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def settle() -> None:
    """Exclude what was imported from garbage collection: it stays until the end."""
    gc.freeze()


def settled(events: Iterator[Any]) -> Iterator[Any]:
    """Yield the events of a run unchanged, and set up the process for each part of the run."""
    for number, event in enumerate(events):
        if number == 0:
            settle()  # all imports are done
        if isinstance(event, SegmentStarted):
            # The activations that a backward pass through the whole network needs leave gaps
            # between large blocks, which would cost memory. Frozen stages leave no gaps.
            keep_memory(large=event.start != "images")
        yield event
