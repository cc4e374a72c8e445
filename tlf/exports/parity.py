"""Real images of a run and what the run said about them: what an export has to agree with."""

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
"""Images that an export is compared on; they are spread over the eval split."""


@dataclass(frozen=True)
class Sample:
    """Images of the eval split."""

    images: Tensor
    """(N, C, S, S) as the model takes them."""
    labels: Tensor
    """(N, …), as the task has them."""
    probabilities: Tensor
    """(N, K) from the run's predictions.csv."""
    task: Task

    def difference(self, probabilities: Tensor) -> float:
        """The largest difference between a probability and what the run said."""
        return float((probabilities - self.probabilities).abs().max())

    def evaluate(self, probabilities: Tensor) -> dict[str, float]:
        """Metric → figure of such probabilities, or of the run's own."""
        return self.task.evaluate(probabilities, self.labels)


def read_sample(run: Path, classifier: TrainedClassifier) -> Sample:
    """Read images of a run's eval split, and what it said about them.

    Raises:
        RunError: the run has no predictions.
        DataError: its images are no longer there.
    """
    rows = _rows(run / "predictions.csv")
    split = find_splits(read_plan(run / "recipe.toml")).eval
    place = {name: index for index, name in enumerate(split.names)}
    if gone := [row["path"] for row in rows if row["path"] not in place]:
        raise DataError(
            f"{gone[0]} is no longer where the run found it, and {len(gone) - 1} more; an export "
            "is checked on the run's own images"
        )
    labels = classifier.labels
    figures = [[float(row[f"p_{label}"]) for label in labels] for row in rows]
    return Sample(
        images=classifier.prepare([split.read(place[row["path"]]) for row in rows]),
        labels=torch.tensor([labels.index(row["label"]) for row in rows]),
        probabilities=torch.tensor(figures),
        task=TASKS[classifier.task],
    )


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise RunError(f"there is no {path}; an export is checked against it")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    step = max(1, -(-len(rows) // AT_MOST))
    return rows[::step]
