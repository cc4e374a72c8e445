"""The figures of an evaluation: what they are, for a page, a terminal and a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tlf.notebook import html_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval. None where it is not defined, which is shown as “–”."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is predicted."""

    name: str
    support: int
    """Images whose label it is."""
    predicted: int
    """Images that were predicted to be of it."""
    precision: Figure
    recall: Figure
    f1: Figure


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities are as high as the rate of right predictions: bins of the highest
    probability.
    """

    edges: tuple[float, ...]
    """The limits of the bins, from 0 to 1."""
    counts: tuple[int, ...]
    """Images in each bin."""
    confidence: tuple[float | None, ...]
    """The mean highest probability in each bin; None where it is empty."""
    accuracy: tuple[float | None, ...]
    """The fraction of right predictions in each bin; None where it is empty."""


@dataclass(frozen=True)
class Curve:
    """A curve of two classes, such as ROC or precision and recall."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    area: float | None


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model on N labelled images of K classes."""

    classes: tuple[str, ...]
    images: int
    headline: Mapping[str, Figure]
    """``top1``, ``top5`` (where K > 5), ``balanced_accuracy``, ``macro_precision``,
    ``macro_recall``, ``macro_f1``, ``nll``, ``brier``, ``ece`` → figure."""
    majority_class: str
    """The most frequent label."""
    majority: float
    """The top-1 of always predicting it."""
    per_class: tuple[ClassFigures, ...]
    confusion: "NDArray[np.int64]"
    """(K, K): row = label, column = prediction."""
    calibration: Calibration
    roc: Curve | None = None
    """Of the second of two classes."""
    precision_recall: Curve | None = None
    """Of the second of two classes."""
    resamples: int = 2000
    """Of the bootstrap that the intervals are from."""
    seed: int = 0
    """Of the bootstrap."""
    groups: int | None = None
    """How many groups the images are in, which the bootstrap draws; None: it draws images, as
    groups are not known."""

    counted: ClassVar[str] = "image"
    """What has a class."""

    def most_confused(self, count: int) -> list[tuple[int, int, int]]:
        """Label, prediction and number of images of the most confused pairs, ``count`` at most."""
        import numpy as np

        labels, predictions = np.nonzero(self.confusion)
        wrong = labels != predictions
        labels, predictions = labels[wrong], predictions[wrong]
        images = self.confusion[labels, predictions]
        first = np.argsort(-images, kind="stable")[:count]
        return [(int(labels[i]), int(predictions[i]), int(images[i])) for i in first]

    def lines(self) -> Iterator[str]:
        """The figures as text."""
        from tlf.metrics.text import lines

        return lines(self)

    def as_json(self) -> dict[str, Any]:
        """The figures as evaluation.json has them."""
        from tlf.metrics.json_file import as_json

        return as_json(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline figures with their intervals."""
        baseline = f"always {self.majority_class}: {self.majority:.4f}"
        caption = f"{self.images:,} images of {len(self.classes):,} classes; {baseline}"
        return html_table(
            caption, ["figure", "value", "95 % from", "to"], shown_headline(self.headline)
        )


def shown_headline(headline: Mapping[str, Figure]) -> list[tuple[str, ...]]:
    """Headline figures as the rows of a notebook's table."""
    return [(name, *map(_shown, vars(one).values())) for name, one in headline.items()]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
