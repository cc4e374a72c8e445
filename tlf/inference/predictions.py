"""What a model thinks of images: a record of each, and tables of them."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tlf.tasks import Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """What a classifier thinks of one image."""

    label: str
    """The class that it most probably shows."""
    probability: float
    """Of that class."""
    probabilities: Mapping[str, float]
    """Class → probability, in the order of the logits; they sum to 1."""
    path: str | None = None
    """The image's, where it was given by path."""


def predictions(
    paths: Sequence[str | None], probabilities: "Tensor", classes: Sequence[str], task: Task
) -> Iterator[Prediction]:
    """One prediction for each image. ``probabilities``: (N, K)."""
    labels = task.predicted(probabilities).tolist()
    for path, label, row in zip(paths, labels, probabilities.tolist(), strict=True):
        figures, name = dict(zip(classes, row, strict=True)), task.names(label, classes)
        yield Prediction(name, figures[name], figures, path)


def row(prediction: Prediction, label: str | None = None) -> dict[str, str]:
    """A prediction as a line of a table; ``label`` is what the image really shows.

    >>> row(Prediction("ant", 0.75, {"ant": 0.75, "bee": 0.25}, "a.jpg"), label="bee")
    {'path': 'a.jpg', 'label': 'bee', 'predicted': 'ant', 'p_ant': '0.750000', 'p_bee': '0.250000'}
    """
    return {
        "path": prediction.path or "",
        **({} if label is None else {"label": label}),
        "predicted": prediction.label,
        **{f"p_{name}": f"{figure:.6f}" for name, figure in prediction.probabilities.items()},
    }


def write_csv(
    path: Path,
    names: Sequence[str],
    probabilities: "Tensor",
    classes: Sequence[str],
    labels: "Tensor",
    task: Task,
) -> None:
    """Write the rows of labelled images."""
    with path.open("w", encoding="utf-8", newline="") as file:
        columns = ["path", "label", "predicted", *(f"p_{label}" for label in classes)]
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        found = predictions(names, probabilities, classes, task)
        for prediction, label in zip(found, labels.tolist(), strict=True):
            writer.writerow(row(prediction, task.names(label, classes)))
