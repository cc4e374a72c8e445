"""Images with any number of labels, and what a model made of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tlf.errors import DataError
from tlf.tasks import TASKS
from tlf.tasks.multi_label import SEPARATOR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tlf.metrics.multi_label.comparison import MultiLabelComparison
    from tlf.metrics.multi_label.figures import MultiLabelEvaluation


@dataclass(frozen=True)
class MultiLabelPredicted:
    """The probabilities that a model gave to N labelled images, for K classes."""

    names: Sequence[str]
    """The names of the images, as the dataset has them."""
    labels: "NDArray[np.bool_]"
    """(N, K): whether each image has each class as a label."""
    probabilities: "NDArray[np.float64]"
    """(N, K). They need not sum to 1."""
    classes: tuple[str, ...]
    """Class names in the order of the columns."""
    predicted: "NDArray[np.bool_]"
    """(N, K): whether the model gives the image this class: its probability is at least the
    threshold of the class."""
    thresholds: tuple[float, ...] | None = None
    """The threshold of each class; None where it is not known, as in a table."""
    groups: "NDArray[np.integer] | None" = None
    """(N,): the same number for images that belong together; None: that is not known."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def missed(self) -> "NDArray[np.bool_]":
        """(N, K): labels that the model does not give."""
        missed: NDArray[np.bool_] = self.labels & ~self.predicted
        return missed

    @property
    def wrong(self) -> "NDArray[np.bool_]":
        """(N, K): classes that the model gives, and that are no labels."""
        wrong: NDArray[np.bool_] = self.predicted & ~self.labels
        return wrong

    @property
    def exact(self) -> "NDArray[np.bool_]":
        """(N,): whether the model gives exactly the labels of the image."""
        exact: NDArray[np.bool_] = (self.labels == self.predicted).all(1)
        return exact

    @property
    def per_image(self) -> "NDArray[np.float64]":
        """(N,): what each image counts for mAP, the main metric."""
        return TASKS["multi-label"].per_image(self.probabilities, self.labels)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes of each image, sorted: models may have them in another order."""
        return tuple(
            SEPARATOR.join(sorted(self.classes[k] for k in row.nonzero()[0])) for row in self.labels
        )

    def evaluation(self) -> "MultiLabelEvaluation":
        """The figures of these predictions."""
        from tlf.metrics.multi_label.evaluation import evaluation

        return evaluation(self)

    def with_thresholds(
        self, find: Callable[[], tuple[float, ...] | None]
    ) -> "MultiLabelPredicted":
        """The same with the thresholds that explain it. ``find`` returns them."""
        return replace(self, thresholds=find())

    def compare(self, other: object) -> "MultiLabelComparison":
        """Another model on the same images.

        Raises:
            DataError: it gives each image one label; or images, labels or classes differ.
        """
        from tlf.metrics.multi_label.comparison import compare

        if not isinstance(other, MultiLabelPredicted):
            raise unlike()
        return compare(self, other)


def unlike() -> DataError:
    """The error for two models of which only one gives images any number of labels."""
    return DataError(
        "both models must have the same task, got one for a single label of each image and one for "
        "any number of labels; evaluate each by itself"
    )
