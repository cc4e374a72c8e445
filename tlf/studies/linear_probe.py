"""The logistic probe of studies: a linear classifier of embeddings, as a head is."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tlf.checks.probe import logistic
from tlf.errors import NotFiniteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from sklearn.linear_model import LogisticRegression

    from tlf.tasks import Task

    Floats = NDArray[np.float64]

INVERSE_PENALTY = 100.0
"""scikit-learn's ``C``, for embeddings of mean squared length 1. On photographs of ants and bees,
with weights of ImageNet and of drawings, no other power of ten from 1 to 10⁴ was better by more
than half a point."""


def logistic_probe() -> "LogisticRegression":
    """A probe that is not trained yet, for rows that ``compact`` returns."""
    return logistic(INVERSE_PENALTY)


def held_out_scores(
    new: "Callable[[], Any]",
    task: "Task",
    rows: "Floats",
    labels: "NDArray[Any]",
    held_out: "Floats",
    *,
    at_once: bool = False,
) -> "Floats":
    """The score that probes give to each class of images that they have not seen (M, K).

    Parameters:
        new: makes a linear classifier of scikit-learn.
        task: what labels are.
        rows: (N, D), of the images that they are trained on.
        labels: of these images, as the task's ``array`` gives them.
        held_out: (M, D), rows of the other images.
        at_once: whether the classifier takes marks of several classes (N, K), too.
    """

    def fitted(targets: "NDArray[np.int64]") -> "Floats":
        if targets.ndim == 2:
            several: Floats = new().fit(rows, targets).decision_function(held_out)
            return several
        known = np.unique(targets)
        scores = np.full((len(held_out), max(2, int(known.max()) + 1)), -np.inf)
        if len(known) == 1:  # there is nothing to tell apart
            scores[:, known] = 0.0
            return scores
        probe = new().fit(rows, targets)
        found = probe.decision_function(held_out)
        scores[:, probe.classes_] = np.stack([-found, found], 1) if found.ndim == 1 else found
        return scores

    return task.linear_scores(fitted, labels, at_once=at_once)


def check_finite(name: str, rows: "NDArray[np.float32]") -> None:
    """Raise ``NotFiniteError`` where embeddings hold others than finite numbers.

    Parameters:
        name: of what made them.
        rows: (N, D), the embeddings.
    """
    if not np.isfinite(rows).all():
        raise NotFiniteError(
            f"features of {name} must be finite numbers, got others; write other weights or "
            'precision = "no"'
        )


def compact(rows: "NDArray[np.float32]") -> "Floats":
    """Embeddings of mean squared length 1 around their mean, in no more dimensions than there are
    images. Distances stay in proportion, so a penalised probe with an intercept is the same, and
    is trained sooner.
    """
    centred = np.asarray(rows - rows.mean(0), np.float64)
    size = float(np.sqrt((centred**2).sum(1).mean()))
    centred /= size or 1.0
    if centred.shape[0] >= centred.shape[1]:
        return centred
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left * sizes)
