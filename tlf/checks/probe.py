"""How probable is each label of an image to a probe that has not seen it? Logistic regression on
embeddings, trained on the other folds.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

    classes = int(labels.max()) + 1
    scores = np.empty((len(rows), classes), np.float64)
    fold = _folds(labels, groups, seed)
    for number in range(FOLDS):
        held_out = fold == number
        weights, bias = _fitted(rows[~held_out], labels[~held_out], classes)
        scores[held_out] = _log_probabilities(rows[held_out] @ weights + bias)
    return _calibrated(scores, labels)


def _fitted(
    rows: "NDArray[np.float32]", labels: "NDArray[np.int64]", classes: int
) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """The weights (D, K) and the biases (K,) of a logistic regression, the latter not penalised.

    It is scikit-learn's ``LogisticRegression``, whose import would take longer than all fits to a
    few hundred images. As there, the score of the first of two classes is 0.
    """
    import numpy as np
    from scipy.optimize import minimize

    count, dimensions = rows.shape
    free = slice(1 if classes == 2 else 0, classes)
    penalty = 1 / (_INVERSE_PENALTY * count)
    each = np.arange(count)

    def filled(parameters: "NDArray[np.float64]") -> "NDArray[np.float32]":
        both = np.zeros((dimensions + 1, classes), np.float32)
        both[:, free] = parameters.reshape(dimensions + 1, -1)
        return both

    def loss(parameters: "NDArray[np.float64]") -> "tuple[float, NDArray[np.float32]]":
        both = filled(parameters)
        weights = both[:-1]
        scores = _log_probabilities(rows @ weights + both[-1])
        value = -scores[each, labels].mean() + penalty / 2 * (weights**2).sum()
        error = np.exp(scores, out=scores)
        error[each, labels] -= 1
        slope = np.concatenate([rows.T @ error, error.sum(0)[None]]) / count
        slope[:-1] += penalty * weights
        return float(value), slope[:, free].ravel()

    start = np.zeros((dimensions + 1, classes))[:, free].ravel()
    limits = {"maxiter": 200, "maxls": 50, "gtol": 1e-3, "ftol": 64 * np.finfo(float).eps}
    found = filled(minimize(loss, start, method="L-BFGS-B", jac=True, options=limits).x)
    return found[:-1], found[-1]


def _log_probabilities(scores: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Of scores (N, K), which are overwritten."""
    import numpy as np

    scores -= scores.max(1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(1, keepdims=True))
    return scores


def _folds(
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
