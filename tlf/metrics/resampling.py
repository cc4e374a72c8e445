"""The bootstrap over images: how often each resample draws each image, and what interval follows.

A resample draws as many images as there are, with replacement; where they are in groups, as many
groups. Every figure is a function of sums over images, so a resample is a row of weights, and
figures of many resamples are computed at once.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.figures import Figure
from tlf.metrics.groups import FEWEST, numbered

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
"""A 95 % interval needs that many: its ends are then quantiles of 50 resamples each."""
LEVEL = 0.95

_AT_ONCE = 1_000_000
"""Weights that are held in memory at once (8 MB)."""


def resampled(
    images: int, count: int, seed: int, groups: "NDArray[np.integer] | None" = None
) -> "Iterator[NDArray[np.float64]]":
    """``count`` resamples of ``images`` images: blocks of rows, (rows, images).

    A weight says how often the resample draws the image. The same for the same seed. ``groups``:
    (images,), the same number for images that are drawn together.
    """
    random, of = np.random.default_rng(seed), numbered(groups)
    units = images if of is None else int(of.max()) + 1
    most = max(1, _AT_ONCE // images)
    for start in range(0, count, most):
        rows = min(most, count - start)
        drawn = random.integers(0, units, (rows, units))
        drawn += units * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)
        yield (weights if of is None else weights[:, of]).astype(np.float64)


def figures(
    values: "NDArray[np.float64]",
    drawn: "NDArray[np.float64]",
    most: float = 1.0,
    least: float = 0.0,
    groups: "int | NDArray[np.integer] | None" = None,
) -> list[Figure]:
    """Figures with 95 % intervals. ``values``: (M,); ``drawn``: (M, resamples), those of resamples;
    ``groups``: how many groups of images each figure is about, where groups were drawn.

    The limits are the quantiles 2.5 % and 97.5 %, shifted so that the median is the value, and from
    ``least`` to ``most``. A resample holds fewer different images: where classes are rare, its
    macro-F1 is lower, and its calibration error is higher. The shift takes this away; the median of
    a fraction of images is that fraction already. Resamples in which a figure is not defined (NaN)
    are left out.

    Resamples of few groups vary less than other groups would: quantiles further out are taken, as
    Student's t does (Hesterberg, 2015). Fewer than ``FEWEST`` groups give no interval.
    """
    ordered = np.sort(drawn, axis=-1)  # NaN last
    last = np.maximum(np.isfinite(ordered).sum(-1, keepdims=True) - 1, 0)
    at = last * ([(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2] if groups is None else _quantiles(groups))
    below = np.floor(at).astype(np.intp)
    above = np.minimum(below + 1, last)
    lower, upper = (np.take_along_axis(ordered, index, -1) for index in (below, above))
    quantiles = lower + (upper - lower) * (at - below)
    shifted = quantiles[:, ::2] + (values[:, None] - quantiles[:, 1:2])
    limits = np.clip(shifted, least, most).tolist()
    told = np.broadcast_to(True if groups is None else np.asarray(groups) >= FEWEST, values.shape)
    return [
        Figure(None) if np.isnan(value) else Figure(value, low, high) if tell else Figure(value)
        for value, (low, high), tell in zip(values.tolist(), limits, told.tolist(), strict=True)
    ]


def _quantiles(groups: "int | NDArray[np.integer]") -> "NDArray[np.float64]":
    """Which quantiles are the limits and the median, for so many groups: (1 or M, 3)."""
    from scipy.stats import norm, t

    number = np.maximum(np.atleast_1d(groups), 2).astype(np.float64)
    tail = norm.sf(np.sqrt(number / (number - 1)) * t.ppf((1 + LEVEL) / 2, number - 1))
    return np.stack([tail, np.full_like(tail, 0.5), 1 - tail], axis=1)
