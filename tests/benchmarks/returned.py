"""What a generator returns, whose events nobody reads."""

from collections.abc import Iterator
from typing import Any


def returned(events: Iterator[Any]) -> Any:
    """Exhaust a generator.

    >>> def one():
    ...     yield "event"
    ...     return 1
    >>> returned(one())
    1
    """
    while True:
        try:
            next(events)
        except StopIteration as end:
            return end.value
