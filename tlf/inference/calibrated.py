"""How sure a model is: what its predictions on images have shown that it was not trained on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from tlf.tasks import Task

MOST = 10_000
"""The temperature comes from so many images at most, evenly chosen: more change it by little."""

MOST_DECISIONS = 1_000_000
"""And from so many decisions, where the task makes several about each image."""


@dataclass(frozen=True)
class Calibrated:
    """The calibration of a model."""

    temperature: float
    """What logits are divided by, so that probabilities are as high as the rate of right
    predictions. The probabilities that are shown are not changed by it."""
    coverage: float
    """How often the label of an image is among those that are kept."""
    threshold: float | None
    """The least probability of a label that is kept, without temperature; None: there are too few
    images for the coverage, or an image has any number of labels."""
    source: str
    """Where its images come from: ``eval`` is the eval split, by which the best epoch was chosen,
    too; ``calibration`` are train images that were held out; ``out-of-fold`` are all train images,
    each classified by a head that was not trained on it."""
    images: int
    """How many they are."""
    thresholds: tuple[float, ...] | None = None
    """The probability from which on each class is predicted, in the order of the classes; None
    where the task has no such thresholds. They are of probabilities without temperature."""

    def as_json(self) -> dict[str, Any]:
        """As a model's file holds it: without thresholds where there are none."""
        about = asdict(self)
        return {key: value for key, value in about.items() if (key, value) != ("thresholds", None)}

    def kept(self, probabilities: Mapping[str, float]) -> tuple[str, ...] | None:
        """The labels that are probable enough, the best first; None where that is not known.

        >>> Calibrated(1.0, 0.9, 0.25, "eval", 80).kept({"ant": 0.3, "bee": 0.6, "fly": 0.1})
        ('bee', 'ant')
        """
        if self.threshold is None:
            return None
        inside = [name for name, figure in probabilities.items() if figure >= self.threshold]
        return tuple(sorted(inside, key=lambda name: -probabilities[name]))


def calibrate(
    task: "Task",
    logits: "Tensor",
    probabilities: "Tensor",
    labels: "Tensor",
    coverage: float,
    source: str,
) -> Calibrated:
    """Calibrate a model by images that it was not trained on.

    Parameters:
        task: what it was trained for.
        logits: what it gives for them (N, K).
        probabilities: the same as probabilities.
        labels: of the images (N, …), as the task has them.
        coverage: how often the label is to be among those that are kept.
        source: where the images come from.
    """
    from tlf.metrics.conformal import threshold
    from tlf.metrics.temperature import fit_temperature

    own = task.own_probabilities(probabilities, labels)
    least = None if own is None else threshold(own.numpy(), coverage)
    each = len(task.choices(logits[:1], labels[:1])[1])
    step = max(-(-len(labels) // MOST), -(-len(labels) * each // MOST_DECISIONS))
    among, chosen = task.choices(logits[::step], labels[::step])
    temperature = fit_temperature(among.numpy(), chosen.numpy())
    thresholds = task.thresholds(probabilities, labels)
    return Calibrated(temperature, coverage, least, source, len(labels), thresholds)
