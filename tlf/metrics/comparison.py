"""Two models on the same images: which is better, and whether that can be told."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np

from tlf.errors import DataError
from tlf.metrics.class_counts import Confusions, defined_mean
from tlf.metrics.evaluation import check
from tlf.metrics.figures import Figure
from tlf.metrics.groups import FEWEST, count, sign_test, sums
from tlf.metrics.predicted import Predicted
from tlf.metrics.resampling import LEVEL, RESAMPLES, figures, resampled
from tlf.runtime.text import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

POWER = 0.8
"""The chance to tell two models apart for which the number of images is estimated."""


@dataclass(frozen=True)
class Comparison:
    """Two models on the same images. Differences are those of the second minus the first."""

    images: int
    top1: Figure
    """The difference of top-1, with the interval of a paired bootstrap over images."""
    macro_f1: Figure
    """The difference of macro-F1, likewise."""
    only_first: tuple[str, ...]
    """Images that only the first model gets right."""
    only_second: tuple[str, ...]
    """Images that only the second model gets right."""
    p_value: float
    """Of McNemar's exact test: how probable so unequal numbers of such images are, or more unequal
    ones, if both models are equally good. Images of a group change sides together.
    """
    images_needed: int | None
    """About how many images would tell the models apart (80 % power), if the second model really is
    better or worse by so much. None where they can be told apart, top-1 is equal, or images are in
    groups.
    """
    groups: int | None = None
    """How many groups the images are in, which are drawn and compared whole; None: that is not
    known."""
    groups_needed: int | None = None
    """About how many groups would tell, likewise; None where their number is not known."""

    def lines(self, first: str, second: str, decimals: int = 2) -> Iterator[str]:
        """The comparison as text. ``first`` and ``second``: what the models are called;
        ``decimals``: of a percentage.
        """
        from tlf.metrics.text import comparison_lines

        return comparison_lines(self, first, second, decimals)

    @property
    def distinguishable(self) -> bool:
        """Whether top-1 differs at the 5 % level of McNemar's test."""
        return self.p_value < 1 - LEVEL


