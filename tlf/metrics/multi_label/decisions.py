"""Scores of decisions, whose means are figures: NLL, Brier, and bins for calibration."""

from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.figures import Calibration
from tlf.metrics.image_scores import BINS, edges
from tlf.metrics.multi_label.predicted import MultiLabelPredicted

if TYPE_CHECKING:
    from numpy.typing import NDArray


def nll(predicted: MultiLabelPredicted) -> "NDArray[np.float64]":
    """(N,): the mean over the classes of −log of the probability of what is true: that the class is
    a label, or that it is none. It is clipped as in scikit-learn's ``log_loss``.
    """
    least = np.finfo(np.float64).eps
    own = np.where(predicted.labels, predicted.probabilities, 1 - predicted.probabilities)
    losses: NDArray[np.float64] = -np.log(np.clip(own, least, 1 - least)).mean(1)
    return losses


def brier(predicted: MultiLabelPredicted) -> "NDArray[np.float64]":
    """(N,): the mean over the classes of the squared distance of the probability from 1 for a
    label, from 0 for none.
    """
    distance: NDArray[np.float64] = ((predicted.probabilities - predicted.labels) ** 2).mean(1)
    return distance


def bins(predicted: MultiLabelPredicted) -> "NDArray[np.intp]":
    """(N, K): the bin of each probability. A bin holds its upper limit, not its lower one."""
    return np.asarray(np.searchsorted(edges()[1:-1], predicted.probabilities))


def gaps(predicted: MultiLabelPredicted) -> "NDArray[np.float64]":
    """(N, bins): how far the probabilities of an image lie above “a label” (1) or “none” (0), added
    up in each bin, as a share of its decisions. The sum of the absolute column means is the
    expected calibration error.
    """
    images, classes = predicted.probabilities.shape
    cells = bins(predicted) + BINS * np.arange(images)[:, None]
    gap = (predicted.probabilities - predicted.labels) / classes
    added = np.bincount(cells.ravel(), gap.ravel(), minlength=images * BINS).astype(np.float64)
    return added.reshape(images, BINS)


def calibration(predicted: MultiLabelPredicted) -> Calibration:
    """The bins of a reliability diagram: of each, the decisions in it, their mean probability, and
    how many of them are labels.
    """
    of = bins(predicted).ravel()
    counts = np.bincount(of, minlength=BINS)
    confidence = np.bincount(of, predicted.probabilities.ravel(), minlength=BINS)
    labels = np.bincount(of, predicted.labels.ravel(), minlength=BINS)
    return Calibration(
        tuple(edges().tolist()),
        tuple(counts.tolist()),
        tuple(total / n if n else None for total, n in zip(confidence, counts, strict=True)),
        tuple(total / n if n else None for total, n in zip(labels, counts, strict=True)),
    )
