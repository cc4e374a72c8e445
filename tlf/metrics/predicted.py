"""Labelled images, and what a model made of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tlf.metrics.multi_label.predicted import MultiLabelPredicted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlf.metrics.comparison import Comparison
    from tlf.metrics.figures import Evaluation


@dataclass(frozen=True)
class Predicted:
    """The probabilities that a model gave to N labelled images, for K classes."""

    names: tuple[str, ...]
    """The names of the images, as the dataset has them."""
    labels: "NDArray[np.int64]"
    """(N,): the index of each image's class in ``classes``."""
    probabilities: "NDArray[np.float64]"
    """(N, K)."""
    classes: tuple[str, ...]
    """Class names in the order of the columns."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def predicted(self) -> "NDArray[np.int64]":
        """(N,): the index of the most probable class; the first one of equal probabilities."""
        best: NDArray[np.int64] = self.probabilities.argmax(1)
        return best

    def evaluation(self) -> "Evaluation":
        """The figures of these predictions."""
        from tlf.metrics.evaluation import evaluation

        return evaluation(self)

    def compare(self, other: "Predicted") -> "Comparison":
        """Another model on the same images."""
        from tlf.metrics.comparison import compare

        return compare(self, other)


AnyPredicted = Predicted | MultiLabelPredicted
"""Images with one label each, or with any number. Both give their figures in the same way."""
