"""A canvas of dots that is printed as characters: braille, or ASCII where that is all there is."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Characters:
    """What a canvas is printed with."""

    dots: tuple[int, int]
    """Columns and rows of dots in a character."""
    vertical: str
    corner: str
    horizontal: str
    start: str
    """Where a phase begins."""
    thaw: str
    """Where more trains than before."""
    best: str
    """The best epoch."""


BRAILLE = Characters((2, 4), "│", "└", "─", "┴", "▲", "●")
ASCII = Characters((1, 1), "|", "+", "-", "+", "^", "o")


def characters_of(encoding: str) -> Characters:
    """Braille, where an encoding has it.

    >>> characters_of("utf-8") is BRAILLE, characters_of("iso-8859-1") is ASCII
    (True, True)
    """
    try:
        "⣿┴▲●".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BRAILLE


_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Column and row of a dot → its bit in a braille character (Unicode, 28xx)."""


class Canvas:
    """Dots. Its origin is at the top left."""

    def __init__(self, columns: int, rows: int, characters: Characters) -> None:
        self.characters = characters
        self.columns, self.rows = columns, rows
        self.width, self.height = columns * characters.dots[0], rows * characters.dots[1]
        self.dots: dict[tuple[int, int], str] = {}
        """Place of a dot → its mark, which ASCII shows."""

    def line(
        self, start: tuple[int, int], end: tuple[int, int], mark: str, *, dotted: bool = False
    ) -> None:
        """Draw a line, or a dot. ``dotted``: with gaps; what is drawn already stays."""
        (x, y), (to_x, to_y) = start, end
        steps = max(abs(to_x - x), abs(to_y - y), 1)
        for step in range(steps + 1):
            place = (
                x + round(step * (to_x - x) / steps),
                y + round(step * (to_y - y) / steps),
            )
            if not dotted:
                self.dots[place] = mark
            elif (
                start == end or self.characters is ASCII or (place[0] // 2 + place[1] // 2) % 2 == 0
            ):
                self.dots.setdefault(place, mark)

    def lines(self) -> Iterator[str]:
        """Its characters, row after row."""
        if self.characters is ASCII:
            for y in range(self.rows):
                yield "".join(self.dots.get((x, y), " ") for x in range(self.columns))
            return
        cells: dict[tuple[int, int], int] = {}
        for x, y in self.dots:
            place = (x // 2, y // 4)
            cells[place] = cells.get(place, 0) | _BITS[x % 2][y % 4]
        for y in range(self.rows):
            codes = (cells.get((x, y)) for x in range(self.columns))
            yield "".join(" " if code is None else chr(0x2800 + code) for code in codes)
