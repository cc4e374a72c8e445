"""Eval images of a run and its own predictions on them: what an export must agree with."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tlf.errors import DataError, RunError
from tlf.inference.classifier import TrainedClassifier
from tlf.recipe.plan import find_splits, read_plan
from tlf.tasks import TASKS, Task

AT_MOST = 256
"""The most images to compare; they are spread over the eval split."""


@dataclass(frozen=True)
class Sample:
    """Images of the eval split, with the run's predictions."""

    images: Tensor
    """(N, C, S, S), prepared for the model."""
    labels: Tensor
    """(N, …), in the form of the task."""
    probabilities: Tensor
    """(N, K) from the run's predictions.csv."""
    task: Task

    def difference(self, probabilities: Tensor) -> float:
        """The largest difference from a probability of the run."""
        return float((probabilities - self.probabilities).abs().max())

    def evaluate(self, probabilities: Tensor) -> dict[str, float]:
        """Metric → its value for these probabilities."""
        return self.task.evaluate(probabilities, self.labels)


def read_sample(run: Path, classifier: TrainedClassifier) -> Sample:
    """Read images of a run's eval split, and the run's predictions on them.

    Raises:
        RunError: the run has no predictions.csv.
        DataError: images of the run are missing.
    """
    rows = _rows(run / "predictions.csv")
    split = find_splits(read_plan(run / "recipe.toml")).eval
    index_of = {name: index for index, name in enumerate(split.names)}
    if missing := [row["path"] for row in rows if row["path"] not in index_of]:
        raise DataError(
            f"{len(missing)} of the run's eval images are missing, such as {missing[0]}; put them "
            "back: an export is compared with the run on its own images"
        )
    labels = classifier.labels
    probabilities = [[float(row[f"p_{label}"]) for label in labels] for row in rows]
    return Sample(
        images=classifier.prepare([split.read(index_of[row["path"]]) for row in rows]),
        labels=torch.tensor([labels.index(row["label"]) for row in rows]),
        probabilities=torch.tensor(probabilities),
        task=TASKS[classifier.task],
    )


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise RunError(
            f"there is no {path}, with which an export is compared; write the folder of a run "
            "that has ended"
        )
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    step = max(1, -(-len(rows) // AT_MOST))
    return rows[::step]
