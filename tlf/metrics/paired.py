"""Two candidates on the same images, each over several seeds or splits: how much better is the
second one, and is that more than chance?

A result varies with the images, and with what was drawn: the seed, or the split. An interval
covers both. It is the hull of two: that of a t-test whose variance counts both, and that of a BCa
bootstrap over images. So both have to exclude zero before one candidate is called better.

Where images are in groups, a group is what is drawn: variance and degrees of freedom are those of
groups; the bootstrap draws groups, and its jackknife leaves out one after the other.
"""

from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.comparison import POWER
from tlf.metrics.groups import FEWEST, count, influences, sums
from tlf.metrics.resampling import LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLAIM_FROM = 5
"""Fewer seeds, splits, images or groups allow no claim: they say too little about how results
vary."""

RESAMPLES = 9999
"""Of the bootstrap: several comparisons need quantiles far out."""

_AT_ONCE = 1_000_000
"""Values that are held in memory at once (8 MB)."""

_MOST_BCA = 2000
"""Images up to which the bootstrap is corrected (BCa), which takes the square of their number. Of
more, the mean is so nearly normal that the correction changes nothing."""


@dataclass(frozen=True)
class Difference:
    """By how much the second candidate is better than the first, on the same images."""

    value: float
    """The mean over images, and over seeds or splits."""
    low: float
    high: float
    images: int
    draws: int
    """Seeds or splits."""
    groups: int | None = None
    """How many groups the images are in; None: that is not known. Of fewer than ``FEWEST``, nothing
    is known of other groups: the interval is from -1 to 1."""
    images_needed: int | None = None
    """About how many images would tell the candidates apart (80 % power), if the difference really
    is ``value``. None where they can be told apart, are equal, more seeds would do, or groups are
    known."""
    groups_needed: int | None = None
    """The same of groups of images, where these are known."""
    draws_needed: int | None = None
    """About how many seeds would, with these images. None likewise; more splits of the same images
    never would."""

    @property
    def better(self) -> int:
        """1 where the second candidate is better, -1 where the first is, 0 where that cannot be
        told.
        """
        if min(self.draws, self.images, self.groups or self.images) < CLAIM_FROM:
            return 0
        return int(self.low > 0) - int(self.high < 0)


def joint_level(candidates: int) -> float:
    """The level of the interval of each pair, so that those of all pairs hold together in 95 %
    (Bonferroni). Which candidate is the best is known only from the same results, so a comparison
    with it counts as one of all pairs.

    >>> joint_level(2), round(joint_level(3), 4)
    (0.95, 0.9833)
    """
    pairs = candidates * (candidates - 1) // 2
    return 1 - (1 - LEVEL) / max(1, pairs)


def over_splits(
    first: "NDArray[np.float64]",
    second: "NDArray[np.float64]",
    folds: "NDArray[np.int64]",
    groups: "NDArray[np.integer] | None" = None,
    *,
    level: float = LEVEL,
) -> Difference:
    """Compare two candidates by repeated cross-validation.

    The train sets of folds overlap, so results of folds are no independent draws. Their variance is
    corrected for that (Nadeau and Bengio, 2003, Machine Learning 52:239; for repeated folds:
    Bouckaert and Frank, 2004). A fold that holds out none of the images has no result, and does not
    count. Of fewer than two results or folds, nothing is claimed: the interval is from -1 to 1.

    Parameters:
        first: (repeats, N), whether each image was classified correctly when it was held out.
        second: (repeats, N), the same.
        folds: (repeats, N), the fold that held each image out, from 0.
        groups: (N,), the same number for images that belong together, which are in one fold.
        level: of the interval.
    """
    differences = np.asarray(second, np.float64) - first
    parts = int(folds.max()) + 1
    means = np.array([d[f == part].mean() for d, f in zip(differences, folds, strict=True)
                      for part in range(parts) if (f == part).any()])  # fmt: skip
    if min(parts, len(means)) < 2:
        images = differences.shape[1]
        return Difference(float(differences.mean()), -1.0, 1.0, images, len(means), count(groups))
    variance = _variance(means) * (1 / len(means) + 1 / (parts - 1))
    freedom = (len(means) if groups is None else min(len(means), count(groups))) - 1
    found = _found(differences, len(means), groups, (variance, freedom), level)
    if not _undecided(found):
        return found
    return _with_more_images(found, variance / _reached(found.value, freedom, level))


