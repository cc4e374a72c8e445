"""Eval images of a run and its own predictions on them: what an export must agree with."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from tlf.components import Split
from tlf.data.inspection.readable import Inspection, manifest
from tlf.data.splits import listed
from tlf.errors import DataError, RunError
from tlf.inference.classifier import TrainedClassifier
from tlf.inference.metadata import read_metadata
from tlf.inference.model_files import recorded_eval_images
from tlf.inference.predictions import read_predictions
from tlf.recipe.plan import find_splits, read_plan
from tlf.runtime.files import with_absolute
from tlf.runtime.text import printable
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
    split: Split
    """The eval split of the run's recipe, as it is now."""
    names: Sequence[str]
    """The images that the run evaluated."""
    positions: tuple[int, ...]
    """Where the N images are in the split."""

    def difference(self, probabilities: Tensor) -> float:
        """The largest difference from a probability of the run."""
        return largest_difference(probabilities, self.probabilities)

    def evaluate(self, probabilities: Tensor) -> dict[str, float]:
        """Metric → its value for these probabilities."""
        return self.task.evaluate(probabilities, self.labels)


def read_sample(run: Path, classifier: TrainedClassifier) -> Sample:
    """Read images of a run's eval split, and the run's predictions on them.

    Raises:
        RunError: the run has no predictions.csv, or a damaged one, or that of another model.
        DataError: images of the run are missing.
    """
    table = run / "predictions.csv"
    if not table.is_file():
        raise RunError(
            f"there is no {with_absolute(table)}, with which an export is compared; write the "
            "folder of a run that has ended"
        )
    predicted = read_predictions(table)
    if predicted.classes != tuple(map(printable, classifier.labels)):
        raise RunError(
            f"{table} must have the classes of the model, {listed(classifier.labels)}, got "
            f"{listed(predicted.classes)}; write the folder of a run whose files are its own"
        )
    some = range(0, len(predicted), -(-len(predicted) // AT_MOST))
    split = find_splits(read_plan(run / "recipe.toml")).eval
    index_of = {name: index for index, name in enumerate(split.names)}
    names = [predicted.names[image] for image in some]
    if missing := [name for name in names if name not in index_of]:
        raise DataError(
            f"{len(missing)} of the run's eval images are missing, such as {missing[0]}; put them "
            "back: an export is compared with the run on its own images"
        )
    positions = tuple(index_of[name] for name in names)
    return Sample(
        images=classifier.prepare([split.read(position) for position in positions]),
        labels=torch.from_numpy(predicted.labels[some]),
        probabilities=torch.from_numpy(predicted.probabilities[some]).float(),
        task=TASKS[classifier.task],
        split=split,
        names=predicted.names,
        positions=positions,
    )


def largest_difference(one: Tensor, other: Tensor) -> float:
    """The largest difference of two probabilities."""
    return float((one - other).abs().max())


def find_change(run: Path, sample: Sample) -> str:
    """Why a run's model no longer gives its predictions, as far as the run's files tell."""
    if recorded_eval_images(run) not in (None, _manifest(sample)):
        return "eval images of the run have changed since"
    head, model = run / "head.safetensors", run / "model.safetensors"
    if head.is_file() and read_metadata(head) != read_metadata(model):
        return f"{model.name} is of another run than {head.name}"
    return (
        "the images and the weights are those of the run, so predictions.csv was changed, or tlf, "
        "a plugin or a library computes something else than in the run"
    )


def _manifest(sample: Sample) -> str:
    """SHA-256 over the eval images that the run used, as they are now."""
    used = set(sample.names)
    unused = {i: "unused" for i, name in enumerate(sample.split.names) if name not in used}
    digests = [
        b"" if index in unused else _digest(sample.split, index)
        for index in range(len(sample.split))
    ]
    return manifest(sample.split, Inspection(digests, unused))


def _digest(split: Split, index: int) -> bytes:
    """SHA-256 of an image; of nothing if it can no longer be read."""
    try:
        return sha256(split.read(index)).digest()
    except (OSError, DataError):
        return sha256().digest()
