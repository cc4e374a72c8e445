"""Epochs that were the best so far, and the model as it was then."""

from collections.abc import Container
from dataclasses import dataclass

from torch import Tensor

from tlf.learning.evaluation import Predictions
from tlf.model import Classifier
from tlf.results import EpochResult


@dataclass(frozen=True)
class Kept:
    """An epoch that was the best so far, and the model as it was then."""

    result: EpochResult
    tensors: dict[str, Tensor]
    """Those that may differ from what was loaded; all others never did."""
    predictions: Predictions

    def put_back(self, classifier: Classifier) -> None:
        """Make the model what it was."""
        classifier.load_state_dict(self.tensors, strict=False)


def copied(classifier: Classifier, names: Container[str]) -> dict[str, Tensor]:
    """Copies of the tensors of a model that have these names."""
    own = classifier.state_dict()
    return {name: tensor.detach().clone() for name, tensor in own.items() if name in names}
