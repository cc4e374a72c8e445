"""How well the probabilities of a class rank its images before the others: average precision."""

from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.class_counts import ratio
from tlf.metrics.curves import precision_recall_curve
from tlf.metrics.figures import Curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

POINTS = 200
"""Points of the curve of a class that are stored, at most."""


class Ranking:
    """The images of one class in the order of their probabilities.

    Average precision is the mean of the precision at each label, from the highest probability down;
    images of equal probability count together.
    """

    def __init__(self, probabilities: "NDArray[np.float64]", labels: "NDArray[np.bool_]") -> None:
        self.order = np.argsort(-probabilities, kind="stable")
        self._labels = labels[self.order]
        ordered = probabilities[self.order]
        self._last = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
        """The place of the last image of each probability."""
        self._of_class = np.flatnonzero(self._labels)
        """The places of the images that have the class."""
        self._ends = self._last[np.searchsorted(self._last, self._of_class)]
        """The place of the last image that is as probable as each of them."""
        self._until = np.searchsorted(self._of_class, self._ends, side="right") - 1
        """The last of them that is as probable as each of them."""

    def average_precision(self, weights: "NDArray[np.integer]") -> "NDArray[np.float64]":
        """(R,): of each resample. ``weights``: (R, N). NaN where no image has the class."""
        drawn = weights[:, self.order]
        every = np.cumsum(drawn, axis=1, dtype=drawn.dtype)[:, self._ends]
        own = drawn[:, self._of_class]
        true = np.cumsum(own, axis=1)
        precision = ratio(true[:, self._until], every)
        gained = np.where(own > 0, own * precision, 0).sum(1)
        return ratio(gained, own.sum(1))

    def curve(self) -> Curve | None:
        """Recall → precision; None unless some images have the class, and some have not."""
        true = np.cumsum(self._labels, dtype=np.float64)[self._last]
        if not 0 < true[-1] < len(self._labels):
            return None
        return precision_recall_curve(self._last + 1 - true, true, POINTS)
