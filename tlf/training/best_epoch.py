"""Which epoch is the best, and when a phase stops early: pure functions of the results so far."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from torch import Tensor

from tlf.model import Classifier, restore_tensors
from tlf.recipe.schema import EarlyStopping
from tlf.results import EpochResult, merit, rank
from tlf.training.evaluation import Predictions


def better(monitor: str, result: EpochResult, other: EpochResult) -> bool:
    """Whether ``result`` is better than ``other`` by the monitored metric. A lower loss is better.

    Any tie is not better, so the earlier epoch wins it.
    """
    return rank(result, monitor) > rank(other, monitor)


def newest_is_best(monitor: str, history: Sequence[EpochResult], chosen: int | None) -> bool:
    """Whether the last epoch is the best of its phase.

    ``chosen`` is the epoch that a plugin's ``tlf_select_best`` selected, or None.
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
    """The best epoch so far, and the model's tensors after it."""

    result: EpochResult
    tensors: dict[str, Tensor]
    """The tensors that may differ from the loaded weights, on the host, where there is more memory
    than on a GPU. All others are as they were loaded."""
    predictions: Predictions

    def load_into(self, classifier: Classifier) -> None:
        """Load the tensors of this epoch into the model."""
        restore_tensors(classifier, self.tensors)


def copies(classifier: Classifier, names: Container[str]) -> dict[str, Tensor]:
    """Copies of the named tensors of a model, on the host."""
    own = classifier.state_dict()
    return {
        name: tensor.detach().to("cpu", copy=True) for name, tensor in own.items() if name in names
    }
