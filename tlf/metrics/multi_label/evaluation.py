"""The figures of a model on images with any number of labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.class_counts import ClassCounts, concatenated, defined_mean, ratio
from tlf.metrics.evaluation import check
from tlf.metrics.figures import Figure
from tlf.metrics.groups import count, groups_having
from tlf.metrics.multi_label.decisions import brier, calibration, gaps, nll
from tlf.metrics.multi_label.figures import MultiLabelClassFigures, MultiLabelEvaluation
from tlf.metrics.multi_label.predicted import MultiLabelPredicted
from tlf.metrics.multi_label.ranking import Ranking
from tlf.metrics.resampling import RESAMPLES, figures, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_WORK = 1_000_000_000
"""Images × classes × resamples for which average precision is computed: ten seconds of a core."""
LEAST = 200
"""Resamples at least: the ends of an interval are then quantiles of 5 resamples each."""


@dataclass(frozen=True)
class Resampled:
    """What some resamples give: a row for each of them."""

    ap: "NDArray[np.float64]"
    """(R, K)."""
    counts: ClassCounts
    means: "NDArray[np.float64]"
    """(R, 3 + bins): the means over images of exact match, NLL and Brier, and the bins' gaps."""
    images: "NDArray[np.float64]"
    """(R,): how many images are drawn."""


def evaluation(
    predicted: MultiLabelPredicted, *, resamples: int | None = None, seed: int = 0
) -> MultiLabelEvaluation:
    """Compute all figures, with 95 % intervals of a bootstrap over images; over their groups, where
    these are known.

    The same for the same seed. A figure that is not defined is None: average precision and recall
    of a class without an image, precision of a class that is never given. Averages over classes
    leave it out.

    Parameters:
        predicted: labels, probabilities, and what the model gives at its thresholds.
        resamples: of the bootstrap; None: 2,000, fewer for many images of many classes.
        seed: of the bootstrap.

    Raises:
        DataError: there is no image, or a probability is no number from 0 to 1.
    """
    check(predicted)
    images, classes = predicted.labels.shape
    resamples = resamples or resamples_for(images, classes)
    sums = Sums(predicted)
    found = sums.of(np.ones((1, images)))
    groups = count(predicted.groups)
    drawn = [sums.of(weights) for weights in resampled(images, resamples, seed, predicted.groups)]
    labels, given = predicted.labels.astype(np.int64), predicted.predicted.astype(np.int64)
    shares = predicted.labels.mean(0)
    return MultiLabelEvaluation(
        classes=predicted.classes,
        images=images,
        headline=_headline(_averages(found), [*map(_averages, drawn)], groups),
        frequency=float(shares[shares > 0].mean()) if shares.any() else 0.0,
        labels=int(labels.sum()),
        without=int((~predicted.labels.any(1)).sum()),
        per_class=tuple(_per_class(predicted, sums, found, drawn)),
        co_occurrence=labels.T @ labels,
        predicted_co_occurrence=given.T @ given,
        calibration=calibration(predicted),
        resamples=resamples,
        seed=seed,
        groups=groups,
    )


