"""How far the listing of very many images has come. A dataset lists all of them in one call, so no
event can say it: whoever wants to hear of it has a function called.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tlf.runtime.text import duration

SECONDS = 10.0
"""Between two sentences."""


@dataclass
class _Teller:
    tell: Callable[[str], None]
    title: str = ""
    began: float = 0.0
    last: float = 0.0


_TELLER: ContextVar[_Teller | None] = ContextVar("listing", default=None)


@contextmanager
def listing_told(tell: Callable[[str], None]) -> Iterator[None]:
    """Within the context, tell a sentence about each listing, some seconds apart."""
    token = _TELLER.set(_Teller(tell))
    try:
        yield
    finally:
        _TELLER.reset(token)


def listed(title: str, images: int, done: int, count: int) -> None:
    """Say how far a listing is.

    Parameters:
        title: what is listed.
        images: how many images were found.
        done: how many of its folders or lines were looked at.
        count: how many there are.
    """
    teller = _TELLER.get()
    if teller is None:
        return
    now = time.monotonic()
    if title != teller.title:
        teller.title, teller.began, teller.last = title, now, now
    if now - teller.last >= SECONDS:
        teller.last, seconds = now, now - teller.began
        left = duration(seconds * (count - done) / max(1, done))
        rate = images / max(seconds, 1e-9)
        teller.tell(f"listing {title}: {images:,} images, {rate:,.0f}/s, {left} left")
