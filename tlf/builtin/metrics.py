"""Metrics beside top-1: probabilities (N, K) and labels (N,) → one number."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BalancedAccuracy:
    """The mean of the recalls of all classes that have eval images: a rare class counts as much as
    a frequent one.
    """

    title = "bal. acc."
    higher_is_better = True
    is_rate = True
    tasks = ("single-label",)

    def measure(self, probabilities: "Tensor", labels: "Tensor") -> float:
        """The mean recall."""
        right, support, _ = _counts(probabilities, labels)
        known = support > 0
        return float((right[known] / support[known]).mean())


@dataclass(frozen=True)
class MacroF1:
    """The mean of the F1 of all classes that have eval images or are predicted: a rare class counts
    as much as a frequent one.
    """

    title = "macro-F1"
    higher_is_better = True
    is_rate = True
    tasks = ("single-label",)

    def measure(self, probabilities: "Tensor", labels: "Tensor") -> float:
        """The mean F1."""
        right, support, predicted = _counts(probabilities, labels)
        both = support + predicted
        known = both > 0
        return float((2 * right[known] / both[known]).mean())


@dataclass(frozen=True)
class Top5:
    """The fraction of images whose label is one of the five most probable classes."""

    title = "top-5"
    higher_is_better = True
    is_rate = True
    tasks = ("single-label",)

    def measure(self, probabilities: "Tensor", labels: "Tensor") -> float:
        """The fraction."""
        if (classes := probabilities.shape[1]) <= 5:
            raise ValueError(f"top5 needs more than 5 classes, got {classes}; leave it out")
        best = probabilities.topk(5, dim=1).indices
        return float((best == labels[:, None]).any(1).double().mean())


def _counts(probabilities: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor", "Tensor"]:
    """Images of each class (K,): those that are predicted rightly, all, and those that are
    predicted to be of it.
    """
    classes, predicted = probabilities.shape[1], probabilities.argmax(1)
    right = labels[predicted == labels]
    counts = (one.bincount(minlength=classes).double() for one in (right, labels, predicted))
    return tuple(counts)  # type: ignore[return-value]


@hookimpl
def tlf_metrics() -> dict[str, type]:
    """Offer them."""
    return {"balanced-accuracy": BalancedAccuracy, "macro-f1": MacroF1, "top5": Top5}
