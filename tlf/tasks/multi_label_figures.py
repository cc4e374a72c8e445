"""Figures of images that have several labels, as scikit-learn defines them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW = 3
"""The threshold of a class that so many images have is drawn half way to 0.5. Of 0, 3 and 10, 3 had
the best mean F1 on other images, over classes of 1 to 200 images, with calibrated scores and with
scores that are too high."""

USELESS = 0.1
"""A class whose best F1 is lower keeps the threshold 0.5: its scores do not rank its images, and
the best threshold gives the class to nearly every image."""

_AT_ONCE = 64
"""Classes whose columns are copied together."""


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
    for k, own, present in _classes(scores, labels):
        above, right, _ = _found(own, present)
        found[k] = (right / above).mean()
    return found


def average_precision_shares(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "Iterator[tuple[int, NDArray[np.float64]]]":
    """Each class that some image has, and what each image counts for its average precision (N,):
    their mean is the figure of ``average_precisions``, and their spread says how it varies with the
    images, as that of right and wrong answers does for accuracy.

    An image counts the figure, and what one more such image would add to it, in proportion: the
    values of the infinitesimal jackknife. The precisions at the n images of a class vary by
    √(n / (n - 1)) more around their mean than it says, as in an unbiased variance.

    Source: Jaeckel 1972, "The infinitesimal jackknife"; Efron 1982, "The jackknife, the bootstrap
    and other resampling plans", chapter 6. DeLong et al. 1988 do the same for the area under a
    ROC curve.

    Parameters:
        scores: of N images (N, K).
        labels: whether each image has each class (N, K).

    >>> import numpy as np
    >>> scores, labels = np.array([[0.9], [0.8], [0.7]]), np.array([[True], [False], [True]])
    >>> [(k, shares.mean().round(4)) for k, shares in average_precision_shares(scores, labels)]
    [(0, np.float64(0.8333))]
    """
    import numpy as np

    for k, own, present in _classes(scores, labels):
        above, right, hits = _found(own, present)
        precision, count = right / above, len(hits)
        found = precision.mean()
        unbiased = np.sqrt(count / (count - 1)) if count > 1 else 1.0
        # An image moves the precision at every image of the class whose score is not higher.
        reached = np.searchsorted(hits, own, side="right")
        one_more = np.append(0, np.cumsum(1 / above))[reached] * present
        one_above = np.append(0, np.cumsum(precision / above))[reached]
        at = precision[np.minimum(np.searchsorted(hits, own), count - 1)]
        around = np.where(present, unbiased * (at - found), 0)
        yield k, found + len(own) / count * (one_more - one_above + around)


def shares_by_class(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    """The same (N, K); NaN for a class that no image has."""
    import numpy as np

    found = np.full(scores.shape, np.nan)
    for k, shares in average_precision_shares(scores, labels):
        found[:, k] = shares
    return found


def mean_shares(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "NDArray[np.float64]":
    """What each image counts for the mean over the classes that some image has (N,)."""
    import numpy as np

    total, classes = np.zeros(len(labels)), 0
    for _, shares in average_precision_shares(scores, labels):
        total += shares
        classes += 1
    return total / max(1, classes)


def defined_mean(figures: "NDArray[np.float64]") -> float:
    """The mean of those that are numbers; 0 where none is.

    >>> import numpy as np
    >>> defined_mean(np.array([0.5, np.nan, 1.0])), defined_mean(np.array([np.nan]))
    (0.75, 0.0)
    """
    defined = figures[figures == figures]
    return float(defined.mean()) if len(defined) else 0.0


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
    logit is multiplied by n / (n + 3), so that it is drawn to 0.5, and 0.5 where n is 0, or where
    the best F1 is below 0.1.

    Source: one threshold for each class, but where its F1 is low, Yang 2001, "A study of
    thresholding strategies for text categorization", SIGIR (SCutFBR, which then gives the class to
    the first image alone); what draws it to 0.5 is measured, see ``FEW``.

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
    for k, own, present in _classes(scores, labels):
        best, f1 = _best_threshold(own.astype(np.float64), present)
        if f1 < USELESS:
            continue
        best, count = np.clip(best, 1e-6, 1 - 1e-6), present.sum()
        logit = np.log(best / (1 - best)) * count / (count + FEW)
        found[k] = 1 / (1 + np.exp(-logit))
    return found


def _best_threshold(
    scores: "NDArray[np.float64]", labels: "NDArray[np.bool_]"
) -> tuple[float, float]:
    """The threshold with the best F1, and this F1. The lowest score above it is of an image of the
    class.
    """
    above, right, hits = _found(scores, labels)
    f1 = 2 * right / (above + len(hits))
    best = hits[len(hits) - 1 - f1[::-1].argmax()]
    return float(best + scores[scores < best].max(initial=0.0)) / 2, float(f1.max())


def _found(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.floating]]":
    """From the score of each image of a class on: how many images there are, and how many of the
    class; and these scores, ascending.
    """
    import numpy as np

    ordered, hits = np.sort(scores), np.sort(scores[labels])
    above = len(ordered) - np.searchsorted(ordered, hits)
    return above, len(hits) - np.searchsorted(hits, hits), hits


def _classes(
    scores: "NDArray[np.floating]", labels: "NDArray[np.bool_]"
) -> "Iterator[tuple[int, NDArray[np.floating], NDArray[np.bool_]]]":
    """Each class that some image has: its scores and labels. Columns are copied some at a time,
    which reads memory in its order.
    """
    for first in range(0, scores.shape[1], _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        for k, (own, present) in enumerate(
            zip(scores[:, part].T.copy(), labels[:, part].T.copy(), strict=True), start=first
        ):
            if present.any():
                yield k, own, present
