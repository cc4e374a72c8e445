"""Which images have a size or a shape unlike that of the others?"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FENCE = 3.0
"""Interquartile ranges beyond the quartiles: Tukey's rule for values that are far out."""
_FACTOR = 2.0
"""The least factor beyond the quartiles: in a set of equal sizes each small difference would be far
out."""


@dataclass(frozen=True)
class Odd:
    """An image whose size is unlike that of the others."""

    image: int
    why: str


def find_odd_sizes(sizes: "NDArray[np.int64]") -> tuple[Odd, ...]:
    """Images that are far smaller, larger, or longer than the others, in their order.

    Parameters:
        sizes: (N, 2), width and height of each.
    """
    import numpy as np

    sides = np.log2(sizes)
    size = sides.mean(1)  # of the square with the same area
    length = abs(sides[:, 0] - sides[:, 1])  # the same for portrait and landscape
    width, height = np.median(sizes, 0)
    usual = f"the median is {width:.0f} × {height:.0f}"
    kinds = (
        (_outside(-size), "far smaller than the others"),
        (_outside(size), "far larger than the others"),
        (_outside(length), "far longer and thinner than the others"),
        (_outside(-length), "far less long than the others"),
    )
    odd: dict[int, list[str]] = {}
    for outside, why in kinds:
        for image in np.flatnonzero(outside).tolist():
            odd.setdefault(image, []).append(why)
    return tuple(Odd(i, f"{' and '.join(odd[i])}: {usual}") for i in sorted(odd))


def _outside(values: "NDArray[np.floating[Any]]") -> "NDArray[np.bool_]":
    """Which values are far above the others. Values are logarithms to base 2."""
    import numpy as np

    low, high = np.quantile(values, [0.25, 0.75])
    return np.asarray(values > high + max(_FENCE * (high - low), np.log2(_FACTOR)))
