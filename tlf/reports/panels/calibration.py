"""Calibration: whether probabilities can be trusted, and what answering only sure images gives."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlf.metrics.selective_prediction import answering
from tlf.metrics.text import LONG_TITLES
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.calibration import answering_plot, reliability_plot
from tlf.reports.plots.plot import number
from tlf.reports.plots.two_classes import two_class_plots

if TYPE_CHECKING:
    from tlf.metrics.figures import Evaluation
    from tlf.metrics.multi_label.figures import AnyEvaluation
    from tlf.reports.plots.plot import Plot
    from tlf.reports.report import Report


FIGURES = ("ece", "brier", "nll")
"""The figures of probabilities. The lower, the better."""


SOURCES = {
    "eval": "images of the eval split, by which the best epoch was chosen, too; on others it helps "
    "less",
    "calibration": "train images that were held out",
    "out-of-fold": "train images, each judged by a head that was not trained on it",
}
"""Source of a calibration → what its images are."""


def panel(report: "Report") -> Panel | None:
    """Probabilities against rates; None without an image."""
    if not len(report.predicted):
        return None
    answered = answering(report.predicted)
    calibrated, after = report.calibrated, after_scaling(report)
    reliability, answer, *two = map(report.draw, _plots(report, after))
    html = render(
        "calibration.html",
        figures=[(LONG_TITLES[name], shown(report.evaluation, name)) for name in FIGURES],
        after=after and [shown(after, name) for name in FIGURES],
        calibrated=calibrated,
        source=None if calibrated is None else SOURCES.get(calibrated.source, calibrated.source),
        reliability=reliability,
        answering=answer,
        two=two,
        limits=len(answered),
    )
    data = {
        "limits": [one.above for one in answered],
        "images": [one.images for one in answered],
        "right": [one.right for one in answered],
        "of": len(report.predicted),
    }
    return Panel("calibration", "Calibration", html, data)


def plots_of(report: "Report") -> "Iterator[Plot]":
    """The plots of the panel."""
    if len(report.predicted):
        yield from _plots(report, after_scaling(report))


def _plots(report: "Report", after: "Evaluation | None") -> "Iterator[Plot]":
    bins = None if after is None else after.calibration
    yield reliability_plot(report.evaluation.calibration, bins)
    yield answering_plot(answering(report.predicted))
    yield from two_class_plots(report.evaluation)


def after_scaling(report: "Report") -> "Evaluation | None":
    """The figures of the same images, their logits divided by the temperature."""
    if report.calibrated is None:
        return None
    from tlf.metrics.evaluation import evaluation
    from tlf.metrics.temperature import scaled

    return evaluation(scaled(report.predicted, report.calibrated.temperature))


def shown(evaluation: "AnyEvaluation", name: str) -> str:
    """A headline figure with its interval; a dash where it is not defined."""
    figure = evaluation.headline.get(name)
    if figure is None or figure.value is None:
        return number(None)
    if figure.low is None or figure.high is None:
        return number(figure.value, ".4f")
    return f"{figure.value:.4f} [{figure.low:.4f}, {figure.high:.4f}]"
