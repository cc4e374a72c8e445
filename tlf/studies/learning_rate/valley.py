"""What a range test says: the losses smoothed, where they fell, and whether that is more than
noise.

Sources: the range test, Smith 2015, arXiv:1506.01186; a rate in the middle of the longest valley,
as fastai's documentation describes it. Here it is the middle of the steep part of that valley:
where the loss does not fall yet, noise alone makes a valley longer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, sqrt

BETA = 0.9
"""How much of the average of the losses so far is kept, when a loss is added."""
EXPLODED = 4.0
"""A test ends where the smoothed loss is so many times its lowest value."""
CLEAR = 4.0
"""A valley is so many times deeper than the standard error of the smoothed losses at its ends."""
LEAST = 0.01
"""It is so much of the loss deep, at least."""


@dataclass(frozen=True)
class Valley:
    """The steps between which the smoothed loss fell most: from a quarter to three quarters of the
    depth of its longest fall.
    """

    first: int
    last: int

    @property
    def middle(self) -> int:
        """The step in the middle."""
        return (self.first + self.last) // 2


def smooth(losses: Sequence[float]) -> list[float]:
    """The average of the losses up to each, in which later ones weigh more.

    >>> [round(loss, 3) for loss in smooth([1.0, 0.0])]
    [1.0, 0.474]
    """
    found, total = [], 0.0
    for number, loss in enumerate(losses, start=1):
        total = BETA * total + (1 - BETA) * loss
        found.append(total / (1 - BETA**number))
    return found


def exploded(losses: Sequence[float]) -> bool:
    """Whether a test ends with the last of these losses."""
    if not isfinite(losses[-1]):
        return True
    smoothed = smooth(losses)
    return smoothed[-1] > EXPLODED * min(smoothed)


def find_valley(losses: Sequence[float]) -> Valley | None:
    """The valley of a test; None where the loss did not fall by more than its noise.

    Parameters:
        losses: of each step, all of them finite.
    """
    smoothed = smooth(losses)
    if len(losses) < 3:
        return None
    start, end = _longest_fall(smoothed)
    top, depth = smoothed[start], smoothed[start] - smoothed[end]
    error = _noise(losses[: end + 1]) * sqrt(_shrinks(start + 1) + _shrinks(end + 1))
    if depth <= max(CLEAR * error, LEAST * top):
        return None
    fallen = range(start, end + 1)
    first = max(step for step in fallen if smoothed[step] >= top - depth / 4)
    return Valley(
        first, min(s for s in fallen if s >= first and smoothed[s] <= top - depth * 3 / 4)
    )


def _longest_fall(values: Sequence[float]) -> tuple[int, int]:
    """The ends of the longest series of values, each lower than the one before it, in which others
    may be left out; of several, the deepest.

    >>> _longest_fall([3.0, 5.0, 4.0, 4.5, 1.0, 2.0])
    (1, 4)
    """
    best: list[tuple[int, float, int]] = []  # for the series that end here: length, depth, start
    for end, value in enumerate(values):
        before = [
            (length + 1, values[start] - value, start)
            for (length, _, start), earlier in zip(best, values[:end], strict=True)
            if earlier > value
        ]
        best.append(max(before, default=(1, 0.0, end)))
    last = max(range(len(best)), key=lambda end: best[end][:2])
    return best[last][2], last


def _noise(losses: Sequence[float]) -> float:
    """The standard deviation of a loss around its course: of differences between neighbours."""
    steps = [after - before for before, after in pairwise(losses)]
    return sqrt(sum(step**2 for step in steps) / (2 * len(steps))) if steps else 0.0


def _shrinks(count: int) -> float:
    """The variance of the smoothed loss after so many losses, where that of each loss is 1."""
    return (1 - BETA) / (1 + BETA) * (1 + BETA**count) / (1 - BETA**count)
