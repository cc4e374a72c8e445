"""The figures of an evaluation of decisions: what they are, for a page, a terminal and a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from tlf.metrics.figures import Calibration, Curve, Evaluation, Figure, shown_headline
from tlf.notebook import html_table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MultiLabelClassFigures:
    """How well one class is predicted."""

    name: str
    support: int
    """Images that have it as a label."""
    predicted: int
    """Images that the model gives it to."""
    threshold: float | None
    """The least probability at which the model gives it; None where it is not known."""
    ap: Figure
    """Average precision, which no threshold changes."""
    precision: Figure
    recall: Figure
    f1: Figure
    curve: Curve | None = field(default=None, repr=False)
    """Recall → precision over all thresholds; None unless some images have it and some have not."""


@dataclass(frozen=True)
class MultiLabelEvaluation:
    """The figures of a model on N images with any number of K labels."""

    classes: tuple[str, ...]
    images: int
    headline: Mapping[str, Figure]
    """``map``, ``macro_f1``, ``micro_f1``, ``macro_precision``, ``macro_recall``,
    ``micro_precision``, ``micro_recall``, ``exact_match``, ``hamming_loss``, ``nll``, ``brier``,
    ``ece`` → figure."""
    frequency: float
    """The mAP of a model that knows nothing: the mean share of images that have a class."""
    labels: int
    """Labels of all images together."""
    without: int
    """Images without a label."""
    per_class: tuple[MultiLabelClassFigures, ...]
    co_occurrence: "NDArray[np.int64]"
    """(K, K): images that have both classes as labels; on the diagonal, images of the class."""
    predicted_co_occurrence: "NDArray[np.int64]"
    """The same of the classes that the model gives."""
    calibration: Calibration
    """Bins of the probability of each decision: its mean, and how often the class is a label."""
    resamples: int = 2000
    """Of the bootstrap that the intervals are from."""
    seed: int = 0
    """Of the bootstrap."""
    groups: int | None = None
    """How many groups the images are in, which the bootstrap draws; None: it draws images, as
    groups are not known."""

    counted: ClassVar[str] = "label"
    """What has a class."""

    def lines(self) -> Iterator[str]:
        """The figures as text."""
        from tlf.metrics.multi_label.text import lines

        return lines(self)

    def as_json(self) -> dict[str, Any]:
        """The figures as evaluation.json has them."""
        from tlf.metrics.multi_label.json_file import as_json

        return as_json(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the headline figures with their intervals."""
        caption = (
            f"{self.images:,} images with {self.labels:,} labels of {len(self.classes):,} classes; "
            f"mAP by chance: {self.frequency:.4f}"
        )
        rows = shown_headline(self.headline)
        return html_table(caption, ["figure", "value", "95 % from", "to"], rows)


AnyEvaluation = Evaluation | MultiLabelEvaluation
"""Figures of images with one label each, or with any number."""
