"""How many images probes are trained on, and which: ten draws, each with its own held-out images.

A draw shuffles the images that a fold leaves. Each size takes the first ones, so that a larger size
holds all images of a smaller one, and classes keep their shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from tlf.checks.probe import FOLDS
from tlf.errors import DataError, RunError
from tlf.studies.judged import Judged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

DEALS = 2
"""So many times the images are dealt to folds. Each fold is held out by one draw, so ten draws hold
out each image twice."""
SIZES = 6
LEAST = 2
"""Images of each class at every size, at least."""
_SPAN = 32
"""The largest size is so many times the smallest, where there are as many images: five times twice
as many."""


@dataclass(frozen=True)
class Draw:
    """Images to train on, and others to judge by: indices of the judged images."""

    deal: int
    """Which way to deal the images it is from."""
    train: "Integers"
    """(M,), in the order in which sizes take them."""
    held_out: "Integers"


def draws_of(judged: Judged, seed: int) -> tuple[Draw, ...]:
    """A draw for each fold of each deal; all have as many train images of each class.

    Raises:
        DataError: there is a fold that no image of a class is in, or all are.
    """
    strata = judged.strata
    places = [(deal, part) for deal in range(len(judged.folds)) for part in range(FOLDS)]
    _check_everywhere(judged, [judged.folds[deal] == part for deal, part in places])
    count = int(strata.max()) + 1
    held = [np.bincount(strata[judged.folds[d] == p], minlength=count) for d, p in places]
    left = (np.bincount(strata) - np.array(held)).min(0)
    return tuple(
        Draw(
            deal,
            _ordered(fold != part, strata, left, (seed, number)),
            np.flatnonzero(fold == part),
        )
        for number, (deal, part) in enumerate(places)
        for fold in [judged.folds[deal]]
    )


def _check_everywhere(judged: Judged, folds: "Sequence[NDArray[np.bool_]]") -> None:
    """Check that an image of each stratum that is large enough is in each fold, and another is not.

    Raises:
        DataError: there is a fold that no image of a stratum is in, or all are.
    """
    for stratum in judged.large:
        own = judged.strata == stratum
        inside = [int(own[fold].sum()) for fold in folds]
        if min(inside) == 0 or max(inside) == own.sum():
            label = judged.labels[np.flatnonzero(own)[:1]]
            name = next(
                name for k, name in enumerate(judged.classes) if judged.task.having(label, k).any()
            )
            raise DataError(
                f"class {name!r} must have images in each of {FOLDS} folds, got a fold without; "
                "copies (tlf check lists them) and images of one group (data.group) are in one "
                "fold: add other images of the class"
            )


def _ordered(
    chosen: "NDArray[np.bool_]", strata: "Integers", counts: "Integers", seed: tuple[int, int]
) -> "Integers":
    """The chosen images in random order, so that the first ones, however many, have strata in
    proportion to their counts, and ``LEAST`` of each come before all others.
    """
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(chosen))
    order = np.argsort(strata[drawn], kind="stable")
    own = strata[drawn][order]
    rank = np.arange(len(own)) - np.searchsorted(own, own)  # within the stratum
    kept = rank < counts[own]
    chosen_own, chosen_rank = own[kept], rank[kept]
    shares = (chosen_rank + 0.5) / counts[chosen_own]
    place = np.where(chosen_rank < LEAST, chosen_rank - LEAST, shares)
    taken: Integers = drawn[order][kept][np.lexsort((chosen_own, place))]
    return taken


def check_sizes(sizes: Sequence[int]) -> None:
    """Raise ``RunError`` where sizes that somebody asks for are no curve."""
    shown = " ".join(map(str, sizes))
    if len(sizes) == 1:
        raise RunError(f"--sizes must be two or more, got {shown}; write another one, too")
    if any(size < LEAST for size in sizes):
        raise RunError(f"--sizes must be {LEAST} images of each class or more, got {shown}")
    rising = sorted({*sizes})
    if rising != [*sizes]:
        raise RunError(
            f"--sizes must rise, got {shown}; write --sizes {' '.join(map(str, rising))}"
        )


def sizes_of(asked: Sequence[int], draws: Sequence[Draw], judged: Judged) -> tuple[int, ...]:
    """The numbers of train images, the smallest first.

    Parameters:
        asked: images of each class, on average; empty: six sizes, up to all that folds leave.
        draws: the draws.
        judged: the images.

    Raises:
        DataError: there are too few images.
        RunError: a size that was asked for is larger than what folds leave.
    """
    most, classes = len(draws[0].train), len(judged.classes)
    if asked:
        if asked[-1] * classes > most:
            raise RunError(
                f"--sizes must be {most // classes} images of each class or fewer, got "
                f"{asked[-1]}; folds leave {most} of {len(judged.images)} images in {classes} "
                "classes to train on"
            )
        return tuple(size * classes for size in asked)
    sizes = _geometric(most, classes)
    if len({*sizes}) < SIZES:
        enough = next(n for n in count(most) if len({*_geometric(n, classes)}) == SIZES)
        # A fold holds a fifth of a class, rounded up.
        needed = next(n for n in count(FOLDS) if classes * (n - ceil(n / FOLDS)) >= enough)
        raise DataError(
            f"a curve of {SIZES} sizes needs {needed} train images of each of {classes} classes, "
            f"got {len(judged.images)} in all; add images, or write --sizes and fewer sizes"
        )
    return sizes


def _geometric(most: int, classes: int) -> tuple[int, ...]:
    least = max(LEAST * classes, most / _SPAN)
    return tuple(np.round(np.geomspace(least, most, SIZES)).astype(int).tolist())
