"""Figures of images that have several labels, as scikit-learn defines them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW = 3
"""The threshold of a class that so many images have is drawn half way to 0.5. Of 0, 3 and 10, 3 had
the best mean F1 on other images, over classes of 1 to 200 images, with calibrated scores and with
scores that are too high."""


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


def best_thresholds(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    """The threshold of each class (K,) at which its F1 on these images is best; of equal ones the
    highest. It is in the middle between two scores.

    The best threshold of a class that n images have is a chance finding where n is small. Its
    logit is multiplied by n / (n + 3), so that it is drawn to 0.5, and 0.5 where n is 0.

    Source: one threshold for each class, Yang 2001, "A study of thresholding strategies for text
    categorization", SIGIR (SCut); what draws it to 0.5 is measured, see ``FEW``.

    Parameters:
        scores: probabilities of N images (N, K).
        labels: whether each image has each class (N, K).

    >>> import numpy as np
    >>> scores = np.tile([0.8, 0.4, 0.1, 0.1], 25)[:, None]
    >>> best_thresholds(scores, scores > 0.2).round(2)
    array([0.26])
    """
    import numpy as np

    found = np.full(scores.shape[1], 0.5)
    for k in np.flatnonzero(labels.any(0)):
        best, count = _best_threshold(scores[:, k].astype(np.float64), labels[:, k])
        logit = np.log(best / (1 - best)) * count / (count + FEW)
        found[k] = 1 / (1 + np.exp(-logit))
    return found


def _best_threshold(
    scores: "NDArray[np.float64]", labels: "NDArray[np.bool_]"
) -> tuple[float, int]:
    """The threshold with the best F1, within what a logit can tell from 0 and 1, and how many
    images have the class.
    """
    import numpy as np

    descending = np.argsort(-scores, kind="stable")
    ordered, hits = scores[descending], labels[descending]
    f1 = 2 * hits.cumsum() / (np.arange(1, len(hits) + 1) + hits.sum())
    below = np.append(ordered[1:], ordered[-1:])
    last = ordered != below  # images of one score are found together
    last[-1] = True
    place = np.where(last, f1, 0).argmax()
    middle = (ordered[place] + below[place]) / 2
    return float(np.clip(middle, 1e-6, 1 - 1e-6)), int(hits.sum())
