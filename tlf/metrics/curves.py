"""Curves of two classes: ROC, and precision and recall. The second class is the one looked for."""

from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.figures import Curve
from tlf.metrics.predicted import Predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_POINTS = 1000
"""A longer curve is stored by so many of its points; its area is that of all points."""


def roc(predicted: Predicted) -> Curve | None:
    """False positive rate → true positive rate. None unless there are images of two classes."""
    if not _both(predicted):
        return None
    false, true = _positives(predicted)
    corners = np.ones(len(true), bool)  # what lies between two of them is on their line
    corners[1:-1] = (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0)
    x = np.concatenate([[0.0], false[corners] / false[-1]])
    y = np.concatenate([[0.0], true[corners] / true[-1]])
    return _curve(x, y, (np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def precision_recall(predicted: Predicted) -> Curve | None:
    """Recall → precision; the area is the average precision. None unless there are images of two
    classes.
    """
    if not _both(predicted):
        return None
    return precision_recall_curve(*_positives(predicted))


def precision_recall_curve(
    false: "NDArray[np.float64]", true: "NDArray[np.float64]", points: int | None = None
) -> Curve:
    """Recall → precision, of the images of another and of this class whose probability of it is at
    least a limit, for each limit that occurs, from the highest down.
    """
    precision, recall = true / (true + false), true / true[-1]
    area = (np.diff(recall, prepend=0) * precision).sum()
    ends = np.ones(len(true), bool)  # of the points of one recall, the first and the last
    ends[1:-1] = (np.diff(true[:-1]) != 0) | (np.diff(true[1:]) != 0)
    x = np.concatenate([[0.0], recall[ends]])
    y = np.concatenate([[1.0], precision[ends]])
    return _curve(x, y, area, points)


def _positives(predicted: Predicted) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """The images of the first and of the second class whose probability of the second is at least
    a limit, for each limit that occurs, from the highest down.
    """
    second = predicted.probabilities[:, 1]
    order = np.argsort(second, kind="stable")[::-1]
    last = np.append(np.flatnonzero(np.diff(second[order])), len(order) - 1)
    true = np.cumsum(predicted.labels[order], dtype=np.float64)[last]
    return last + 1 - true, true


def _both(predicted: Predicted) -> bool:
    return len(predicted.classes) == 2 and len(np.unique(predicted.labels)) == 2


def _curve(
    x: "NDArray[np.float64]", y: "NDArray[np.float64]", area: float, points: int | None = None
) -> Curve:
    kept = np.unique(np.linspace(0, len(x) - 1, points or MOST_POINTS).round().astype(np.intp))
    return Curve(tuple(x[kept].tolist()), tuple(y[kept].tolist()), float(area))
