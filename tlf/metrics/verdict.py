"""What a comparison over seeds or splits says, in words."""

from tlf.metrics.paired import CLAIM_FROM, Difference
from tlf.runtime.text import printable


def verdict(first: str, second: str, found: Difference, unit: str = "seeds") -> str:
    """The verdict on two candidates, with the difference in points of a percentage.

    >>> verdict("A", "B", Difference(0.021, 0.004, 0.038, images=400, draws=10))
    'B is better by 2.1 points [0.4, 3.8]'
    >>> verdict("A", "B", Difference(-0.03, -0.05, -0.01, images=400, draws=50), "splits")
    'A is better by 3.0 points [1.0, 5.0]'
    >>> verdict("A", "B", Difference(0.01, -0.02, 0.04, 400, 50, images_needed=3217), "splits")
    'not distinguishable; about 3,200 images would tell'
    >>> verdict("A", "B", Difference(0.01, -0.02, 0.04, 400, 10, draws_needed=24))
    'not distinguishable; about 24 seeds would tell'
    >>> verdict("A", "B", Difference(0.2, 0.1, 0.3, images=400, draws=3))
    'no verdict from 3 seeds; it takes at least 5'
    >>> verdict("A", "B", Difference(0.2, 0.1, 0.3, images=2, draws=5))
    'no verdict from 2 images; it takes at least 5'
    >>> verdict("A", "B", Difference(0.01, -0.02, 0.04, 400, 10, groups=40, groups_needed=321))
    'not distinguishable; about 320 groups of images would tell'
    >>> verdict("A", "B", Difference(0.2, -1.0, 1.0, images=400, draws=5, groups=3))
    'no verdict from 3 groups of images; it takes at least 5'

    Parameters:
        first: the name of the first candidate.
        second: that of the second, whose difference from the first it is.
        found: the comparison.
        unit: what was drawn: seeds, splits or folds.
    """
    counts = {unit: found.draws, "images": found.images, "groups of images": found.groups}
    for what, count in counts.items():
        if count is not None and count < CLAIM_FROM:
            return f"no verdict from {count} {what}; it takes at least {CLAIM_FROM}"
    if found.better:
        better, sign = (second, 1) if found.better > 0 else (first, -1)
        low, high = sorted((sign * found.low, sign * found.high))
        return (
            f"{printable(better)} is better by {_points(sign * found.value)} points "
            f"[{_points(low)}, {_points(high)}]"
        )
    return f"not distinguishable{_needed(found, unit)}"


def _needed(found: Difference, unit: str) -> str:
    """How many more seeds, images or groups would tell."""
    if found.draws_needed is not None:
        return f"; about {_about(found.draws_needed)} {unit} would tell"
    if found.images_needed is not None:
        return f"; about {_about(found.images_needed)} images would tell"
    if found.groups_needed is not None:
        return f"; about {_about(found.groups_needed)} groups of images would tell"
    return ""


def _points(difference: float) -> str:
    return f"{100 * difference:.1f}"


def _about(count: int) -> str:
    return f"{float(f'{count:.2g}'):,.0f}"