def over_seeds(
    first: "NDArray[np.float64]",
    second: "NDArray[np.float64]",
    groups: "NDArray[np.integer] | None" = None,
    *,
    level: float = LEVEL,
) -> Difference:
    """Compare two candidates that were each trained with several seeds and evaluated on the same
    images. The n-th seed of both is the same.

    Images, or groups of them, and seeds are both drawn from many: the variance is that of a two-way
    layout with random effects. Its degrees of freedom are those of the seeds or of the images,
    whichever are fewer: Satterthwaite's (1946) made 6 to 7 % wrong claims from five seeds.

    Parameters:
        first: (seeds, N), whether each image was classified correctly. At least 2 seeds.
        second: (seeds, N), the same.
        groups: (N,), the same number for images that belong together.
        level: of the interval.
    """
    differences = np.asarray(second, np.float64) - first
    draws = differences if groups is None else influences(differences, groups)
    seeds, images = draws.shape  # or groups
    if groups is not None and images < FEWEST:
        return _found(differences, seeds, groups, (0.0, 1), level)
    by_image, by_seed = draws.mean(0), draws.mean(1)
    rest = draws - by_image - by_seed[:, None] + draws.mean()
    noise = float((rest**2).sum()) / ((seeds - 1) * (images - 1)) / (seeds * images)
    of_images, of_seeds = _variance(by_image) / images, _variance(by_seed) / seeds
    variance = max(of_images + of_seeds - noise, of_images, of_seeds)
    freedom = min(seeds, images) - 1
    found = _found(differences, seeds, groups, (variance, freedom), level)
    if not _undecided(found):
        return found
    reached = _reached(found.value, freedom, level)
    constant = max(0.0, of_images - noise)  # what no number of seeds takes away
    if constant < reached:
        factor = (variance - constant) / (reached - constant)
        return replace(found, draws_needed=_more(seeds, factor))
    return _with_more_images(found, variance / reached)


def bca(
    values: "NDArray[np.float64]",
    groups: "NDArray[np.integer] | None" = None,
    *,
    level: float = LEVEL,
) -> tuple[float, float]:
    """The BCa bootstrap interval of a mean over images. ``values``: (N,); ``groups``: (N,), the
    same number for images that are drawn together.
    """
    from scipy.stats import bootstrap

    drawn, means = [values], values
    if groups is not None:
        drawn = [sums(values, groups), sums(np.ones_like(values), groups)]
        means = drawn[0] / drawn[1]
    units = len(means)
    if units < 2 or not np.ptp(means):
        return float(values.mean()), float(values.mean())
    interval = bootstrap(
        drawn, np.mean if groups is None else _ratio, paired=groups is not None,
        n_resamples=RESAMPLES, batch=max(1, _AT_ONCE // units), confidence_level=level,
        method="BCa" if units <= _MOST_BCA else "percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(interval.low), float(interval.high)


def _ratio(
    sums: "NDArray[np.float64]", sizes: "NDArray[np.float64]", axis: int = -1
) -> "NDArray[np.float64]":
    """The mean over the images of groups that were drawn."""
    mean: NDArray[np.float64] = sums.sum(axis) / sizes.sum(axis)
    return mean


def _found(
    differences: "NDArray[np.float64]",
    draws: int,
    groups: "NDArray[np.integer] | None",
    spread: tuple[float, int],
    level: float,
) -> Difference:
    """The difference with its interval: the hull of that of a t-test and of the bootstrap.

    ``spread``: the variance of the mean, and its degrees of freedom.
    """
    from scipy.stats import t

    value, images = float(differences.mean()), differences.shape[1]
    number = count(groups)
    if number is not None and number < FEWEST:
        return Difference(value, -1.0, 1.0, images, draws, number)
    variance, freedom = spread
    reach = float(t.ppf((1 + level) / 2, freedom)) * sqrt(variance)
    low, high = bca(differences.mean(0), groups, level=level)
    low, high = max(-1.0, min(low, value - reach)), min(1.0, max(high, value + reach))
    return Difference(value, low, high, images, draws, number)


def _undecided(found: Difference) -> bool:
    """Whether more images, groups or seeds would tell the candidates apart."""
    few = found.groups is not None and found.groups < FEWEST
    return not (found.better or not found.value or few)


def _with_more_images(found: Difference, factor: float) -> Difference:
    """The same with the number of images or groups that would tell: so many times as many."""
    if found.groups is None:
        return replace(found, images_needed=_more(found.images, factor))
    return replace(found, groups_needed=_more(found.groups, factor))


def _variance(values: "NDArray[np.float64]") -> float:
    return float(values.var(ddof=1))


def _reached(value: float, freedom: float, level: float) -> float:
    """The variance at which a difference is told from zero with a power of 80 %."""
    from scipy.stats import t

    quantiles: float = t.ppf((1 + level) / 2, freedom) + t.ppf(POWER, freedom)
    return (value / quantiles) ** 2


def _more(count: int, factor: float) -> int:
    """So many times as many, and at least one more."""
    return max(count + 1, ceil(count * factor))
