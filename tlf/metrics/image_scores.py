"""Scores of single images, whose means are figures: NLL, Brier, top-5; and bins for calibration."""

from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.figures import Calibration
from tlf.metrics.predicted import Predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15
"""Bins of equal width for calibration (Guo et al., 2017)."""
TOP = 5


def own_probability(predicted: Predicted) -> "NDArray[np.float64]":
    """(N,): the probability of each image's label."""
    own: NDArray[np.float64] = predicted.probabilities[np.arange(len(predicted)), predicted.labels]
    return own


def highest_probability(predicted: Predicted) -> "NDArray[np.float64]":
    """(N,): the probability of each image's prediction."""
    highest: NDArray[np.float64] = predicted.probabilities.max(1)
    return highest


def nll(predicted: Predicted) -> "NDArray[np.float64]":
    """(N,): −log of the probability of the label, which is clipped to [ε, 1 − ε] of float64, as in
    scikit-learn's ``log_loss``: at most 36.04.
    """
    least = np.finfo(np.float64).eps
    losses: NDArray[np.float64] = -np.log(np.clip(own_probability(predicted), least, 1 - least))
    return losses


def brier(predicted: Predicted) -> "NDArray[np.float64]":
    """(N,): the squared distance of the probabilities from the label; half of it for two classes,
    as in scikit-learn's ``brier_score_loss``.
    """
    own = own_probability(predicted)
    squares = np.einsum("nk,nk->n", predicted.probabilities, predicted.probabilities)
    distance: NDArray[np.float64] = (1 - own) ** 2 + np.maximum(squares - own**2, 0)
    return distance / 2 if len(predicted.classes) == 2 else distance


def in_top(predicted: Predicted) -> "NDArray[np.bool_]":
    """(N,): whether the label is among the five most probable classes; of equal probabilities, the
    first classes are taken, as for top-1.
    """
    own = own_probability(predicted)[:, None]
    ahead: NDArray[np.int64] = (predicted.probabilities > own).sum(1)
    earlier = np.arange(len(predicted.classes)) < predicted.labels[:, None]
    ahead += ((predicted.probabilities == own) & earlier).sum(1)
    first: NDArray[np.bool_] = ahead < TOP
    return first


def bins(predicted: Predicted) -> "NDArray[np.intp]":
    """(N,): the bin of the highest probability. A bin holds its upper limit, not its lower one."""
    limits = edges()[1:-1]
    return np.asarray(np.searchsorted(limits, highest_probability(predicted)))


def gaps(predicted: Predicted) -> "NDArray[np.float64]":
    """(N, bins): how far the highest probability lies above “right” (1) or “wrong” (0), in the
    column of its bin. The sum of the absolute column means is the expected calibration error.
    """
    in_bins = np.zeros((len(predicted), BINS))
    right = predicted.predicted == predicted.labels
    gap = highest_probability(predicted) - right
    in_bins[np.arange(len(predicted)), bins(predicted)] = gap
    return in_bins


def calibration(predicted: Predicted) -> Calibration:
    """The bins of a reliability diagram."""
    of = bins(predicted)
    counts = np.bincount(of, minlength=BINS)
    confidence = np.bincount(of, highest_probability(predicted), minlength=BINS)
    right = np.bincount(of, predicted.predicted == predicted.labels, minlength=BINS)
    return Calibration(
        tuple(edges().tolist()),
        tuple(counts.tolist()),
        tuple(total / n if n else None for total, n in zip(confidence, counts, strict=True)),
        tuple(total / n if n else None for total, n in zip(right, counts, strict=True)),
    )


def edges() -> "NDArray[np.float64]":
    """The limits of the bins of probabilities."""
    return np.linspace(0, 1, BINS + 1)
