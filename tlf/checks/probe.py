"""How probable is each label of an image to a probe that has not seen it? Logistic regression on
embeddings, trained on the other folds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.linear_model import LogisticRegression

FOLDS = 5
_INVERSE_PENALTY = 1.0
"""scikit-learn's ``C``. Of 0.3, 1, 3 and 10 it ranked planted wrong labels best, or as well as the
best; averages over three ways to fold were no better. See FINDING.md."""


def out_of_fold(
    rows: "NDArray[np.float32]",
    labels: "NDArray[np.int64]",
    groups: "NDArray[np.int64]",
    seed: int,
) -> "NDArray[np.float64]":
    """Class probabilities (N, K) of images, each by a probe that has seen none of its group.

    Parameters:
        rows: (N, D), embeddings of length 1.
        labels: (N,), from 0 to K - 1. Each class has images of at least ``FOLDS`` groups.
        groups: (N,), the number of the group that must be in one fold: copies of one picture would
            teach the probe its label.
        seed: what the folds are drawn from.
    """
    import numpy as np

    scores = np.empty((len(rows), labels.max() + 1), np.float64)
    fold = deal_folds(labels, groups, seed)
    for number in range(FOLDS):
        held_out = fold == number
        probe = logistic(_INVERSE_PENALTY)
        probe.fit(rows[~held_out], labels[~held_out])
        scores[held_out] = probe.predict_log_proba(rows[held_out])
    return _calibrated(scores, labels)


def logistic(inverse_penalty: float) -> "LogisticRegression":
    """A logistic regression that is not trained yet. ``inverse_penalty``: scikit-learn's ``C``.

    Its tolerance is scikit-learn's, 1e-4. With 1e-3, probabilities of 20,000 images were up to 0.38
    from those of a probe that is trained to the end, and with 1e-4 up to 0.04.
    """
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=inverse_penalty, max_iter=1000)


@contextmanager
def limited_threads(most: int | None = 1) -> Iterator[None]:
    """Fit probes on so many threads; None: as many as the libraries choose. Where products are
    small, more than one would wait for each other, up to 20 times as long.
    """
    import sklearn.linear_model  # noqa: F401 - what limits threads knows the libraries in use
    from threadpoolctl import threadpool_limits

    with threadpool_limits(most):
        yield


def deal_folds(
    labels: "NDArray[np.int64]", groups: "NDArray[np.int64]", seed: int
) -> "NDArray[np.int64]":
    """The fold of each image (N,): groups are dealt to folds, class by class."""
    import numpy as np

    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    drawn = np.random.default_rng(seed).permutation(len(first))
    order = drawn[np.argsort(labels[first][drawn], kind="stable")]
    dealt = np.empty(len(first), np.int64)
    dealt[order] = np.arange(len(first)) % FOLDS
    return dealt[group]


def together(files: "NDArray[np.int64]", groups: "NDArray[np.integer]") -> "NDArray[np.int64]":
    """The number of what hangs together by equal pictures and by groups (N,).

    Parameters:
        files: (N,), the same number for images of one picture.
        groups: (N,), the same number for images of one group.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, group = np.unique(groups, return_inverse=True)
    _, file = np.unique(files, return_inverse=True)
    pictures = int(file.max()) + 1
    nodes = pictures + int(group.max()) + 1
    links = coo_array((np.ones(len(file)), (file, pictures + group)), shape=(nodes, nodes))
    return np.asarray(connected_components(links, directed=False)[1][file], np.int64)


def _calibrated(
    scores: "NDArray[np.float64]", labels: "NDArray[np.int64]"
) -> "NDArray[np.float64]":
    """Probabilities of log probabilities (N, K) at the temperature that fits the labels best: a
    penalty makes probes less sure than they should be.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    def scaled(sharpness: float) -> "NDArray[np.float64]":
        sharper = scores * np.exp(sharpness)
        return np.asarray(sharper - logsumexp(sharper, axis=1, keepdims=True))

    each = np.arange(len(labels))
    best = minimize_scalar(
        lambda sharpness: -scaled(sharpness)[each, labels].mean(),
        bounds=(-3, 5),
        method="bounded",
    )
    return np.asarray(np.exp(scaled(best.x)))