def compare(
    one: Predicted, other: Predicted, *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare two models on the same images, which are matched by name; their order, and that of
    the classes, may differ. A name and its escaped form in a table are the same. The groups are
    those of the first model's images, or of the second's where only these are known.

    Raises:
        DataError: images, labels or classes are not the same, or a probability is no number.
    """
    check(one)
    check(other)
    other = _in_order_of(one, other)
    if one.groups is None:
        one = replace(one, groups=other.groups)
    right, other_right = one.predicted == one.labels, other.predicted == other.labels
    first, second = right & ~other_right, other_right & ~right
    top1, macro_f1 = _differences(one, other, resamples, seed)
    p_value = p_of(first, second, one.groups)
    told = p_value < 1 - LEVEL
    images = groups = None
    if not told and one.groups is None:
        images = images_needed(int(first.sum()), int(second.sum()), len(one))
    elif not told and one.groups is not None:
        groups = groups_needed(first, second, one.groups)
    return Comparison(
        images=len(one),
        top1=top1,
        macro_f1=macro_f1,
        only_first=tuple(one.names[image] for image in np.flatnonzero(first).tolist()),
        only_second=tuple(one.names[image] for image in np.flatnonzero(second).tolist()),
        p_value=p_value,
        images_needed=images,
        groups=count(one.groups),
        groups_needed=groups,
    )


def _in_order_of(one: Predicted, other: Predicted) -> Predicted:
    """The second model's predictions, with images and classes in the order of the first one's."""
    same_classes(one.classes, other.classes)
    rows, columns = places(one.names, other.names), places(one.classes, other.classes)
    place = np.argsort(columns)
    labels = place[other.labels[rows]]
    if (wrong := np.flatnonzero(labels != one.labels)).size:
        image = int(wrong[0])
        raise DataError(
            f"both models must be evaluated on the same labels, got {one.names[image]} as "
            f"{one.classes[one.labels[image]]!r} and {one.classes[labels[image]]!r}; evaluate both "
            "on the same data"
        )
    probabilities = other.probabilities[np.ix_(rows, columns)]
    groups = None if other.groups is None else other.groups[rows]
    return Predicted(one.names, labels, probabilities, one.classes, groups)


def same_classes(classes: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Check that two models have the same classes, in any order.

    Raises:
        DataError: one has a class that the other has not.
    """
    if odd := sorted({*map(printable, classes)} ^ {*map(printable, others)}):
        raise DataError(
            f"both models must have the same classes, and only one has {odd[0]!r} (and "
            f"{len(odd) - 1} more such classes); evaluate each by itself"
        )


def places(names: Sequence[str], others: Sequence[str]) -> "NDArray[np.intp]":
    """Where each name stands among the others; of equal names, the n-th is the n-th."""
    if names == others:
        return np.arange(len(names))
    names, others = tuple(map(printable, names)), tuple(map(printable, others))
    missing = [*(Counter(names) - Counter(others)).elements()]
    if missing or len(names) != len(others):
        told = f", such as {missing[0]}" if missing else ""
        raise DataError(
            f"both models must be evaluated on the same images, got {len(names):,} and "
            f"{len(others):,} images, of which {len(missing):,} are missing from the second{told}; "
            "evaluate both on the same data"
        )
    found = defaultdict[str, list[int]](list)
    for place in reversed(range(len(others))):
        found[others[place]].append(place)
    return np.array([found[name].pop() for name in names], dtype=np.intp)


def _differences(
    one: Predicted, other: Predicted, resamples: int, seed: int
) -> tuple[Figure, Figure]:
    """The differences of top-1 and of macro-F1. A resample draws the same images for both."""
    pairs = Confusions(len(one.classes), one.labels, one.predicted, other.predicted)

    def at(weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
        first, second = pairs.counts(weights)
        top1 = (second.right.sum(1) - first.right.sum(1)) / weights.sum(1)
        return np.stack([top1, defined_mean(second.f1) - defined_mean(first.f1)])

    values = at(np.ones((1, len(one))))
    groups = None if one.groups is None else one.groups[pairs.order]
    weights = resampled(len(one), resamples, seed, groups)
    drawn = np.concatenate([at(w) for w in weights], axis=1)
    top1, macro_f1 = figures(values[:, 0], drawn, least=-1, groups=count(groups))
    return top1, macro_f1


def p_of(
    first: "NDArray[np.bool_]", second: "NDArray[np.bool_]", groups: "NDArray[np.integer] | None"
) -> float:
    """Of McNemar's exact test. ``first``, ``second``: (N,), images that only one model gets
    right.
    """
    if groups is None:
        return mcnemar(int(first.sum()), int(second.sum()))
    return sign_test(_more_of(first, second, groups))


def _more_of(
    first: "NDArray[np.bool_]", second: "NDArray[np.bool_]", groups: "NDArray[np.integer]"
) -> "NDArray[np.int64]":
    """How many more images of each group the second model gets right (G,)."""
    more: NDArray[np.int64] = sums(second.astype(np.int64) - first, groups)
    return more


def mcnemar(first: int, second: int) -> float:
    """The exact test, two-sided. ``first``: images that only the first model gets right."""
    from scipy.stats import binomtest

    return float(binomtest(first, first + second).pvalue) if first + second else 1.0


def images_needed(first: int, second: int, images: int) -> int | None:
    """How many images would show a difference as large as that of ``images`` images, at the 5 %
    level with a power of 80 % (Miettinen, 1968). None where there is no difference.
    """
    return _needed((second - first) / images, (second + first) / images, images)


def groups_needed(
    first: "NDArray[np.bool_]", second: "NDArray[np.bool_]", groups: "NDArray[np.integer]"
) -> int | None:
    """The same of groups like these: each counts by how many more of its images the second model
    gets right.
    """
    more = _more_of(first, second, groups)
    if len(more) < FEWEST:
        return None
    return _needed(float(more.mean()), float((more**2).mean()), len(more))


def _needed(difference: float, square: float, count: int) -> int | None:
    """How many draws would tell. ``difference``: the mean of ``count`` of them; ``square``: that of
    their squares.
    """
    from scipy.stats import norm

    if not difference:
        return None
    level, power = norm.ppf((1 + LEVEL) / 2), norm.ppf(POWER)
    root = float(level * sqrt(square) + power * sqrt(max(0.0, square - difference**2)))
    return max(ceil((root / difference) ** 2), count + 1)
