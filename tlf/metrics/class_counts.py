"""For each class: how many images have it as label, as prediction, as both; and what follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassCounts:
    """Images of each class in each resample. All (resamples, K)."""

    support: "NDArray[np.int32 | np.int64]"
    """Images whose label it is."""
    predicted: "NDArray[np.int32 | np.int64]"
    """Images that were predicted to be of it."""
    right: "NDArray[np.int32 | np.int64]"
    """Images of both kinds."""

    # A rate is NaN where it is not defined, as with zero_division=nan in scikit-learn.

    @property
    def precision(self) -> "NDArray[np.float64]":
        """Of the images predicted to be of the class, those that are."""
        return ratio(self.right, self.predicted)

    @property
    def recall(self) -> "NDArray[np.float64]":
        """Of the images of the class, those predicted to be."""
        return ratio(self.right, self.support)

    @property
    def f1(self) -> "NDArray[np.float64]":
        """The harmonic mean of both: 0 where no prediction of the class is right."""
        return ratio(2 * self.right, self.support + self.predicted)

    def of(self, classes: slice) -> "ClassCounts":
        """Those of some classes."""
        return ClassCounts(
            self.support[:, classes], self.predicted[:, classes], self.right[:, classes]
        )


def concatenated(blocks: Sequence[ClassCounts]) -> ClassCounts:
    """The counts of all resamples."""
    return ClassCounts(
        np.concatenate([block.support for block in blocks]),
        np.concatenate([block.predicted for block in blocks]),
        np.concatenate([block.right for block in blocks]),
    )


class Confusions:
    """The pairs of label and prediction that occur. Images of the same pair are summed first; with
    few classes, that is most of the work.

    Several models may be counted at once, on the same order of images.
    """

    def __init__(
        self, classes: int, labels: "NDArray[np.int64]", *predicted: "NDArray[np.int64]"
    ) -> None:
        self.order = np.lexsort((*reversed(predicted), labels))
        """The images, sorted by label, then by the prediction of the first model, and so on."""
        table = np.stack([labels, *predicted])[:, self.order]
        new = np.ones(len(labels), dtype=bool)
        new[1:] = (table[:, 1:] != table[:, :-1]).any(0)
        self._starts = np.flatnonzero(new)
        label, *of_models = table[:, self._starts]
        every = np.arange(len(label))
        self._support = _Columns(every, label, classes)
        self._predicted = [_Columns(every, of, classes) for of in of_models]
        self._right = [_Columns(every[of == label], of[of == label], classes) for of in of_models]

    def counts(self, weights: "NDArray[np.float64]") -> list[ClassCounts]:
        """Counts of each model. ``weights``: (resamples, images), the images in ``order``."""
        images = np.add.reduceat(weights, self._starts, axis=1)
        support = self._support.summed(images)
        return [
            ClassCounts(support, predicted.summed(images), right.summed(images))
            for predicted, right in zip(self._predicted, self._right, strict=True)
        ]


class _Columns:
    """Some columns of a table, and the class of each of them."""

    def __init__(self, columns: "NDArray[np.intp]", of: "NDArray[np.int64]", classes: int) -> None:
        self._columns = columns[np.argsort(of, kind="stable")]
        self._present, self._starts = np.unique(np.sort(of), return_index=True)
        self._classes = classes

    def summed(self, table: "NDArray[np.float64]") -> "NDArray[np.int32]":
        """The sum of the columns of each class."""
        sums = np.zeros((len(table), self._classes), dtype=np.int32)
        if len(self._columns):
            sums[:, self._present] = np.add.reduceat(table[:, self._columns], self._starts, axis=1)
        return sums


def defined_mean(rates: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The mean over the classes for which a rate is defined; NaN where it is for none."""
    defined = np.isfinite(rates)
    return ratio(np.where(defined, rates, 0).sum(-1), defined.sum(-1))


def ratio(
    numerator: "NDArray[np.number]", denominator: "NDArray[np.number]"
) -> "NDArray[np.float64]":
    """NaN where the denominator is 0."""
    ratio = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
