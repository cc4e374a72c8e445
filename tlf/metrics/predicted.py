"""Labelled images, and what a model made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.errors import DataError
from tlf.metrics.multi_label.predicted import MultiLabelPredicted, unlike
from tlf.tasks import TASKS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlf.metrics.comparison import Comparison
    from tlf.metrics.figures import Evaluation


@dataclass(frozen=True)
class Predicted:
    """The probabilities that a model gave to N labelled images, for K classes."""

    names: Sequence[str]
    """The names of the images, as the dataset has them."""
    labels: "NDArray[np.int64]"
    """(N,): the index of each image's class in ``classes``."""
    probabilities: "NDArray[np.float64]"
    """(N, K)."""
    classes: tuple[str, ...]
    """Class names in the order of the columns."""
    groups: "NDArray[np.integer] | None" = None
    """(N,): the same number for images that belong together; None: that is not known."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def predicted(self) -> "NDArray[np.int64]":
        """(N,): the index of the most probable class; the first one of equal probabilities."""
        best: NDArray[np.int64] = self.probabilities.argmax(1)
        return best

    @property
    def per_image(self) -> "NDArray[np.float64]":
        """(N,): what each image counts for the main metric: whether the model is right."""
        return TASKS["single-label"].per_image(self.probabilities, self.labels)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The class of each image."""
        return tuple(self.classes[label] for label in self.labels)

    def evaluation(self) -> "Evaluation":
        """The figures of these predictions."""
        from tlf.metrics.evaluation import evaluation

        return evaluation(self)

    def with_thresholds(self, _find: object) -> "Predicted":
        """The same: the most probable class is predicted."""
        return self

    def compare(self, other: "AnyPredicted") -> "Comparison":
        """Another model on the same images.

        Raises:
            DataError: it gives images any number of labels; or images, labels or classes differ.
        """
        from tlf.metrics.comparison import compare

        if not isinstance(other, Predicted):
            raise unlike()
        return compare(self, other)


def single_label(predicted: "AnyPredicted") -> Predicted:
    """The same, where each image has one label.

    Raises:
        DataError: images have any number.
    """
    if not isinstance(predicted, Predicted):
        raise DataError("images must have one label each, got any number; name another run")
    return predicted


def predicted_of(
    names: Sequence[str],
    labels: "NDArray[np.integer]",
    probabilities: "NDArray[np.float64]",
    classes: tuple[str, ...],
    said: "NDArray[Any]",
    thresholds: tuple[float, ...] | None,
    groups: "NDArray[np.integer] | None" = None,
) -> "AnyPredicted":
    """Labels that are the index of a class (N,), or marks (N, K), with what a model made of them.

    ``said``: what it predicts, in the same form; ``thresholds``: of each class, of marks;
    ``groups``: (N,), the number of each image's group, where that is known.
    """
    if labels.ndim == 1:
        return Predicted(names, labels.astype("int64"), probabilities, classes, groups)
    marks, given = labels.astype("bool"), said.astype("bool")
    return MultiLabelPredicted(names, marks, probabilities, classes, given, thresholds, groups)


AnyPredicted = Predicted | MultiLabelPredicted
"""Images with one label each, or with any number. Both give their figures in the same way."""
