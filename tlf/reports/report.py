"""What the panels of a page may show: predictions, their figures, and where they come from."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlf.metrics.figures import Evaluation
from tlf.metrics.multi_label.figures import AnyEvaluation, MultiLabelEvaluation
from tlf.metrics.multi_label.predicted import MultiLabelPredicted
from tlf.metrics.predicted import AnyPredicted, Predicted
from tlf.reports.plots.draw import Chart, chart
from tlf.reports.plots.plot import Plot

if TYPE_CHECKING:
    from tlf.checks.findings import Findings, ImageRef
    from tlf.events import SegmentStarted
    from tlf.inference.calibrated import Calibrated
    from tlf.results import EpochResult, Neighbour


@dataclass(frozen=True)
class RunRecord:
    """What a run has recorded about itself."""

    history: "tuple[EpochResult, ...]"
    segments: "tuple[SegmentStarted, ...]"
    """Empty for a run of a version that wrote none."""
    provenance: Mapping[str, Any]
    """provenance.json; empty where a run has none."""
    recipe: str
    """The text of recipe.toml."""
    best: "EpochResult"
    """The epoch whose predictions the page shows."""
    folder: Path


@dataclass(frozen=True)
class Content:
    """What a page may show, whether images have one label each or any number."""

    title: str
    _: KW_ONLY
    read: Callable[[int], bytes] | None = None
    """The bytes of the i-th image of ``predicted``; None: no thumbnails."""
    neighbours: "Mapping[int, tuple[Neighbour, ...]]" = field(default_factory=dict)
    """Image of ``predicted`` → the train images that look most like it, the nearest first."""
    run: RunRecord | None = None
    """None where the images are not the eval split of a run."""
    split: str | None = None
    """Which split of a run's recipe the images are, as a fixes.csv names it: ``train``, ``eval`` or
    ``test``; None where they are others: their labels cannot be ticked."""
    findings: "Findings | None" = None
    """What a check of the images has found; None: they were not checked."""
    read_found: "Callable[[ImageRef], bytes] | None" = None
    """The bytes of an image that the findings are about; None: no thumbnails."""
    calibrated: "Calibrated | None" = None
    """The temperature of the model, and where it comes from; None: it is not known."""
    draw: Callable[[Plot], Chart] = chart
    """Draws a plot, or has drawn it."""
    cautions: tuple[str, ...] = ()
    """Sentences: how often the test split was looked at, and what that means."""
    missing: tuple[str, ...] = ()
    """Sentences: what the page does not show, why, and what to do for it."""


@dataclass(frozen=True)
class Report(Content):
    """All that the panels of a page about images with one label each may show."""

    predicted: Predicted
    evaluation: Evaluation

    @property
    def id(self) -> str:
        """Names the labelled images, wherever the page lies: ticks in a page are kept under it."""
        predicted = self.predicted
        text = "\0".join([*predicted.names, "", *predicted.classes])
        return sha256(text.encode() + predicted.labels.tobytes()).hexdigest()[:16]


@dataclass(frozen=True)
class MultiLabelReport(Content):
    """All that the panels of a page about images with any number of labels may show."""

    predicted: MultiLabelPredicted
    evaluation: MultiLabelEvaluation


AnyReport = Report | MultiLabelReport


def report_of(title: str, predicted: AnyPredicted, evaluation: AnyEvaluation) -> AnyReport:
    """The page of predictions, with nothing beside them."""
    if isinstance(predicted, Predicted) and isinstance(evaluation, Evaluation):
        return Report(title, predicted, evaluation)
    if isinstance(predicted, MultiLabelPredicted) and isinstance(evaluation, MultiLabelEvaluation):
        return MultiLabelReport(title, predicted, evaluation)
    raise TypeError("predictions and figures of different forms")
