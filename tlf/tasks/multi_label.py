"""Several labels per image, or none: a sigmoid for each class, mean average precision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from tlf.tasks.checked import check_logits, check_loss, is_label_set
from tlf.tasks.class_counts import ClassCounts
from tlf.tasks.metric import Metric
from tlf.tasks.strata import rarest

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

SEPARATOR = "; "
"""Between the classes of an image, where a person reads them."""

THRESHOLD = 0.5
"""From this probability on, an image is predicted to have a class, if nothing better is known."""


@dataclass(frozen=True)
class MultiLabel:
    """Every image has any number of K classes; its label is the tuple of their indices, ascending,
    which is empty where it has none.
    """

    metrics: tuple[Metric, ...] = (
        Metric("map", "mAP", higher_is_better=True, is_rate=True),
        Metric("macro_f1", "macro-F1", higher_is_better=True, is_rate=True),
        Metric("micro_f1", "micro-F1", higher_is_better=True, is_rate=True),
        Metric("exact_match", "exact match", higher_is_better=True, is_rate=True),
    )
    train_metric: str = "exact_match"
    right_means: str = f"Right: its labels, and they alone, have {100 * THRESHOLD:.0f} % or more."
    default_loss: str = "binary-cross-entropy"
    balancing_option: str = "pos_weight"
    of_a_class: str = "average precision"
    of_a_class_means: str = "how well held-out images of the class are ranked before the others"

    def labels(self, labels: Sequence[Any], num_classes: int) -> "Tensor":
        """Indices of the classes of N images → (N, K) uint8: 1 for each class that an image has."""
        import torch

        present = torch.zeros(len(labels), num_classes, dtype=torch.uint8)
        counts = torch.tensor([len(label) for label in labels], dtype=torch.long)
        rows = torch.arange(len(labels)).repeat_interleave(counts)
        present[rows, torch.tensor([*chain.from_iterable(labels)], dtype=torch.long)] = 1
        return present

    def array(self, labels: Sequence[Any], num_classes: int) -> "NDArray[np.bool_]":
        """The same in NumPy, without torch."""
        import numpy as np

        present = np.zeros((len(labels), num_classes), dtype=np.bool_)
        rows = np.repeat(np.arange(len(labels)), [len(label) for label in labels])
        present[rows, [*chain.from_iterable(labels)]] = True
        return present

    def targets(self, labels: "Tensor", num_classes: int) -> "Tensor":
        """Labels (N, K) → the same as numbers of floating point (N, K)."""
        import torch

        return labels.to(torch.get_default_dtype())

    def by_class(self, labels: "Tensor", num_classes: int) -> list[list[int]]:
        """Labels (N, K) → the indices of the images that have each class, and of those that have
        none; an image of several classes is in several.
        """
        none = labels.sum(1) == 0
        return [column.nonzero()[:, 0].tolist() for column in (*labels.T, none)]

    def class_counts(self, labels: Sequence[Any], num_classes: int) -> ClassCounts:
        """The number of images that have each class.

        >>> MultiLabel().class_counts([(0, 2), (), (2,)], 4)
        [1, 0, 2, 0]
        """
        counts = [0] * num_classes
        for index in chain.from_iterable(labels):
            counts[index] += 1
        return ClassCounts(counts, len(labels))

    def having(self, labels: "NDArray[Any]", k: int) -> "NDArray[np.bool_]":
        """Which images have a class (N,)."""
        import numpy as np

        return np.asarray(labels[:, k] > 0)

    def strata(self, labels: Sequence[Any]) -> Sequence[int]:
        """The one of each image's classes that the fewest images have; one more for no class."""
        return rarest(labels)

    def guesses(self, counts: ClassCounts) -> "tuple[Tensor, ...]":
        """Every class is as probable as not, or as frequent as in the train split."""
        import torch

        rates = (torch.tensor(counts) + 0.5) / (counts.images + 1)
        return torch.zeros(len(counts)), rates.logit()

    def among(self, labels: Sequence[Any], classes: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
        """Position of each image → the indices of its classes among these. Every image stays: what
        it shows beside them says nothing against them.

        >>> MultiLabel().among([(1, 2), (0,), ()], classes=[1, 2])
        {0: (0, 1), 1: (), 2: ()}
        """
        numbers = {label: number for number, label in enumerate(classes)}
        return {
            i: tuple(sorted(numbers[k] for k in label if k in numbers))
            for i, label in enumerate(labels)
        }

    def names(self, label: Any, classes: Sequence[str]) -> str:  # noqa: ANN401 - indices
        """The names of a label's classes.

        >>> MultiLabel().names((0, 2), ["cat", "cow", "dog"])
        'cat; dog'
        """
        return SEPARATOR.join(str(classes[k]) for k in label)

    def named(self, name: str) -> tuple[str, ...]:
        """The classes that ``names`` has joined.

        >>> MultiLabel().named("cat; dog"), MultiLabel().named(";")
        (('cat', 'dog'), ())
        """
        return tuple(own for own in map(str.strip, name.split(SEPARATOR.strip())) if own)

    def label(self, name: str, classes: Sequence[str]) -> tuple[int, ...]:
        """The indices of the classes that ``names`` has joined.

        >>> MultiLabel().label("dog; cat", ["cat", "cow", "dog"]), MultiLabel().label("", ["cat"])
        ((0, 2), ())
        """
        return tuple(sorted({list(classes).index(own) for own in self.named(name)}))

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Logits (N, K) → (N, K); each of its own."""
        return logits.sigmoid()

    def predicted(self, probabilities: "Tensor", thresholds: "Tensor | None" = None) -> "Tensor":
        """Probabilities (N, K) → whether each image is predicted to have each class (N, K)."""
        return probabilities >= (THRESHOLD if thresholds is None else thresholds)

    def choices(self, logits: "Tensor", labels: "Tensor") -> tuple["Tensor", "Tensor"]:
        """One for each image and class, between its absence and its presence (N · K, 2)."""
        import torch

        present = logits.flatten()
        return torch.stack([torch.zeros_like(present), present], 1), labels.long().flatten()

    def own_probabilities(self, probabilities: "Tensor", labels: "Tensor") -> None:
        """None: an image has any number of labels, so that none is the right one."""

    def thresholds(self, probabilities: "Tensor", labels: "Tensor") -> tuple[float, ...]:
        """The threshold of each class at which its F1 is best, drawn to 0.5 where few images have
        the class. It is a number of float32, as probabilities are: whoever compares them in a
        higher precision predicts the same.
        """
        from tlf.tasks.multi_label_figures import best_thresholds

        found = best_thresholds(probabilities.numpy(), labels.bool().numpy())
        return tuple(found.astype("float32").tolist())

    def correct(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Whether every class of an image is decided rightly (N,)."""
        return ((logits >= 0) == labels.bool()).all(1)

    def linear_scores(
        self,
        fitted: "Callable[[NDArray[np.int64]], NDArray[np.float64]]",
        labels: "NDArray[Any]",
        *,
        at_once: bool = False,
    ) -> "NDArray[np.float64]":
        """Those of a classifier for each class, of the images that have it against the others."""
        import numpy as np

        marks = labels.astype(np.int64)
        return fitted(marks) if at_once else np.stack([fitted(own)[:, -1] for own in marks.T], 1)

    def of_classes(
        self, shares: "NDArray[np.float64]", labels: "NDArray[Any]", k: int
    ) -> tuple["NDArray[np.bool_]", "NDArray[np.float64]"]:
        """All images, and what each counts for the average precision of the class: where it was
        judged among images without the class, the mean of the others.
        """
        import numpy as np

        own = shares[..., k]
        others = np.nanmean(own, axis=-1, keepdims=True)
        return np.ones(len(labels), np.bool_), np.where(np.isnan(own), others, own)

    def per_class(
        self, scores: "NDArray[np.floating]", labels: "NDArray[Any]"
    ) -> "NDArray[np.float64]":
        """What each image counts for the AP of each class (N, K); NaN where no image has it."""
        from tlf.tasks.multi_label_figures import shares_by_class

        return shares_by_class(scores, labels > 0)

    def per_image(
        self,
        scores: "NDArray[np.floating]",
        labels: "NDArray[Any]",
        among: Sequence[int] | None = None,
    ) -> "NDArray[np.float64]":
        """What each image counts for mean average precision; 0 where no image has a class."""
        from tlf.tasks.multi_label_figures import mean_shares

        columns = slice(None) if among is None else [*among]
        return mean_shares(scores[:, columns], labels[:, columns] > 0)

    def evaluate(self, probabilities: "Tensor", labels: "Tensor") -> dict[str, float]:
        """Mean average precision, over the classes that some image has; F1, of the classes that
        some image has or is predicted to have, and of all decisions; and the fraction of images
        whose classes are all decided rightly. 0 where no class counts.
        """
        import numpy as np

        from tlf.tasks.multi_label_figures import average_precisions, defined_mean, f1_scores

        truth, predicted = labels.bool().numpy(), self.predicted(probabilities).numpy()
        by_class, micro = f1_scores(predicted, truth)
        figures = {
            "map": defined_mean(average_precisions(probabilities.numpy(), truth)),
            "macro_f1": defined_mean(by_class),
            "micro_f1": micro,
            "exact_match": (predicted == truth).all(1).mean(),
        }
        return {name: float(np.nan_to_num(figure)) for name, figure in figures.items()}

    def plausible(self, loss: float) -> dict[str, float]:
        """Fractions that decrease as the loss grows."""
        return {metric.name: metric.plausible(loss) for metric in self.metrics}

    def check_classes(self, classes: Sequence[str]) -> None:
        """Check that no name holds what separates names.

        Raises:
            ValueError: one does.
        """
        mark = SEPARATOR.strip()
        if wrong := next((name for name in classes if mark in name), None):
            raise ValueError(
                f"the name of a class must not hold {mark!r}, which separates the classes of an "
                f"image, got {wrong!r:.100}; rename it"
            )

    def check_labels(self, labels: Sequence[Any], num_classes: int) -> None:
        """Check that each label is a tuple of ascending indices of classes.

        Raises:
            ValueError: one is not, or there is only one class.
        """
        if num_classes < 2:
            raise ValueError(
                f"classes must be 2 or more, got {num_classes}; label images of other classes, too"
            )
        if len(labels) and hasattr(labels[0], "__index__"):
            raise ValueError(
                "labels must be sets of classes for the task multi-label, got one class for each "
                'image; of a CSV file, write data.label_separator, such as "|", or data.labels; '
                "where each image has one class, the task is single-label"
            )
        for label in labels:
            if not is_label_set(label, num_classes):
                raise ValueError(
                    "labels must be tuples of the indices of an image's classes, ascending, from 0 "
                    f"to {num_classes - 1}, got {label!r:.100}"
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
        labels = self.labels([(0, num_classes - 1), (), (0,)], num_classes)
        check_loss(loss, labels, num_classes)
