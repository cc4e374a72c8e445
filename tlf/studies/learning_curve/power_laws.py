"""Power laws of learning curves: error = a + b · n^-c, for n train images.

Errors of deep networks fall so over wide ranges of sizes (Hestness et al., 2017, arXiv:1712.00409),
and those of classifiers on few hundreds of samples, fitted with larger weights for larger sizes
(Figueroa et al., 2012, BMC Medical Informatics and Decision Making 12:8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EXPONENTS = np.geomspace(0.05, 2.0, 60)
"""The bounds of c, and the steps in which it is looked for. For each c, the best a and b are known
exactly: thousands of fits take a moment, and none ends in a local minimum."""


@dataclass(frozen=True)
class PowerLaws:
    """Many of them (B,). a ≥ 0 and b ≥ 0, so an error neither rises nor falls below zero."""

    unit: float
    """n is counted in it: the largest size that was fitted."""
    a: "Floats"
    b: "Floats"
    c: "Floats"

    def errors(self, sizes: "Floats | Sequence[float]") -> "Floats":
        """(B, S)."""
        n = np.asarray(sizes, np.float64) / self.unit
        return np.asarray(self.a[:, None] + self.b[:, None] * n ** -self.c[:, None])


def fit_power_laws(sizes: Sequence[int], errors: "Floats") -> PowerLaws:
    """The law with the least weighted squares for each row of errors (B, S).

    The weight of a size is its place, from 1, as Figueroa et al. have it.
    """
    unit = float(sizes[-1])
    weights = np.arange(1.0, len(sizes) + 1)
    weights /= weights.sum()
    best = np.full((4, len(errors)), np.inf)
    for exponent in EXPONENTS:
        falls = (np.asarray(sizes) / unit) ** -exponent
        a, b = _straight(falls, errors, weights)
        squares = (a[:, None] + b[:, None] * falls - errors) ** 2 @ weights
        one = np.stack([a, b, np.full_like(a, exponent), squares])
        best = np.where(squares < best[3], one, best)
    return PowerLaws(unit, *best[:3])


def together(every: Sequence[PowerLaws]) -> PowerLaws:
    """The laws of several fits up to the same largest size."""
    a, b, c = (np.concatenate([getattr(one, name) for one in every]) for name in "abc")
    return PowerLaws(every[0].unit, a, b, c)


def _straight(falls: "Floats", errors: "Floats", weights: "Floats") -> "tuple[Floats, Floats]":
    """The best line a + b · falls (a, b), neither below zero."""
    mean, means = weights @ falls, errors @ weights
    b = (errors - means[:, None]) @ (weights * (falls - mean)) / (weights @ (falls - mean) ** 2)
    a = means - b * mean
    through_zero = errors @ (weights * falls) / (weights @ falls**2)
    b = np.where(a < 0, through_zero, b)
    a = np.maximum(a, 0)
    return np.where(b < 0, means, a), np.maximum(b, 0)
