"""A plot: what it shows, in numbers and in words, and how it is drawn."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINES = "#1f2328", "#656d76", "#b7bdc4"
FIRST, SECOND, TRAINS = "#0b62d6", "#b45309", "#15803d"
FROZEN = FIRST
COLOURS = {
    INK: "ink",
    MUTED: "muted",
    LINES: "line",
    FIRST: "accent",
    SECOND: "second",
    TRAINS: "good",
}
"""The colours on paper → the names that the style of a page has for them. A plot says nothing by
colour alone.
"""

WIDTH = 5.2
"""Of a plot, in inches: its letters are as large as a page's where it is about 400 pixels wide."""

MOST_ROWS = 200
"""So many rows has the table of a plot at most."""

DASH = "–"
"""What is shown of a number that is not defined."""


@dataclass(frozen=True)
class Table:
    """The numbers of a plot, as texts."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """What the rows leave out."""


@dataclass(frozen=True)
class Plot:
    """A plot."""

    name: str
    """Letters and dashes: the name of its files."""
    title: str
    description: str
    """What somebody has to know who cannot see it."""
    draw: Callable[["Figure"], Any]
    """Draws it into an empty figure."""
    table: Table
    height: float = 3.0
    """In inches."""


def drawable(value: float | None) -> bool:
    """Whether a number has a place in a plot: it is finite, and the scale can be computed with it.

    >>> drawable(0.5), drawable(None), drawable(float("nan")), drawable(1e300)
    (True, False, False, False)
    """
    return value is not None and abs(value) < _LARGEST


_LARGEST = 1e100


def number(value: float | None, form: str = ".4g") -> str:
    """A number for a person; a dash where there is none.

    >>> number(0.25), number(0.25, ".1%"), number(None), number(float("nan"))
    ('0.25', '25.0%', '–', 'not a number')
    """
    if value is None:
        return DASH
    return format(value, form) if isfinite(value) else _ENDLESS.get(value, "not a number")


def percent_tick(value: float, _: object = None) -> str:
    """A rate beside an axis, with as many digits as it has: ticks may be less than a point apart.

    >>> percent_tick(0.9), percent_tick(0.9025), percent_tick(0.07)
    ('90%', '90.25%', '7%')
    """
    return f"{round(100 * value, 2):g}%"


_ENDLESS = {float("inf"): "∞", float("-inf"): "-∞"}


def every_nth(
    rows: Sequence[tuple[str, ...]], kept: Iterable[int] = ()
) -> tuple[tuple[tuple[str, ...], ...], int]:
    """At most ``MOST_ROWS`` of so many rows, evenly spaced, with the last one and those to be kept.

    Returns:
        The rows, and the distance between them; 1 where all are there.
    """
    step = max(1, ceil(len(rows) / MOST_ROWS))
    chosen = sorted({*range(0, len(rows), step), *kept, *range(len(rows))[-1:]})
    return tuple(rows[n] for n in chosen), step
