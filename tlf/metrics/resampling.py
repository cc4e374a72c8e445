"""The bootstrap over images: how often each resample draws each image, and what interval follows.

A resample draws as many images as there are, with replacement. Every figure is a function of sums
over images, so a resample is a row of weights, and figures of many resamples are computed at once.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
"""A 95 % interval needs that many: its ends are then quantiles of 50 resamples each."""
LEVEL = 0.95

_AT_ONCE = 1_000_000
"""Weights that are held in memory at once (8 MB)."""


def resampled(images: int, count: int, seed: int) -> "Iterator[NDArray[np.float64]]":
    """``count`` resamples of ``images`` images: blocks of rows, (rows, images).

    A weight says how often the resample draws the image. The same for the same seed.
    """
    random = np.random.default_rng(seed)
    most = max(1, _AT_ONCE // images)
    for start in range(0, count, most):
        rows = min(most, count - start)
        drawn = random.integers(0, images, (rows, images))
        drawn += images * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * images)
        yield weights.reshape(rows, images).astype(np.float64)


def interval(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The quantiles 2.5 % and 97.5 % of the last axis: (…, 2). Resamples in which a figure is not
    defined (NaN) are left out; NaN where it is defined in none.
    """
    ordered = np.sort(values, axis=-1)  # NaN last
    last = np.isfinite(values).sum(-1, keepdims=True) - 1
    at = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2]) * np.maximum(last, 0)
    below = np.floor(at).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(last, 0))
    low, high = (np.take_along_axis(ordered, index, -1) for index in (below, above))
    return cast("NDArray[np.float64]", low + (high - low) * (at - below))
