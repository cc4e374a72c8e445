"""Selective prediction: what answering only the images that a model is sure of gives, and costs."""

from collections.abc import Sequence
from dataclasses import dataclass

from tlf.metrics.predicted import Predicted

LIMITS = tuple(n / 100 for n in range(100))
"""Limits of the highest probability, as people choose them."""


@dataclass(frozen=True)
class Answered:
    """What happens where only images are answered whose highest probability is above a limit."""

    above: float
    """The limit. Images that are exactly at it are answered, too."""
    images: int
    """How many are answered."""
    right: int
    """How many of them are predicted as their label says."""
    of: int
    """All images."""

    @property
    def share(self) -> float | None:
        """The share of images that is answered; None without an image."""
        return self.images / self.of if self.of else None

    @property
    def accuracy(self) -> float | None:
        """The share of the answered images that is right; None where none is answered."""
        return self.right / self.images if self.images else None


def answering(predicted: Predicted, limits: Sequence[float] = LIMITS) -> tuple[Answered, ...]:
    """What each limit of the highest probability gives.

    >>> import numpy as np
    >>> sure = np.array([[0.9, 0.1], [0.6, 0.4]])
    >>> labels = np.array([0, 1])
    >>> two = Predicted(("a", "b"), labels, sure, ("ant", "bee"))
    >>> [(one.images, one.right) for one in answering(two, [0.0, 0.7, 0.95])]
    [(2, 1), (1, 1), (0, 0)]
    """
    import numpy as np

    highest = predicted.probabilities.max(1) if len(predicted) else np.zeros(0)
    right = predicted.predicted == predicted.labels
    order = np.argsort(highest)
    first = np.searchsorted(highest[order], limits)
    # How many of the surest images are right.
    sums = np.concatenate([[0], np.cumsum(right[order][::-1])])
    counts = len(predicted) - first
    return tuple(
        Answered(float(limit), int(count), int(sums[count]), len(predicted))
        for limit, count in zip(limits, counts, strict=True)
    )
