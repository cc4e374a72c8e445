"""What every task answers."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tlf.tasks.class_counts import ClassCounts
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Task(Protocol):
    """What a model is trained for.

    Letters for shapes: N images, K classes. A label is what ``Split.labels`` holds for an image;
    ``labels`` turns N of them into a tensor (N, …).
    """

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics of an evaluation beside the loss. The first is the main one."""

    @property
    def train_metric(self) -> str:
        """The metric that is the mean of ``correct``. It is known of train images, too."""

    @property
    def right_means(self) -> str:
        """When an image counts as correct, in a sentence for a person: ``Right: …``."""

    @property
    def default_loss(self) -> str:
        """The loss of a recipe that names none."""

    @property
    def balancing_option(self) -> str:
        """The option of its losses that lets rare classes count more."""

    @property
    def of_a_class(self) -> str:
        """What the figure of one class is called, where ``of_classes`` says how well it is
        recognised.
        """

    @property
    def of_a_class_means(self) -> str:
        """What that says, for a person."""

    def labels(self, labels: Sequence[Any], num_classes: int) -> "Tensor":
        """Labels of N images → (N, …)."""

    def array(self, labels: Sequence[Any], num_classes: int) -> "NDArray[Any]":
        """The same in NumPy, without torch."""

    def targets(self, labels: "Tensor", num_classes: int) -> "Tensor":
        """Labels (N, …) → class probabilities (N, K), for augmentations that mix images."""

    def by_class(self, labels: "Tensor", num_classes: int) -> list[list[int]]:
        """Labels (N, …) → the indices of the images of each class. Images of no class, where labels
        may name none, follow as one class more.
        """

    def class_counts(self, labels: Sequence[Any], num_classes: int) -> ClassCounts:
        """The number of images of each class."""

    def having(self, labels: "NDArray[Any]", k: int) -> "NDArray[np.bool_]":
        """Which images have a class (N,). ``labels``: as ``array`` gives them."""

    def strata(self, labels: Sequence[Any]) -> Sequence[Hashable]:
        """The group of each image. Of every group, the same part is dealt into a fold, or held
        out, so that each class is in all of them.
        """

    def guesses(self, counts: ClassCounts) -> "tuple[Tensor, ...]":
        """Logits (K,) that are the same for all images: of no knowledge, and of how many train
        images have each class.
        """

    def among(self, labels: Sequence[Any], classes: Sequence[int]) -> Mapping[int, Any]:
        """Position of each image that is of these classes only → its label, where they alone are
        numbered, in this order.
        """

    def names(self, label: Any, classes: Sequence[str]) -> str:  # noqa: ANN401 - the task's own
        """A label for a person."""

    def named(self, name: str) -> tuple[str, ...]:
        """The classes that ``names`` has put into a name, whether or not there are such classes."""

    def label(self, name: str, classes: Sequence[str]) -> Any:  # noqa: ANN401 - the task's own
        """The label that a person calls by this name: the opposite of ``names``.

        Raises:
            ValueError: there is no such class.
        """

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Logits (N, K) → probabilities (N, K)."""

    def predicted(self, probabilities: "Tensor", thresholds: "Tensor | None" = None) -> "Tensor":
        """Probabilities (N, K) → predictions (N, …), which equal the labels where they are right.
        ``thresholds``: of each class (K,), where the task has such.
        """

    def choices(self, logits: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
        """The decisions about N images as choices of one among several, which a temperature is
        fitted to: their logits (M, …), and the index of the right one (M,).
        """

    def own_probabilities(self, probabilities: "Tensor", labels: "Tensor") -> "Tensor | None":
        """The probability of each image's label (N,), which the threshold of ``coverage`` comes
        from; None where an image has not exactly one.
        """

    def thresholds(self, probabilities: "Tensor", labels: "Tensor") -> tuple[float, ...] | None:
        """The probability from which on each class is best predicted; None where predictions do
        not go by thresholds.
        """

    def correct(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Whether each image is classified as its label says (N,): logits (N, K), labels (N, …).
        Their mean is the ``train_metric``. Nothing is read from the device.
        """

    def linear_scores(
        self,
        fitted: "Callable[[NDArray[np.int64]], NDArray[np.float64]]",
        labels: "NDArray[Any]",
        *,
        at_once: bool = False,
    ) -> "NDArray[np.float64]":
        """The score of each class for other images (M, K), by linear classifiers of N images.

        Parameters:
            fitted: the class of each image (N,) → the scores (M, C) of a classifier that was fitted
                to them, where C is one more than the highest class.
            labels: of the N images, as ``array`` gives them.
            at_once: ``fitted`` also takes marks of several classes (N, K), and gives (M, K).
        """

    def of_classes(
        self, shares: "NDArray[np.float64]", labels: "NDArray[Any]", k: int
    ) -> tuple["NDArray[np.bool_]", "NDArray[np.float64]"]:
        """What says how well one class is recognised: of which images (N,), and what each of these
        counts (…, M). ``shares``: of ``per_class`` (…, N, C).
        """

    def per_class(
        self, scores: "NDArray[np.floating]", labels: "NDArray[Any]"
    ) -> "NDArray[np.float64]":
        """What each image counts for the main metric, class by class (N, C): ``per_image`` is the
        mean over C of what is a number. C is 1 where an image counts for its own class only.
        """

    def per_image(
        self,
        scores: "NDArray[np.floating]",
        labels: "NDArray[Any]",
        among: Sequence[int] | None = None,
    ) -> "NDArray[np.float64]":
        """What each image counts for the main metric (N,): their mean is the figure, and their
        spread says how it varies with the images. So two models are compared image by image.

        Parameters:
            scores: of N images, logits or probabilities (N, K).
            labels: as ``array`` gives them.
            among: the classes that the images are judged by, where these are not all.
        """

    def evaluate(self, probabilities: "Tensor", labels: "Tensor") -> dict[str, float]:
        """Metric → figure, over all images: probabilities (N, K), labels (N, …)."""

    def plausible(self, loss: float) -> dict[str, float]:
        """Metric → a figure that fits this loss. With it, policies are asked about epochs that are
        not trained yet.
        """

    def check_classes(self, classes: Sequence[str]) -> None:
        """Check that a label can be told by ``names``.

        Raises:
            ValueError: a class has a name that stands for something else.
        """

    def check_labels(self, labels: Sequence[Any], num_classes: int) -> None:
        """Check that a dataset fits the task. Torch is not imported.

        Raises:
            ValueError: a label is not what the task defines.
        """

    def check_logits(self, logits: object, images: int, num_classes: int) -> None:
        """Check that a head fits the task.

        Raises:
            ValueError: its logits for N images are not (N, K), or not finite.
        """

    def check_loss(self, loss: "Callable[[Tensor, Tensor], Tensor]", num_classes: int) -> None:
        """Check that a loss fits the task: it returns one finite number for each image, and has a
        gradient.

        Raises:
            ValueError: it returns something else.
        """
