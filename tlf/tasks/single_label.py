"""One label per image: softmax, the most probable class, top-1."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.tasks.checked import check_logits, check_loss
from tlf.tasks.class_counts import ClassCounts
from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class SingleLabel:
    """Every image has one of K classes; its label is the index of that class."""

    metrics: tuple[Metric, ...] = (Metric("top1", "top-1", higher_is_better=True, is_rate=True),)
    train_metric: str = "top1"
    right_means: str = "Right: the most probable class is its label."
    default_loss: str = "cross-entropy"
    balancing_option: str = "class_weights"
    of_a_class: str = "recall"
    of_a_class_means: str = "the rate of held-out images of the class that are recognised"

    def labels(self, labels: Sequence[Any], num_classes: int) -> "Tensor":
        """Indices of N classes → (N,)."""
        import torch

        return torch.tensor(labels)

    def array(self, labels: Sequence[Any], num_classes: int) -> "NDArray[np.int64]":
        """The same in NumPy, without torch."""
        import numpy as np

        return np.array(labels, dtype=np.int64)

    def targets(self, labels: "Tensor", num_classes: int) -> "Tensor":
        """Labels (N,) → (N, K): 1 for each label, 0 elsewhere."""
        from torch.nn.functional import one_hot

        return one_hot(labels, num_classes)

    def by_class(self, labels: "Tensor", num_classes: int) -> list[list[int]]:
        """Labels (N,) → the indices of the images of each class, the lowest first."""
        import torch

        counts = labels.bincount(minlength=num_classes).tolist()
        return [part.tolist() for part in torch.split(labels.argsort(stable=True), counts)]

    def class_counts(self, labels: Sequence[Any], num_classes: int) -> ClassCounts:
        """The number of images of each class.

        >>> SingleLabel().class_counts([2, 0, 2], 4)
        [1, 0, 2, 0]
        """
        count = Counter(labels)
        return ClassCounts([count[k] for k in range(num_classes)], len(labels))

    def having(self, labels: "NDArray[Any]", k: int) -> "NDArray[np.bool_]":
        """Which images are of a class (N,)."""
        import numpy as np

        return np.asarray(labels == k)

    def strata(self, labels: Sequence[Any]) -> Sequence[int]:
        """Each image's class."""
        return labels

    def guesses(self, counts: ClassCounts) -> "tuple[Tensor, ...]":
        """Every class is as probable as any other, or as frequent as in the train split."""
        import torch

        return torch.zeros(len(counts)), torch.tensor(counts).clamp_min(1).log()

    def among(self, labels: Sequence[Any], classes: Sequence[int]) -> Mapping[int, int]:
        """Position of each image of these classes → the index of its class among them.

        >>> SingleLabel().among([2, 0, 1], classes=[1, 2])
        {0: 1, 2: 0}
        """
        numbers = {label: number for number, label in enumerate(classes)}
        return {i: numbers[label] for i, label in enumerate(labels) if label in numbers}

    def names(self, label: Any, classes: Sequence[str]) -> str:  # noqa: ANN401 - an index
        """The name of a label's class."""
        return str(classes[label])

    def named(self, name: str) -> tuple[str, ...]:
        """The class itself."""
        return (name,)

    def label(self, name: str, classes: Sequence[str]) -> int:
        """The index of a class.

        >>> SingleLabel().label("bee", ["ant", "bee"])
        1
        """
        return list(classes).index(name)

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Logits (N, K) → (N, K); each row sums to 1."""
        return logits.softmax(1)

    def predicted(self, probabilities: "Tensor", thresholds: "Tensor | None" = None) -> "Tensor":
        """Probabilities (N, K) → the most probable classes (N,). There are no thresholds."""
        return probabilities.argmax(1)

    def choices(self, logits: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
        """One for each image."""
        return logits, labels

    def own_probabilities(self, probabilities: "Tensor", labels: "Tensor") -> "Tensor":
        """The probability of each image's class (N,)."""
        return probabilities.gather(1, labels[:, None])[:, 0]

    def thresholds(self, probabilities: "Tensor", labels: "Tensor") -> None:
        """There are none: the most probable class is predicted."""

    def correct(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Whether the class with the highest logit is the label's (N,)."""
        return logits.argmax(1) == labels

    def linear_scores(
        self,
        fitted: "Callable[[NDArray[np.int64]], NDArray[np.float64]]",
        labels: "NDArray[Any]",
        *,
        at_once: bool = False,
    ) -> "NDArray[np.float64]":
        """Those of one classifier of all classes."""
        return fitted(labels)

    def of_classes(
        self, shares: "NDArray[np.float64]", labels: "NDArray[Any]", k: int
    ) -> tuple["NDArray[np.bool_]", "NDArray[np.float64]"]:
        """Its images, and whether each is classified correctly: their mean is the recall."""
        own = self.having(labels, k)
        return own, shares[..., own, 0]

    def per_class(
        self, scores: "NDArray[np.floating]", labels: "NDArray[Any]"
    ) -> "NDArray[np.float64]":
        """Whether each image is classified correctly (N, 1)."""
        return self.per_image(scores, labels)[:, None]

    def per_image(
        self,
        scores: "NDArray[np.floating]",
        labels: "NDArray[Any]",
        among: Sequence[int] | None = None,
    ) -> "NDArray[np.float64]":
        """1 where the class with the highest score is the label's, else 0. Images are of classes
        that they are judged by.
        """
        import numpy as np

        return np.asarray(scores.argmax(1) == labels, np.float64)

    def evaluate(self, probabilities: "Tensor", labels: "Tensor") -> dict[str, float]:
        """The fraction of images whose most probable class is their label's."""
        correct = self.predicted(probabilities) == labels
        return {"top1": correct.double().mean().item()}

    def plausible(self, loss: float) -> dict[str, float]:
        """A fraction that decreases as the loss grows."""
        return {"top1": max(0.0, 1 - loss)}

    def check_classes(self, classes: Sequence[str]) -> None:
        """Any name will do."""

    def check_labels(self, labels: Sequence[Any], num_classes: int) -> None:
        """Check that each label is the index of a class.

        Raises:
            ValueError: one is not, or there is only one class.
        """
        if num_classes < 2:
            raise ValueError(f"classes must be 2 or more, got {num_classes}")
        kinds = {*map(type, labels)}
        numbers = bool not in kinds and all(hasattr(kind, "__index__") for kind in kinds)
        if not numbers or min(labels) < 0 or max(labels) >= num_classes:
            wrong = next(k for k in labels if not numbers or not 0 <= k < num_classes)
            raise ValueError(
                f"labels must be whole numbers from 0 to {num_classes - 1}, the index of a class, "
                f"got {wrong!r:.100}"
                + ('; write task = "multi-label"' if isinstance(wrong, tuple) else "")
            )

    def check_logits(self, logits: object, images: int, num_classes: int) -> None:
        """Check that a head returns one logit for each image and class.

        Raises:
            ValueError: it returns something else.
        """
        check_logits(logits, images, num_classes)

    def check_loss(self, loss: "Callable[[Tensor, Tensor], Tensor]", num_classes: int) -> None:
        """Check that a loss returns one finite number for each image, with a gradient.

        Raises:
            ValueError: it returns something else.
        """
        check_loss(loss, self.labels([0, num_classes - 1, 0], num_classes), num_classes)
