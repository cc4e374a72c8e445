"""The figures of a model on labelled images."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlf.errors import DataError
from tlf.metrics.class_counts import ClassCounts, Confusions, concatenated, defined_mean
from tlf.metrics.curves import precision_recall, roc
from tlf.metrics.figures import ClassFigures, Evaluation, Figure
from tlf.metrics.groups import count, groups_of_classes
from tlf.metrics.image_scores import TOP, brier, calibration, gaps, in_top, nll
from tlf.metrics.predicted import AnyPredicted, Predicted
from tlf.metrics.resampling import RESAMPLES, figures, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSES_AT_ONCE = 500


def evaluation(predicted: Predicted, *, resamples: int = RESAMPLES, seed: int = 0) -> Evaluation:
    """Compute all figures, with 95 % intervals of a bootstrap over images; over their groups, where
    these are known.

    The same for the same seed. A figure that is not defined is None: recall of a class without an
    image, precision of a class that is never predicted. Averages over classes leave it out.

    Raises:
        DataError: there is no image, or a probability is no number from 0 to 1.
    """
    check(predicted)
    pairs = Confusions(len(predicted.classes), predicted.labels, predicted.predicted)
    scores = _scores(predicted)[pairs.order]
    counts, headline = _sums(np.ones((1, len(predicted))), pairs, scores)
    groups = None if predicted.groups is None else predicted.groups[pairs.order]
    number = count(groups)
    drawn = [
        _sums(weights, pairs, scores)
        for weights in resampled(len(predicted), resamples, seed, groups)
    ]
    majority = int(counts.support[0].argmax())
    return Evaluation(
        classes=predicted.classes,
        images=len(predicted),
        headline=_headline(headline, [block for _, block in drawn], number),
        majority_class=predicted.classes[majority],
        majority=float(counts.support[0, majority] / len(predicted)),
        per_class=tuple(_per_class(predicted, counts, concatenated([block for block, _ in drawn]))),
        confusion=_confusion(predicted),
        calibration=calibration(predicted),
        roc=roc(predicted),
        precision_recall=precision_recall(predicted),
        resamples=resamples,
        seed=seed,
        groups=number,
    )


def check(predicted: AnyPredicted) -> None:
    """Figures are computed of at least one image, and of probabilities only.

    Raises:
        DataError: there is no image, or a probability is no number from 0 to 1.
    """
    if not len(predicted):
        raise DataError("predictions must be of at least one image, got none; name other data")
    rows = predicted.probabilities
    probable = (rows >= 0) & (rows <= 1 + 1e-6)  # float32 rounds; NaN is neither
    if not probable.all():
        image, column = np.argwhere(~probable)[0]
        raise DataError(
            f"the probabilities of {predicted.names[image]} must be numbers from 0 to 1, got "
            f"{rows[image, column]} for {predicted.classes[column]}: the model's weights are too "
            "large or not finite, or its output is no probability; name another model"
        )


def _scores(predicted: Predicted) -> "NDArray[np.float64]":
    """(N, 3 + bins): what is averaged over images."""
    return np.column_stack([nll(predicted), brier(predicted), in_top(predicted), gaps(predicted)])


def _sums(
    weights: "NDArray[np.float64]",
    pairs: Confusions,
    scores: "NDArray[np.float64]",
) -> "tuple[ClassCounts, Mapping[str, NDArray[np.float64]]]":
    """The counts and the headline figures of each resample."""
    (counts,) = pairs.counts(weights)
    images = weights.sum(1)
    means = weights @ scores / images[:, None]
    recall = defined_mean(counts.recall)
    return counts, {
        "top1": counts.right.sum(1) / images,
        **({"top5": means[:, 2]} if counts.right.shape[1] > TOP else {}),
        "balanced_accuracy": recall,
        "macro_precision": defined_mean(counts.precision),
        "macro_recall": recall,
        "macro_f1": defined_mean(counts.f1),
        "nll": means[:, 0],
        "brier": means[:, 1],
        "ece": np.abs(means[:, 3:]).sum(1),
    }


def _headline(
    values: "Mapping[str, NDArray[np.float64]]",
    blocks: "Sequence[Mapping[str, NDArray[np.float64]]]",
    groups: int | None,
) -> Mapping[str, Figure]:
    """The headline figures. NLL and Brier may be above 1."""
    drawn = {name: np.concatenate([block[name] for block in blocks])[None] for name in values}
    most = dict.fromkeys(values, 1.0) | {"nll": np.inf, "brier": np.inf}
    return {
        name: figures(value, drawn[name], most[name], groups=groups)[0]
        for name, value in values.items()
    }


def _per_class(
    predicted: Predicted, counts: ClassCounts, drawn: ClassCounts
) -> Iterator[ClassFigures]:
    """The figures of each class; those of some hundred classes at once, to bound the memory."""
    names, groups = predicted.classes, predicted.groups
    having = given = None  # in how many groups a class is a label, or is predicted
    if groups is not None:
        having, given = (
            groups_of_classes(one, len(names), groups)
            for one in (predicted.labels, predicted.predicted)
        )
    for start in range(0, len(names), _CLASSES_AT_ONCE):
        some = slice(start, start + _CLASSES_AT_ONCE)
        found, resamples = counts.of(some), drawn.of(some)
        labelled = None if having is None else having[some]
        predictions = None if given is None else given[some]
        for name, support, said, precision, recall, f1 in zip(
            names[some],
            found.support[0].tolist(),
            found.predicted[0].tolist(),
            figures(found.precision[0], resamples.precision.T, groups=predictions),
            figures(found.recall[0], resamples.recall.T, groups=labelled),
            figures(found.f1[0], resamples.f1.T, groups=labelled),
            strict=True,
        ):
            yield ClassFigures(name, support, said, precision, recall, f1)


def _confusion(predicted: Predicted) -> "NDArray[np.int64]":
    matrix = np.zeros((len(predicted.classes),) * 2, dtype=np.int64)
    np.add.at(matrix, (predicted.labels, predicted.predicted), 1)
    return matrix
