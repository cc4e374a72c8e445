"""The progress of a command that goes through images, on stderr: how fast, and how long still."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from shutil import get_terminal_size
from typing import TypeVar

from tlf.cli.output import complain
from tlf.runtime.text import duration

Item = TypeVar("Item")

FEW = 32
"""So many images need no progress."""

FIRST_SHOWN = 1.0
"""Seconds after which a terminal shows progress."""

SECONDS_BETWEEN_LINES = 10.0
"""Seconds between two lines in a file."""

_ERASE = "\r\x1b[K"


def with_progress(
    items: Iterable[Item], total: int | None, failed: Callable[[], int]
) -> Iterator[Item]:
    """Yield the items unchanged, and show how many were taken.

    A terminal shows one line, which is gone at the end and never mixes with what is printed. A file
    gets a line every 10 seconds.

    Parameters:
        items: what is gone through.
        total: how many images there are, if that is known.
        failed: the number of images until now that gave no item.
    """
    if total is not None and total <= FEW:
        yield from items
    elif sys.stderr.isatty():
        yield from _on_terminal(items, total, failed)
    else:
        yield from _in_lines(items, total, failed)


def _on_terminal(
    items: Iterable[Item], total: int | None, failed: Callable[[], int]
) -> Iterator[Item]:
    started, shown = time.perf_counter(), False
    try:
        for number, item in enumerate(items, 1):
            if shown:
                _write(_ERASE)
            yield item
            seconds, done = time.perf_counter() - started, number + failed()
            shown = seconds >= FIRST_SHOWN and done != total
            if shown:
                room = get_terminal_size().columns - 1
                _write(_ERASE + progress_text(done, total, seconds)[:room])
    finally:
        if shown:
            _write(_ERASE)


def _in_lines(
    items: Iterable[Item], total: int | None, failed: Callable[[], int]
) -> Iterator[Item]:
    started = last = time.perf_counter()
    for number, item in enumerate(items):
        # Images come in batches: as the first of one comes, those of the batches before are done.
        now = time.perf_counter()
        if number and now - last >= SECONDS_BETWEEN_LINES:
            last = now
            complain(progress_text(number + failed(), total, now - started))
        yield item


def progress_text(done: int, total: int | None, seconds: float) -> str:
    """How far it is, how fast, and how long still.

    >>> progress_text(128, 397, 3.2), progress_text(32, None, 12.8)
    ('128 of 397 images, 40 images/s, 7 s left', '32 images, 2.5 images/s')
    """
    speed = done / seconds
    rate = f"{speed:,.{0 if speed >= 10 else 1}f} images/s"
    if total is None:
        return f"{done:,} images, {rate}"
    left = seconds * (total - done) / done
    return f"{done:,} of {total:,} images, {rate}, {duration(left)} left"


def _write(text: str) -> None:
    with suppress(OSError):  # where stderr is lost, progress is not worth an error
        sys.stderr.write(text)
        sys.stderr.flush()
