"""Probes: linear classifiers of embeddings, each judged on images that it has not seen.

The same folds serve every backbone, so that differences are paired.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from tlf.checks.probe import FOLDS, deal_folds, logistic
from tlf.components import Split
from tlf.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

PROBES = ("logistic", "ridge")
"""The kinds of probes. The first decides: a head is trained by the same loss."""

REPEATS = 10
"""So many times the images are dealt to folds."""
_MANY = 2000
"""Of more images, two ways to deal them say enough, and probes take their time."""

_INVERSE_PENALTY = 100.0
"""scikit-learn's ``C``, for embeddings of mean squared length 1. On photographs of ants and bees,
with weights of ImageNet and of drawings, no other power of ten from 1 to 10⁴ was better by more
than half a point."""
_PENALTIES = np.logspace(-3, 2, 6)
"""Of ridge regression. Each probe takes the one with the least leave-one-out error."""


@dataclass(frozen=True)
class Judged:
    """The images that probes are judged on, and how they are dealt to folds."""

    images: "Integers"
    """(N,), their indices in the train split."""
    labels: "Integers"
    """(N,), from 0, of the classes that are judged."""
    classes: tuple[str, ...]
    folds: "Integers"
    """(repeats, N)."""
    left_out: Mapping[str, int]
    """Class with too few images → its different images."""


def equal_files(split: Split) -> "Integers":
    """The number of the first image with the same bytes (N,)."""
    first: dict[bytes, int] = {}
    digests = (sha256(split.read(index)).digest() for index in range(len(split)))
    return np.array([first.setdefault(digest, index) for index, digest in enumerate(digests)])


def judged_images(
    labels: "Integers",
    groups: "Integers",
    classes: "Sequence[str]",
    seed: int,
    repeats: int | None = None,
) -> Judged:
    """Deal the images of all classes that have enough of them.

    Parameters:
        labels: (N,), of the train split.
        groups: (N,), the number of a group that has to be in one fold: equal files.
        classes: the names of the classes.
        seed: what the folds are drawn from.
        repeats: how many times the images are dealt; None: as probes need it.

    Raises:
        DataError: fewer than two classes have enough images.
    """
    different = [len(np.unique(groups[labels == each])) for each in range(len(classes))]
    large = np.flatnonzero(np.array(different) >= FOLDS)
    if len(large) < 2:
        counts = ", ".join(f"{n} of {name!r}" for name, n in zip(classes, different, strict=True))
        raise DataError(
            f"a study needs at least 2 classes with {FOLDS} different train images each, one for "
            f"each fold, got {counts:.300}; add images"
        )
    images = np.flatnonzero(np.isin(labels, large))
    known = np.searchsorted(large, labels[images])
    repeats = repeats or (REPEATS if len(images) <= _MANY else 2)
    folds = [deal_folds(known, groups[images], seed + number) for number in range(repeats)]
    small = {classes[n]: count for n, count in enumerate(different) if n not in large}
    names = tuple(classes[n] for n in large.tolist())
    return Judged(images, known, names, np.stack(folds), small)


def probe_rows(rows: "NDArray[np.float32]", judged: Judged, kind: str) -> "Iterator[Floats]":
    """For each way to deal the images: whether each one was classified correctly (N,) when it was
    held out.

    Parameters:
        rows: (N, D), the embeddings of the judged images.
        judged: the images.
        kind: one of ``PROBES``.
    """
    points = compact(rows)
    for fold in judged.folds:
        yield _right(points, judged.labels, fold, kind)


def _right(rows: "Floats", labels: "Integers", fold: "Integers", kind: str) -> "Floats":
    from threadpoolctl import threadpool_limits

    right = np.empty(len(rows), np.float64)
    # Products are small: more threads would wait for each other, up to 20 times as long.
    with threadpool_limits(1):
        for part in range(FOLDS):
            held_out = fold == part
            probe = _new_probe(kind).fit(rows[~held_out], labels[~held_out])
            right[held_out] = probe.predict(rows[held_out]) == labels[held_out]
    return right


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


def _new_probe(kind: str) -> Any:  # noqa: ANN401 - scikit-learn has no types
    if kind == "logistic":
        return logistic(_INVERSE_PENALTY)
    from sklearn.linear_model import RidgeClassifierCV

    return RidgeClassifierCV(alphas=_PENALTIES)
