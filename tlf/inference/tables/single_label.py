"""Tables of images with one label each."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlf.inference.prediction import Prediction
from tlf.inference.tables.damaged import Damaged
from tlf.metrics.predicted import Predicted

if TYPE_CHECKING:
    from array import array

    from tlf.inference.calibrated import Calibrated

COLUMNS = ("label", "predicted")
"""The columns of the label, and of what a model predicts."""

TYPECODE = "q"
"""An index fits NumPy's int64."""


def truth(label: int, classes: Sequence[str]) -> Mapping[str, str]:
    """The label of an image under its column."""
    return {COLUMNS[0]: classes[label]}


def answer(label: int, classes: Sequence[str], _probabilities: object) -> Mapping[str, str]:
    """The class that is predicted, under its column."""
    return {COLUMNS[1]: classes[label]}


def prediction(
    path: str | None, by_class: Mapping[str, float], label: int, calibrated: "Calibrated | None"
) -> Prediction:
    """The prediction of the class with an index."""
    name = [*by_class][label]
    kept = None if calibrated is None else calibrated.kept(by_class)
    return Prediction(name, by_class[name], by_class, path, kept)


def parsed(cell: str, index: Mapping[str, int]) -> tuple[int]:
    """The index of the class that a cell names.

    Raises:
        ValueError: it names none.
    """
    if cell not in index:
        raise ValueError(f"must name classes that have a column, got {cell!r}")
    return (index[cell],)


def predicted(
    names: Sequence[str],
    labels: "array[int]",
    said: "array[int]",
    figures: "array[float]",
    classes: tuple[str, ...],
) -> Predicted:
    """The predictions of a table. ``said``: what it says is predicted.

    Raises:
        Damaged: probabilities do not sum to 1, or another class is more probable.
    """
    probabilities = np.frombuffer(figures).reshape(-1, len(classes))
    found = Predicted(names, np.frombuffer(labels, np.int64), probabilities, classes)
    _check_probabilities(found)
    _restore_order(found, said)
    return found


def _check_probabilities(found: Predicted) -> None:
    """Each row has numbers from 0 to 1, whose sum is 1 but for what rounding explains."""
    sums = found.probabilities.sum(1)
    rounded = 1e-3 + len(found.classes) * 1e-6
    right = (found.probabilities.min(1) >= 0) & (np.abs(sums - 1) <= rounded)
    if not right.all():
        wrong = int(right.argmin())
        told = f"must have probabilities from 0 to 1 whose sum is 1, got the sum {sums[wrong]:g}"
        raise Damaged(wrong, told)


def _restore_order(found: Predicted, said: "array[int]") -> None:
    """Let the predicted class be the first of the most probable ones also where six decimals made
    several of them equal: its probability is raised by the least amount.
    """
    for image in np.flatnonzero(found.predicted != np.frombuffer(said, np.int64)).tolist():
        figures, best = found.probabilities[image], said[image]
        if figures[best] < figures.max():
            told = f"must predict its most probable class, got {found.classes[best]!r}"
            raise Damaged(image, told)
        figures[best] = np.nextafter(figures[best], 2)
