"""What a file with preprocessing gives for an image, and what its metadata says."""

import json

import torch
from torch import Tensor, nn

from tlf.exports.formats import Source
from tlf.inference.metadata import Metadata
from tlf.runtime.strict_json import dumps
from tlf.tasks import TASKS


class Outputs(nn.Module):
    """Logits (1, K) of an image → its probabilities (K,) and what is predicted; and, where the
    model has a temperature, the probabilities with it.

    What is predicted is what the task says: the index of a class, or for each class whether its
    probability is at least its threshold (K,).
    """

    thresholds: Tensor | None

    def __init__(self, metadata: Metadata) -> None:
        """Take the task, the thresholds and the temperature of a model."""
        super().__init__()
        self.task, calibrated = TASKS[metadata.task], metadata.calibration
        self.temperature = None if calibrated is None else calibrated.temperature
        limits = metadata.thresholds
        self.register_buffer("thresholds", None if limits is None else torch.tensor(limits))

    def forward(self, logits: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the order of ``output_names``."""
        probabilities = self.task.probabilities(logits)
        found = [probabilities, self.task.predicted(probabilities, self.thresholds)]
        if self.temperature is not None:
            found.append(self.task.probabilities(logits / self.temperature))
        return tuple(one[0] for one in found)


def output_names(metadata: Metadata) -> list[str]:
    """The names of the outputs."""
    temperature = [] if metadata.calibrated is None else ["calibrated"]
    return ["probabilities", "predicted", *temperature]


def about(source: Source) -> str:
    """The metadata of a file with preprocessing: that of one without it, and that it has some."""
    return dumps(json.loads(source.about) | {"with_preprocessing": True})