def resamples_for(images: int, classes: int) -> int:
    """How many resamples there is time for.

    >>> resamples_for(1_000, 20), resamples_for(5_000, 80), resamples_for(100_000, 500)
    (2000, 2000, 200)
    """
    return max(LEAST, min(RESAMPLES, MOST_WORK // (images * classes)))


class Sums:
    """What figures are computed of: sums over images, for resamples of them."""

    def __init__(self, predicted: MultiLabelPredicted) -> None:
        self._labels = predicted.labels.astype(np.float64)
        self._given = predicted.predicted.astype(np.float64)
        self._scores = np.column_stack(
            [predicted.exact, nll(predicted), brier(predicted), gaps(predicted)]
        )
        self._predicted = predicted

    @cached_property
    def rankings(self) -> list[Ranking]:
        """The images of each class in the order of their probabilities."""
        columns = zip(self._predicted.probabilities.T, self._predicted.labels.T, strict=True)
        return [Ranking(probabilities, labels) for probabilities, labels in columns]

    def of(self, weights: "NDArray[np.float64]") -> Resampled:
        """``weights``: (R, N)."""
        times = weights.astype(np.int32)  # half the memory to go through for each class
        return Resampled(
            np.stack([one.average_precision(times) for one in self.rankings], axis=1),
            self.counts(weights),
            self.means(weights),
            weights.sum(1),
        )

    def means(self, weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """``means`` of ``Resampled``."""
        means: NDArray[np.float64] = weights @ self._scores / weights.sum(1, keepdims=True)
        return means

    def counts(self, weights: "NDArray[np.float64]") -> ClassCounts:
        """Images of each class as label, as prediction, as both."""
        both = self._labels * self._given
        support, given, right = (
            (weights @ marks).astype(np.int32) for marks in (self._labels, self._given, both)
        )
        return ClassCounts(support, given, right)


def of_probabilities(
    predicted: MultiLabelPredicted, *, resamples: int | None = None, seed: int = 0
) -> Mapping[str, Figure]:
    """``nll``, ``brier`` and ``ece`` alone, as ``evaluation`` has them. No class is ranked, which
    takes nearly all of its time.

    Raises:
        DataError: there is no image, or a probability is no number from 0 to 1.
    """
    check(predicted)
    resamples = resamples or resamples_for(*predicted.labels.shape)
    sums, images = Sums(predicted), len(predicted)
    found = _of_means(sums.means(np.ones((1, images))))
    drawn = [
        _of_means(sums.means(weights))
        for weights in resampled(images, resamples, seed, predicted.groups)
    ]
    groups = count(predicted.groups)
    return _headline(found, drawn, groups)


def _headline(
    values: "Mapping[str, NDArray[np.float64]]",
    blocks: "Sequence[Mapping[str, NDArray[np.float64]]]",
    groups: int | None,
) -> Mapping[str, Figure]:
    """The headline figures. NLL may be above 1."""
    resamples = {name: np.concatenate([block[name] for block in blocks])[None] for name in values}
    most = dict.fromkeys(values, 1.0) | {"nll": np.inf}
    return {
        name: figures(value, resamples[name], most[name], groups=groups)[0]
        for name, value in values.items()
    }


def _averages(of: Resampled) -> "Mapping[str, NDArray[np.float64]]":
    """Each headline figure of each resample (R,)."""
    counts = of.counts
    every = ClassCounts(*(_sum(one) for one in (counts.support, counts.predicted, counts.right)))
    unequal = every.support + every.predicted - 2 * every.right
    return {
        "map": defined_mean(of.ap),
        "macro_f1": defined_mean(counts.f1),
        "micro_f1": every.f1[:, 0],
        "macro_precision": defined_mean(counts.precision),
        "macro_recall": defined_mean(counts.recall),
        "micro_precision": every.precision[:, 0],
        "micro_recall": every.recall[:, 0],
        "exact_match": of.means[:, 0],
        "hamming_loss": ratio(unequal, of.images[:, None] * of.ap.shape[1])[:, 0],
        **_of_means(of.means),
    }


def _of_means(means: "NDArray[np.float64]") -> "Mapping[str, NDArray[np.float64]]":
    """The figures of probabilities, of each resample (R,)."""
    return {"nll": means[:, 1], "brier": means[:, 2], "ece": np.abs(means[:, 3:]).sum(1)}


def _sum(counts: "NDArray[np.int32 | np.int64]") -> "NDArray[np.int64]":
    total: NDArray[np.int64] = counts.sum(1, keepdims=True, dtype=np.int64)
    return total


def _per_class(
    predicted: MultiLabelPredicted, sums: Sums, found: Resampled, drawn: Sequence[Resampled]
) -> Iterator[MultiLabelClassFigures]:
    """The figures of each class."""
    counts, resamples = found.counts, concatenated([one.counts for one in drawn])
    limits = predicted.thresholds or (None,) * len(predicted.classes)
    having = given = None  # in how many groups a class is a label, or is given
    if predicted.groups is not None:
        having = groups_having(predicted.labels, predicted.groups)
        given = groups_having(predicted.predicted, predicted.groups)
    for name, support, said, threshold, ap, precision, recall, f1, ranking in zip(
        predicted.classes,
        counts.support[0].tolist(),
        counts.predicted[0].tolist(),
        limits,
        figures(found.ap[0], np.concatenate([one.ap for one in drawn]).T, groups=having),
        figures(counts.precision[0], resamples.precision.T, groups=given),
        figures(counts.recall[0], resamples.recall.T, groups=having),
        figures(counts.f1[0], resamples.f1.T, groups=having),
        sums.rankings,
        strict=True,
    ):
        yield MultiLabelClassFigures(
            name, support, said, threshold, ap, precision, recall, f1, ranking.curve()
        )
