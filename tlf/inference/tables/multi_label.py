"""Tables of images with any number of labels: cells are JSON lists, as names hold any character."""

import json
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from tlf.inference.prediction import MultiLabelPrediction
from tlf.inference.tables.damaged import Damaged
from tlf.metrics.multi_label.predicted import MultiLabelPredicted

if TYPE_CHECKING:
    from array import array

    from numpy.typing import NDArray

    from tlf.inference.calibrated import Calibrated

COLUMNS = ("labels", "predicted_labels")
"""The columns of the labels, and of what a model predicts."""

TYPECODE = "b"
"""A mark takes a byte, as NumPy's bool does."""


def truth(label: Sequence[int], classes: Sequence[str]) -> Mapping[str, list[str]]:
    """The labels of an image under their column. ``label``: a mark for each class."""
    return {COLUMNS[0]: [name for name, mark in zip(classes, label, strict=True) if mark]}


def answer(
    label: Sequence[bool], classes: Sequence[str], probabilities: Sequence[float]
) -> Mapping[str, list[str]]:
    """The classes that have a mark, the most probable first, under their column."""
    return {COLUMNS[1]: _given(label, classes, probabilities)}


def _given(
    label: Sequence[bool], classes: Iterable[str], probabilities: Iterable[float]
) -> list[str]:
    each = zip(label, classes, probabilities, strict=True)
    given = [(name, figure) for mark, name, figure in each if mark]
    return [name for name, _ in sorted(given, key=itemgetter(1), reverse=True)]


def prediction(
    path: str | None,
    by_class: Mapping[str, float],
    label: Sequence[bool],
    _calibrated: "Calibrated | None",
) -> MultiLabelPrediction:
    """The prediction of the classes that have a mark."""
    labels = tuple(_given(label, by_class, by_class.values()))
    best = max(by_class, key=by_class.__getitem__)
    return MultiLabelPrediction(best, by_class[best], by_class, path, labels=labels)


def parsed(cell: str, index: Mapping[str, int]) -> list[int]:
    """A mark for each class: whether a cell names it.

    >>> parsed('["ant", "fly"]', {"ant": 0, "bee": 1, "fly": 2})
    [1, 0, 1]

    Raises:
        ValueError: it is no list of different classes.
    """
    try:
        names = json.loads(cell)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'must have labels as a JSON list, such as ["ant", "bee"], got {cell!r}')
    for name in names:
        if name not in index:
            raise ValueError(f"must name classes that have a column, got {name!r}")
    if len({*names}) < len(names):
        raise ValueError(f"must name each class of an image once, got {cell!r}")
    marks = [0] * len(index)
    for name in names:
        marks[index[name]] = 1
    return marks


def predicted(
    names: Sequence[str],
    labels: "array[int]",
    said: "array[int]",
    figures: "array[float]",
    classes: tuple[str, ...],
) -> MultiLabelPredicted:
    """The predictions of a table. ``said``: what it says is predicted.

    Raises:
        Damaged: a probability is none; or no threshold of a class explains what is predicted.
    """
    k = len(classes)
    probabilities, given = np.frombuffer(figures).reshape(-1, k), _marks(said, k)
    _check_probabilities(probabilities)
    _check_thresholds(probabilities, given, classes)
    return MultiLabelPredicted(names, _marks(labels, k), probabilities, classes, given)


def _marks(cells: "array[int]", classes: int) -> "NDArray[np.bool_]":
    """(N, K): whether each image has each class."""
    return np.frombuffer(cells, np.bool_).reshape(-1, classes)


def _check_probabilities(rows: "NDArray[np.float64]") -> None:
    right = ((rows >= 0) & (rows <= 1)).all(1)
    if not right.all():
        wrong = int(right.argmin())
        least, most = rows[wrong].min(), rows[wrong].max()
        raise Damaged(wrong, f"must have probabilities from 0 to 1, got {least:g} to {most:g}")


def _check_thresholds(
    rows: "NDArray[np.float64]", given: "NDArray[np.bool_]", classes: Sequence[str]
) -> None:
    """A class is predicted from its threshold on: no image without it is as probable as one with
    it.
    """
    least = rows.min(0, where=given, initial=np.inf)
    above = np.argwhere((rows >= least) & ~given)
    if len(above):
        image, k = above[0].tolist()
        told = (
            f"must predict {classes[k]!r}, whose probability {rows[image, k]:g} is at least that "
            f"of an image to which it is given, {least[k]:g}"
        )
        raise Damaged(image, told)
