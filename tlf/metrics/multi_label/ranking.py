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

    def average_precision(self, weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """(R,): of each resample. ``weights``: (R, N). NaN where no image has the class."""
        drawn = weights[:, self.order]
        every = np.cumsum(drawn, axis=1)[:, self._last]
        true = np.cumsum(drawn * self._labels, axis=1)[:, self._last]
        gained = np.diff(true, axis=1, prepend=0)
        precision = np.divide(true, every, out=np.zeros_like(true), where=every > 0)
        return ratio((gained * precision).sum(1), true[:, -1])

    def curve(self) -> Curve | None:
        """Recall → precision; None unless some images have the class, and some have not."""
        true = np.cumsum(self._labels, dtype=np.float64)[self._last]
        if not 0 < true[-1] < len(self._labels):
            return None
        return precision_recall_curve(self._last + 1 - true, true, POINTS)
