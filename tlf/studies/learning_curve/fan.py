"""A fan of power laws: what the accuracy may be with more images than there are.

Each law is fitted to another resample. A resample draws images, or groups of them, and draws, each
with replacement, and weighs a result by how often both are in it (the pigeonhole bootstrap: Owen,
2007, Annals of Applied Statistics 1:386). So the fan covers other held-out images and other train
images. Laws are fitted from several first sizes on, as a curve of few images is no power law yet.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.resampling import LEVEL, resampled
from tlf.studies.learning_curve.learning_curve import Fan, Forecast, Hindcast, Spread
from tlf.studies.learning_curve.power_laws import PowerLaws, fit_power_laws, together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST = 4
"""Sizes that a law with three numbers is fitted to, at least."""
FACTORS = (2, 4)
"""How many times the largest size. Nothing is said beyond the last one."""
WIDEST = 0.05
"""Where the gain at twice the largest size may be anything within a wider span, it is not told."""

_LAWS = 1000
_POINTS = 33
"""Of the drawn fan, from the first size that all laws are fitted to, to four times the largest."""
_MISSED = 3.0
"""A law does not fit where it misses an accuracy by more than so many standard errors, …"""
_SMALL = 0.005
"""… and by more than half a point."""


def fan_of(
    sizes: Sequence[int],
    right: "Floats",
    folds: "NDArray[np.int64]",
    seed: int,
    groups: "NDArray[np.int64] | None" = None,
) -> Fan | None:
    """The fan of a learning curve; None with too few sizes.

    Parameters:
        sizes: numbers of train images.
        right: (S, deals, N), whether each image was classified correctly.
        folds: (deals, N), the fold that held each image out.
        seed: what resamples are drawn from.
        groups: (N,), the same number for images that are drawn together.
    """
    if len(sizes) < FEWEST:
        return None
    errors = _resampled_errors(1 - right, folds, seed, groups)
    first, laws, misses = _fitted(sizes, errors)
    most, now = sizes[-1], laws.errors([sizes[-1]])
    forecasts = [
        Forecast(factor, factor * most, spread(1 - later), spread(now - later))
        for factor in FACTORS
        for later in [laws.errors([factor * most])]
    ]
    places = np.geomspace(sizes[-FEWEST], FACTORS[-1] * most, _POINTS)
    band = [(float(n), spread(1 - e)) for n, e in zip(places, laws.errors(places).T, strict=True)]
    hindcast = _hindcast(sizes, errors, float(right[-1].mean()))
    return Fan(
        fitted_from=sizes[first],
        forecasts=tuple(forecasts),
        hindcast=hindcast,
        band=tuple(band),
        exponent=spread(laws.c),
        problem=_problem(forecasts, hindcast, misses),
    )


def spread(values: "Floats") -> Spread:
    """Where 95 % of them are."""
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)).tolist()
    return Spread(low, high)


def _resampled_errors(
    wrong: "Floats", folds: "NDArray[np.int64]", seed: int, groups: "NDArray[np.int64] | None"
) -> "Floats":
    """The error of each size (B, S) in each resample of images and draws."""
    parts = int(folds.max()) + 1
    of_draws = np.concatenate([*resampled(len(folds) * parts, _LAWS, seed + 1)])
    every, done = [], 0
    for of_images in resampled(wrong.shape[2], _LAWS, seed, groups):
        sums = np.zeros((len(of_images), len(wrong)))
        weights = np.zeros((len(of_images), 1))
        for draw in range(len(folds) * parts):
            deal, part = divmod(draw, parts)
            held_out = folds[deal] == part
            own = of_draws[done : done + len(of_images), draw, None]
            sums += own * (of_images[:, held_out] @ wrong[:, deal, held_out].T)
            weights += own * of_images[:, held_out].sum(1, keepdims=True)
        every.append(sums / weights)
        done += len(of_images)
    return np.concatenate(every)


def _fitted(sizes: Sequence[int], errors: "Floats") -> tuple[int, PowerLaws, bool]:
    """The first size that laws are fitted from, the laws, and whether they miss accuracies. Laws of
    all sizes, of all but the first, and so on, where they miss none; ``FEWEST`` sizes are kept.
    """
    found: list[tuple[int, PowerLaws]] = []
    for first in range(len(sizes) - FEWEST + 1):
        laws = fit_power_laws(sizes[first:], errors[:, first:])
        missed = laws.errors(sizes[first:]) - errors[:, first:]
        miss, noise = np.abs(missed.mean(0)), missed.std(0)
        misses = bool((miss > np.maximum(_SMALL, _MISSED * noise)).any())
        if not misses:
            found.append((first, laws))
    if not found:
        return first, laws, True
    return found[0][0], together([laws for _, laws in found]), False


def _hindcast(sizes: Sequence[int], errors: "Floats", measured: float) -> Hindcast | None:
    """What the fan of the sizes up to half of the largest says of the largest."""
    known = [n for n, size in enumerate(sizes) if size <= (sizes[-1] + 1) // 2]
    if len(known) < FEWEST:
        return None
    _, laws, _ = _fitted([sizes[n] for n in known], errors[:, known])
    foretold = spread(1 - laws.errors([sizes[-1]]))
    return Hindcast(sizes[known[-1]], sizes[-1], foretold, measured)


def _problem(forecasts: Sequence[Forecast], hindcast: Hindcast | None, misses: bool) -> str:
    """Why the fan says nothing; empty where it does."""
    if misses:
        return "no power law fits these accuracies"
    if hindcast is not None and not hindcast.held:
        return (
            f"from {hindcast.sizes_to:,} images, a fan would have foretold another accuracy than "
            f"the one measured with {hindcast.images:,}"
        )
    gain, images = forecasts[0].gain, forecasts[0].images
    if gain.high - gain.low > WIDEST:
        return (
            f"the fan is too wide: {100 * gain.low:.1f} to {100 * gain.high:.1f} points more with "
            f"{images:,} images"
        )
    return ""
