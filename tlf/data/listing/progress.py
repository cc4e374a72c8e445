"""How far the listing of very many images has come. A dataset lists all of them in one call, so no
event can report it: whoever wants to know has a function called.
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
class _Reporter:
    report: Callable[[str], None]
    title: str = ""
    began: float = 0.0
    last: float = 0.0


_REPORTER: ContextVar[_Reporter | None] = ContextVar("listing", default=None)


@contextmanager
def listing_reported(report: Callable[[str], None]) -> Iterator[None]:
    """Within the context, report each listing, a sentence every few seconds."""
    token = _REPORTER.set(_Reporter(report))
    try:
        yield
    finally:
        _REPORTER.reset(token)


def report_listed(title: str, images: int, done: int, count: int) -> None:
    """Report how far a listing is, if somebody wants to know.

    Parameters:
        title: what is listed.
        images: how many images were found.
        done: how many of its folders were looked at.
        count: how many there are.
    """
    reporter = _REPORTER.get()
    if reporter is None:
        return
    now = time.monotonic()
    if title != reporter.title:
        reporter.title, reporter.began, reporter.last = title, now, now
    if now - reporter.last >= SECONDS:
        reporter.last, seconds = now, now - reporter.began
        left = duration(seconds * (count - done) / max(1, done))
        rate = images / max(seconds, 1e-9)
        reporter.report(f"listing {title}: {images:,} images, {rate:,.0f}/s, {left} left")
