"""Predictions: one record for each image, and CSV tables of them."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import nlargest
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.errors import WeightsError
from tlf.runtime.text import printable
from tlf.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor

    from tlf.inference.calibrated import Calibrated
    from tlf.inference.train_images import Nearest, TrainImages


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image."""

    label: str
    """The most probable class."""
    probability: float
    """The probability of that class."""
    probabilities: Mapping[str, float] = field(repr=False)
    """Class → probability, in the order of the logits; they sum to 1."""
    path: str | None = None
    """The path of the image, if it was given by path."""
    kept: tuple[str, ...] | None = None
    """The labels that are probable enough to be kept, the best first: the true one is among them at
    the rate of the run's ``coverage``. None where the model's file has no threshold."""
    unlike: bool | None = None
    """Whether the image is unlike all train images. None where that is not known or not asked."""
    nearest: tuple["Nearest", ...] = field(default=(), repr=False)
    """The train images that are most similar to it, if they were asked for."""

    @property
    def unsure(self) -> bool:
        """Whether not exactly one label is kept: several are probable enough, or none is."""
        return self.kept is not None and len(self.kept) != 1

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, ``count`` at most.

        >>> Prediction("ant", 0.6, {"bee": 0.3, "ant": 0.6, "fly": 0.1}).top(2)
        [('ant', 0.6), ('bee', 0.3)]
        """
        return nlargest(count, self.probabilities.items(), key=itemgetter(1))


def predictions(
    paths: Sequence[str | None],
    probabilities: "Tensor",
    classes: Sequence[str],
    task: Task,
    calibrated: "Calibrated | None" = None,
) -> Iterator[Prediction]:
    """One prediction for each image. ``probabilities``: (N, K).

    Raises:
        WeightsError: the model gives a probability that is not finite.
    """
    labels = task.predicted(probabilities).tolist()
    for path, label, row in zip(paths, labels, probabilities.tolist(), strict=True):
        for figure in row:
            if not isfinite(figure):
                raise WeightsError(
                    f"the probabilities of {path or 'an image'} must be finite, got {figure}: "
                    "the model's weights are too large, or not finite; name another run"
                )
        by_class, name = dict(zip(classes, row, strict=True)), task.names(label, classes)
        kept = None if calibrated is None else calibrated.kept(by_class)
        yield Prediction(name, by_class[name], by_class, path, kept)


def compared(
    predictions: Iterable[Prediction], embeddings: "Tensor", images: "TrainImages", nearest: int
) -> Iterator[Prediction]:
    """The predictions for images, which are compared with the train images.

    Parameters:
        predictions: one for each image.
        embeddings: of the images (N, F).
        images: the train images.
        nearest: how many of them each prediction names.
    """
    similarities = images.similarities(embeddings)
    unlike, near = images.unlike(similarities), images.nearest(similarities, nearest)
    for one, alone, names in zip(predictions, unlike, near, strict=True):
        yield replace(one, unlike=alone, nearest=names)


def row(prediction: Prediction, label: str | None = None) -> dict[str, str]:
    """A prediction as a row of a table. ``label``: the true class, if it is known.

    Control characters in names are escaped. A name that begins with ``=``, ``+``, ``-`` or ``@``
    stays as it is: a program must find the image by it. A spreadsheet would take it for a formula,
    so import the table as text there.

    >>> row(Prediction("ant", 0.75, {"ant": 0.75, "bee": 0.25}, "a.jpg"), label="bee")
    {'path': 'a.jpg', 'label': 'bee', 'predicted': 'ant', 'p_ant': '0.750000', 'p_bee': '0.250000'}
    """
    return {
        "path": printable(prediction.path or ""),
        **({} if label is None else {"label": printable(label)}),
        "predicted": printable(prediction.label),
        **{
            _column(name): f"{probability:.6f}"
            for name, probability in prediction.probabilities.items()
        },
        **doubts(prediction),
    }


def doubts(prediction: Prediction) -> dict[str, str]:
    """What a run can say of doubts and of train images, as columns of a table. A set of labels is a
    JSON list, as labels may hold any character.

    >>> doubts(Prediction("ant", 0.5, {}, kept=("ant", "bee"), unlike=False))
    {'unsure': '["ant", "bee"]', 'unlike': ''}
    """
    found: dict[str, str] = {}
    if prediction.kept is not None:
        labels = [printable(name) for name in prediction.kept]
        found["unsure"] = json.dumps(labels, ensure_ascii=False) if prediction.unsure else ""
    if prediction.unlike is not None:
        found["unlike"] = "yes" if prediction.unlike else ""
    for place, near in enumerate(prediction.nearest, 1):
        end = "" if place == 1 else f"_{place}"
        found |= {
            f"nearest{end}": printable(near.name),
            f"nearest_label{end}": printable(near.label),
            f"similarity{end}": f"{near.similarity:.6f}",
        }
    return found


def _column(name: str) -> str:
    """The column of a class's probabilities."""
    return f"p_{printable(name)}"


def write_csv(
    path: Path,
    names: Sequence[str],
    probabilities: "Tensor",
    classes: Sequence[str],
    labels: "Tensor",
    task: Task,
) -> None:
    """Write the predictions for labelled images as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = ["path", "label", "predicted", *map(_column, classes)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        records = predictions(names, probabilities, classes, task)
        for prediction, label in zip(records, labels.tolist(), strict=True):
            writer.writerow(row(prediction, task.names(label, classes)))
