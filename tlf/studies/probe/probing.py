"""Probes: linear classifiers of embeddings, each judged on images that it has not seen.

The same folds serve every backbone, so that differences are paired.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tlf.checks.probe import FOLDS, limited_threads
from tlf.studies.judged import Judged
from tlf.studies.linear_probe import held_out_scores, logistic_probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

PROBES = ("logistic", "ridge")
"""The kinds of probes. The first decides: a head is trained by the same loss."""

REPEATS = 10
"""So many times the images are dealt to folds."""
_MANY = 2000
"""Of more images, two ways to deal them say enough, and probes take their time."""

_PENALTIES = np.logspace(-3, 2, 6)
"""Of ridge regression. Each probe takes the one with the least leave-one-out error."""


def repeats_of(images: int) -> int:
    """How many times so many images are dealt to folds."""
    return REPEATS if images <= _MANY else 2


def probe_rows(rows: "Floats", judged: Judged, kind: str) -> "Iterator[Floats]":
    """For each way to deal the images: what each one counts (N,) when it was held out: whether
    it was classified correctly, for example.

    Parameters:
        rows: the embeddings of the judged images, as ``compact`` gives them.
        judged: the images.
        kind: one of ``PROBES``.
    """
    for fold in judged.folds:
        yield _per_image(rows, judged, fold, kind)


def _per_image(rows: "Floats", judged: Judged, fold: "Integers", kind: str) -> "Floats":
    found, task, labels = np.empty(len(rows), np.float64), judged.task, judged.labels
    with limited_threads():
        for part in range(FOLDS):
            held_out = fold == part
            scores = held_out_scores(
                lambda: _new_probe(kind), task, rows[~held_out], labels[~held_out], rows[held_out],
                at_once=kind == "ridge",  # one decomposition of the rows serves all classes
            )  # fmt: skip
            found[held_out] = task.per_image(scores, labels[held_out])
    return found


def _new_probe(kind: str) -> Any:  # noqa: ANN401 - scikit-learn has no types
    if kind == "logistic":
        return logistic_probe()
    from sklearn.linear_model import RidgeClassifierCV

    return RidgeClassifierCV(alphas=_PENALTIES)
