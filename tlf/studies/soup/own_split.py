"""What a soup makes of the eval split of its runs: what its files have to know."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from tlf.data.listing.compact import chosen
from tlf.evaluation.classify import Watch, classify
from tlf.evaluation.images import align, source_of
from tlf.evaluation.models import OwnPrecision, fast
from tlf.inference.classifier import TrainedClassifier
from tlf.metrics.predicted import AnyPredicted
from tlf.tasks import TASKS


@dataclass(frozen=True)
class OwnSplit:
    """A model on the eval split of a run."""

    predicted: AnyPredicted
    logits: Tensor
    """(N, K)."""
    features: Tensor
    """The head's input for the first image."""
    groups: Sequence[str] | None
    """The group of each image, where the recipe of the run has ``data.group``."""


@dataclass(frozen=True)
class _KeepsLogits(OwnPrecision):
    """A classifier that keeps the logits it has given."""

    given: list[Tensor] = field(default_factory=list)

    def logits(self, pixels: Sequence[Tensor]) -> Tensor:
        """Uint8 images (C, S, S) → float32 logits (B, K)."""
        found = super().logits(pixels)
        self.given.append(found)
        return found


def on_own_split(run: Path, classifier: TrainedClassifier, watch: Watch) -> OwnSplit:
    """Classify the eval split of a run with another model.

    Raises:
        DataError: its images are no longer there.
    """
    source = source_of(run, None, (), None)
    images = align(source.found, source.title, classifier.labels, TASKS[classifier.task])
    keeping = _KeepsLogits(classifier, fast(classifier).precision)
    found = classify(keeping, images, watch=watch)
    first = source.found.images.read(found.positions[0])
    with torch.inference_mode():
        features = classifier.model.features(classifier.prepare([first])).float()
    groups = source.found.images.groups
    own = None if groups is None else chosen(groups, found.positions)
    return OwnSplit(found.predicted, torch.cat(keeping.given), features, own)
