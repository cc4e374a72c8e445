"""Conformal prediction by the probability threshold (LAC; Sadinle et al., 2019): which classes an
image may be of, so that its label is among them at a chosen rate, the coverage.

That holds for images of the same kind as those of the calibration, which training must not have
seen. Sets may be empty: no class is as probable as labels usually are.
"""

from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def threshold(own: "NDArray[np.floating]", coverage: float) -> float | None:
    """The least probability of a class that is kept. ``own``: the probability of each calibration
    image's label.

    It is the k-th highest, k = ceil((n + 1) × coverage): the finite-sample quantile. At 0 every
    class is kept. None where there are too few images for the coverage (n < coverage / (1 −
    coverage)).
    """
    own = np.asarray(own)
    kth = ceil(round((len(own) + 1) * coverage, 9))  # 0.9 is slightly more than nine tenths
    if kth > len(own):
        return None
    return float(np.sort(own)[len(own) - kth])


def coverage_spread(images: int, coverage: float) -> float:
    """The standard deviation of the real coverage over calibration sets of that many images:
    √(α(1−α)/(n+2)) with α = 1 − coverage.

    >>> round(coverage_spread(80, 0.9), 3)
    0.033
    """
    return sqrt(coverage * (1 - coverage) / (images + 2))
