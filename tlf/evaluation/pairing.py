"""The predictions of two models on the same images, brought into the same order."""

import numpy as np

from tlf.data.splits import listed
from tlf.errors import RunError
from tlf.metrics.predicted import Predicted


def paired(one: Predicted, other: Predicted) -> tuple[Predicted, Predicted]:
    """Two models on the images that both have classified, in the order of the first one's images
    and classes.

    Raises:
        RunError: they have other classes, or no image in common.
    """
    if odd := sorted({*one.classes} ^ {*other.classes}):
        raise RunError(
            f"two models must have the same classes to be compared, and only one has {listed(odd)};"
            " evaluate each by itself"
        )
    row_of = {name: row for row, name in enumerate(other.names)}
    rows = [row for row, name in enumerate(one.names) if name in row_of]
    if not rows:
        raise RunError("two models must have classified the same images to be compared, got none")
    columns = [other.classes.index(name) for name in one.classes]
    others = [row_of[one.names[row]] for row in rows]
    return _part(one, rows, range(len(columns))), _part(other, others, columns)


def _part(predicted: Predicted, rows: "list[int]", columns: "range | list[int]") -> Predicted:
    """Some rows, with the columns in another order."""
    place = np.empty(len(predicted.classes), dtype=np.int64)
    place[list(columns)] = np.arange(len(predicted.classes))
    return Predicted(
        tuple(predicted.names[row] for row in rows),
        place[predicted.labels[rows]],
        predicted.probabilities[np.ix_(rows, list(columns))],
        tuple(predicted.classes[column] for column in columns),
    )
