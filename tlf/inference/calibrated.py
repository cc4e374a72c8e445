"""How sure a model is: what its predictions on images have shown that it was not trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

MOST = 10_000
"""The temperature comes from so many images at most, evenly chosen: more change it by little."""


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
    images for the coverage."""
    source: str
    """Where its images come from: ``eval`` is the eval split, by which the best epoch was chosen,
    too; ``calibration`` are train images that were held out; ``out-of-fold`` are all train images,
    each classified by a head that was not trained on it."""
    images: int
    """How many they are."""

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
    logits: "Tensor", probabilities: "Tensor", labels: "Tensor", coverage: float, source: str
) -> Calibrated:
    """Calibrate a model by images that it was not trained on.

    Parameters:
        logits: what it gives for them (N, K).
        probabilities: the same as probabilities.
        labels: the index of each image's class (N,).
        coverage: how often the label is to be among those that are kept.
        source: where the images come from.
    """
    from tlf.metrics.conformal import threshold
    from tlf.metrics.temperature import fit_temperature

    own = probabilities.gather(1, labels[:, None])[:, 0]
    least = threshold(own.numpy(), coverage)
    step = -(-len(labels) // MOST)
    temperature = fit_temperature(logits[::step].numpy(), labels[::step].numpy())
    return Calibrated(temperature, coverage, least, source, len(labels))
