"""One label per image: softmax, the most probable class, top-1."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlf.tasks.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


@dataclass(frozen=True)
class SingleLabel:
    """Every image has one of K classes; its label is the index of that class."""

    metrics: tuple[Metric, ...] = (Metric("top1", "top-1", higher_is_better=True, is_rate=True),)

    def labels(self, labels: Sequence[Any]) -> "Tensor":
        """Indices of N classes → (N,)."""
        import torch

        return torch.tensor(labels)

    def targets(self, labels: "Tensor", num_classes: int) -> "Tensor":
        """Labels (N,) → (N, K): 1 for each label, 0 elsewhere."""
        from torch.nn.functional import one_hot

        return one_hot(labels, num_classes)

    def class_counts(self, labels: Sequence[Any], num_classes: int) -> list[int]:
        """The number of images of each class.

        >>> SingleLabel().class_counts([2, 0, 2], 4)
        [1, 0, 2, 0]
        """
        count = Counter(labels)
        return [count[k] for k in range(num_classes)]

    def names(self, label: Any, classes: Sequence[str]) -> str:  # noqa: ANN401 - an index
        """The name of a label's class."""
        return str(classes[label])

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Logits (N, K) → (N, K); each row sums to 1."""
        return logits.softmax(1)

    def predicted(self, probabilities: "Tensor") -> "Tensor":
        """Probabilities (N, K) → the most probable classes (N,)."""
        return probabilities.argmax(1)

    def evaluate(self, probabilities: "Tensor", labels: "Tensor") -> dict[str, float]:
        """The fraction of images whose most probable class is their label's."""
        correct = self.predicted(probabilities) == labels
        return {"top1": correct.double().mean().item()}

    def plausible(self, loss: float) -> dict[str, float]:
        """A fraction that decreases as the loss grows."""
        return {"top1": max(0.0, 1 - loss)}

    def check_logits(self, logits: "Tensor", num_classes: int) -> None:
        """Check that a head returns one logit for each class.

        Raises:
            ValueError: it returns something else.
        """
        shape = tuple(logits.shape)
        if len(shape) != 2 or shape[1] != num_classes:
            raise ValueError(
                f"logits must be (images, {num_classes}), one for each class, got {shape}"
            )

    def check_loss(self, loss: "Callable[[Tensor, Tensor], Tensor]", num_classes: int) -> None:
        """Check that a loss returns one number for each image.

        Raises:
            ValueError: it returns something else.
        """
        import torch

        labels = self.labels([0, num_classes - 1, 0])
        losses = loss(torch.zeros(3, num_classes), labels)
        shape = getattr(losses, "shape", None)
        if shape != (3,):
            got = type(losses).__name__ if shape is None else tuple(shape)
            advice = "" if shape is None or len(shape) else "; leave out the mean over the batch"
            raise ValueError(
                "a loss must return one number for each image, (3,) for 3 images, got "
                f"{got}{advice}"
            )
