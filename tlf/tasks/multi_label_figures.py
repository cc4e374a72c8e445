"""Figures of images that have several labels, as scikit-learn defines them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def average_precisions(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    """The average precision of each class (K,): the mean over its images of the precision at their
    score. Images of one score are found together. NaN for a class that no image has.

    Parameters:
        scores: of N images (N, K).
        labels: whether each image has each class (N, K).

    >>> import numpy as np
    >>> average_precisions(np.array([[0.9], [0.8], [0.7]]), np.array([[True], [False], [True]]))
    array([0.83333333])
    """
    import numpy as np

    found = np.full(scores.shape[1], np.nan)
    for k in np.flatnonzero(labels.any(0)):
        ordered, hits = np.sort(scores[:, k]), np.sort(scores[labels[:, k], k])
        above = len(ordered) - np.searchsorted(ordered, hits)
        right = len(hits) - np.searchsorted(hits, hits)
        found[k] = (right / above).mean()
    return found


def f1_scores(
    predicted: "NDArray[np.bool_]", labels: "NDArray[np.bool_]"
) -> tuple["NDArray[np.float64]", float]:
    """The F1 of each class (K,), and of all decisions together. NaN where no image has a class and
    none is predicted to have it.

    Parameters:
        predicted: whether each image is predicted to have each class (N, K).
        labels: whether it has it (N, K).
    """
    import numpy as np

    right = (predicted & labels).sum(0)
    both = predicted.sum(0) + labels.sum(0)
    with np.errstate(invalid="ignore"):
        return 2 * right / both, float(np.float64(2 * right.sum()) / both.sum())
