"""Trying again what may pass: a lost connection, a server that is busy or restarts."""

import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from tlf.data.ranges.addresses import shown
from tlf.errors import StorageError

LIMIT = 120.0
"""Seconds after which no further attempt begins."""

FIRST_LIMIT = 20.0
"""The same for the first look at a file, while its user waits."""

SILENCE = 30.0
"""Seconds that a server may take to answer, and then for each piece of what it sends."""

SLOWEST = 50_000
"""Bytes that a server must send in a second, in the mean of a request and after ``SILENCE``."""

_FIRST_WAIT, _LONGEST_WAIT = 0.1, 10.0

Result = TypeVar("Result")


class PassingError(Exception):
    """A failure that may pass. ``wait``: seconds that the server asks to wait."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


def retried(address: str, attempt: Callable[[], Result], limit: float | None = None) -> Result:
    """What an attempt returns; attempts are made until one does, each after a longer wait.

    Raises:
        StorageError: none has within ``limit`` seconds; ``LIMIT`` by default.
    """
    begun = time.monotonic()
    for tries in count(1):
        try:
            return attempt()
        except PassingError as error:
            wait = max(error.wait, min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_WAIT))
            passed = time.monotonic() - begun
            if passed + wait > (LIMIT if limit is None else limit):
                times = "once" if tries == 1 else f"{tries} times in {passed:.0f} seconds"
                raise StorageError(
                    f"cannot read {shown(address)}: {error}; tried {times}; "
                    "start again when the server is well, or download the file and write its path"
                ) from error
            time.sleep(wait)
    raise RuntimeError("there are numbers without end")


def allowed(length: int) -> float:
    """Seconds that a request for so many bytes may take.

    >>> allowed(0), allowed(500_000)
    (30.0, 40.0)
    """
    return SILENCE + length / SLOWEST
