"""Which classes are taken for which: a matrix whose cells lead to their images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlf.metrics.figures import Evaluation
from tlf.metrics.predicted import Predicted
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.report import Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = 30
"""Up to this number of classes, the matrix has all of them."""
WORST = 20
"""Of more classes, it has those with the most errors; all others are one."""
PAIRS = 10
"""The most confused pairs that are listed."""
OTHER = "o"
"""What addresses of the page call all other classes."""


@dataclass(frozen=True)
class Pair:
    """A class whose images are taken for those of another."""

    cell: str
    """What addresses of the page call it: label, prediction."""
    label: str
    predicted: str
    images: int
    share: float
    """Of the images with that label."""


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix."""

    cell: str
    images: int
    share: float | None
    """Of the images of its row; None where the row has none."""
    right: bool
    """Whether it holds right predictions only."""
    name: str
    """What it is called for somebody who does not see where it stands."""


def panel(report: Report) -> Panel:
    """The most confused pairs, and the matrix."""
    predicted = report.predicted
    shown = shown_classes(predicted)
    whole = len(shown) == len(predicted.classes)
    names = [predicted.classes[i] for i in shown] + ([] if whole else ["other"])
    ids = [*map(str, shown), *([] if whole else [OTHER])]
    counts = matrix(predicted, shown)
    return Panel(
        "confusion",
        "Confusion",
        render(
            "confusion.html",
            pairs=[*pairs(report.evaluation)],
            names=names,
            rows=[(name, [*_row(counts, names, ids, i)]) for i, name in enumerate(names)],
            total=len(predicted.classes),
            whole=whole,
        ),
        {"shown": [*shown]},
    )


def shown_classes(predicted: Predicted) -> Sequence[int]:
    """The classes that the matrix has, in their order: all, or those with the most errors."""
    classes = len(predicted.classes)
    if classes <= WHOLE:
        return range(classes)
    wrong = predicted.predicted != predicted.labels
    errors = sum(
        np.bincount(of[wrong], minlength=classes) for of in (predicted.labels, predicted.predicted)
    )
    return sorted(np.argsort(-errors, kind="stable")[:WORST].tolist())


def matrix(predicted: Predicted, shown: Sequence[int]) -> "NDArray[np.int64]":
    """Label × prediction of the shown classes, and of all others together, where there are any."""
    size = len(shown) + (len(shown) < len(predicted.classes))
    place = np.full(len(predicted.classes), len(shown))
    place[[*shown]] = np.arange(len(shown))
    cells = place[predicted.labels] * size + place[predicted.predicted]
    return np.bincount(cells, minlength=size * size).reshape(size, size)


def pairs(evaluation: Evaluation) -> Iterator[Pair]:
    """The most confused pairs of a label and a prediction, by the number of images."""
    for label, other, images in evaluation.most_confused(PAIRS):
        yield Pair(
            f"{label},{other}",
            evaluation.classes[label],
            evaluation.classes[other],
            images,
            images / evaluation.per_class[label].support,
        )


def _row(
    counts: "NDArray[np.int64]", names: Sequence[str], ids: Sequence[str], row: int
) -> Iterator[Cell]:
    total = int(counts[row].sum())
    for column, images in enumerate(counts[row].tolist()):
        right = row == column and ids[row] != OTHER
        yield Cell(
            cell=f"{ids[row]},{ids[column]}",
            images=images,
            share=images / total if total else None,
            right=right,
            name=f"{names[row]} predicted as {names[column]}",
        )
