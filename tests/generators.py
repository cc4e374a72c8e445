"""Generators that yield events and return a result."""

from collections.abc import Generator
from typing import Any


def exhausted(generator: Generator[Any, None, Any]) -> tuple[Any, list[Any]]:
    """What a generator returns, and the events that it yields before."""
    events = []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return end.value, events
