"""Which epoch is kept, and when a phase ends early: pure functions of the results so far."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from torch import Tensor

from tlf.model import Classifier
from tlf.recipe.schema import EarlyStopping
from tlf.results import EpochResult, merit
from tlf.training.evaluation import Predictions


def better(monitor: str, result: EpochResult, other: EpochResult) -> bool:
    """Whether ``result`` is better than ``other`` by the monitored figure; a loss is better lower.

    A tie is not better: it goes to the earlier epoch.
    """
    return merit(result, monitor) > merit(other, monitor)


def newest_is_best(monitor: str, history: Sequence[EpochResult], chosen: int | None) -> bool:
    """Whether the last epoch is the one to keep of its phase.

    ``chosen`` is what a plugin selected by ``tlf_select_best``, where one did.
    """
    if chosen is not None:
        return chosen == len(history) - 1
    return all(better(monitor, history[-1], other) for other in history[:-1])


def stalled(stopping: EarlyStopping, monitor: str, history: Sequence[EpochResult]) -> bool:
    """Whether the last ``patience`` epochs did not improve by more than ``min_delta``."""
    values = [merit(result, monitor) for result in history]
    earlier, latest = values[: -stopping.patience], values[-stopping.patience :]
    return bool(earlier) and max(latest) <= max(earlier) + stopping.min_delta


@dataclass(frozen=True)
class BestEpoch:
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
