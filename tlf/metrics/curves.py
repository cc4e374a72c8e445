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
    from sklearn.metrics import roc_auc_score, roc_curve

    if not _both(predicted):
        return None
    second = predicted.probabilities[:, 1]
    false, true, _ = roc_curve(predicted.labels, second)
    return _curve(false, true, roc_auc_score(predicted.labels, second))


def precision_recall(predicted: Predicted) -> Curve | None:
    """Recall → precision; the area is the average precision. None unless there are images of two
    classes.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    if not _both(predicted):
        return None
    second = predicted.probabilities[:, 1]
    precision, recall, _ = precision_recall_curve(predicted.labels, second, drop_intermediate=True)
    return _curve(recall[::-1], precision[::-1], average_precision_score(predicted.labels, second))


def _both(predicted: Predicted) -> bool:
    return len(predicted.classes) == 2 and len(np.unique(predicted.labels)) == 2


def _curve(x: "NDArray[np.float64]", y: "NDArray[np.float64]", area: float) -> Curve:
    kept = np.unique(np.linspace(0, len(x) - 1, MOST_POINTS).round().astype(np.intp))
    return Curve(tuple(x[kept].tolist()), tuple(y[kept].tolist()), float(area))
