"""Logistic probes of each size of a draw, judged on the images that the draw holds out."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlf.studies.judged import Judged
from tlf.studies.learning_curve.draws import Draw
from tlf.studies.linear_probe import compact, logistic_probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def probe_sizes(
    rows: "NDArray[np.float32]", judged: Judged, draws: Sequence[Draw], sizes: Sequence[int]
) -> "Iterator[Floats]":
    """For each draw: whether each held-out image was classified correctly, at each size (S, H).

    Parameters:
        rows: (N, D), the embeddings of the judged images.
        judged: the images.
        draws: what to train on, and what to judge by.
        sizes: numbers of train images.
    """
    from threadpoolctl import threadpool_limits

    points, labels = compact(rows), judged.labels
    for draw in draws:
        with threadpool_limits(1):  # as probes of folds: products are small
            yield _right(points, labels, draw, sizes)


def _right(
    points: "Floats", labels: "NDArray[np.int64]", draw: Draw, sizes: Sequence[int]
) -> "Floats":
    train, held_out = _nested(points[draw.train], points[draw.held_out])
    known, truth = labels[draw.train], labels[draw.held_out]
    right = np.empty((len(sizes), len(truth)), np.float64)
    for place, size in enumerate(sizes):
        wide = min(size, train.shape[1])
        probe = logistic_probe().fit(train[:size, :wide], known[:size])
        right[place] = probe.predict(held_out[:, :wide]) == truth
    return right


def _nested(train: "Floats", held_out: "Floats") -> "tuple[Floats, Floats]":
    """The same rows on axes of which the first n span the first n train rows. A penalised probe of
    n rows has its weights in their span, so n axes give the same probe, and sooner.
    """
    axes, coordinates = np.linalg.qr(train[: train.shape[1]].T)
    rest = train[train.shape[1] :] @ axes
    return np.concatenate([coordinates.T, rest]), held_out @ axes
