"""Logistic probes of each size of a draw, judged on the images that the draw holds out."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlf.checks.probe import limited_threads
from tlf.studies.judged import Judged
from tlf.studies.learning_curve.draws import Draw
from tlf.studies.linear_probe import compact, held_out_scores, logistic_probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def probe_sizes(
    rows: "NDArray[np.float32]", judged: Judged, draws: Sequence[Draw], sizes: Sequence[int]
) -> "Iterator[Floats]":
    """For each draw: what each held-out image counts at each size, class by class (S, H, C), as
    ``Task.per_class`` has it: whether it was classified correctly, for example.

    Parameters:
        rows: (N, D), the embeddings of the judged images.
        judged: the images.
        draws: what to train on, and what to judge by.
        sizes: numbers of train images.
    """
    points = compact(rows)
    for draw in draws:
        with limited_threads():
            yield _per_class(points, judged, draw, sizes)


def _per_class(points: "Floats", judged: Judged, draw: Draw, sizes: Sequence[int]) -> "Floats":
    train, held_out = _nested(points[draw.train], points[draw.held_out])
    task, known, truth = judged.task, judged.labels[draw.train], judged.labels[draw.held_out]
    found = []
    for size in sizes:
        wide = min(size, train.shape[1])
        scores = held_out_scores(
            logistic_probe, task, train[:size, :wide], known[:size], held_out[:, :wide]
        )
        found.append(task.per_class(scores, truth))
    return np.stack(found)


def _nested(train: "Floats", held_out: "Floats") -> "tuple[Floats, Floats]":
    """The same rows on axes of which the first n span the first n train rows. A penalised probe of
    n rows has its weights in their span, so n axes give the same probe, and sooner.
    """
    axes, coordinates = np.linalg.qr(train[: train.shape[1]].T)
    rest = train[train.shape[1] :] @ axes
    return np.concatenate([coordinates.T, rest]), held_out @ axes
