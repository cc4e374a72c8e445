"""Calibration: whether the probability of each decision can be trusted."""

from collections.abc import Iterator
from dataclasses import replace

from tlf.metrics.multi_label.figures import MultiLabelEvaluation
from tlf.metrics.multi_label.predicted import MultiLabelPredicted
from tlf.metrics.multi_label.text import LONG_TITLES
from tlf.reports.multi_label.plots import decisions_plot
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.panels.calibration import FIGURES, SOURCES, shown
from tlf.reports.plots.plot import Plot
from tlf.reports.report import MultiLabelReport


def panel(report: MultiLabelReport) -> Panel:
    """Probabilities against rates of labels."""
    after, calibrated = after_scaling(report), report.calibrated
    html = render(
        "multi-label-calibration.html",
        figures=[(LONG_TITLES[name], shown(report.evaluation, name)) for name in FIGURES],
        after=after and [shown(after, name) for name in FIGURES],
        calibrated=calibrated,
        source=None if calibrated is None else SOURCES.get(calibrated.source, calibrated.source),
        reliability=report.draw(_plot(report, after)),
    )
    return Panel("decisions", "Calibration", html)


def plots_of(report: MultiLabelReport) -> Iterator[Plot]:
    """The plots of the panel."""
    yield _plot(report, after_scaling(report))


def _plot(report: MultiLabelReport, after: MultiLabelEvaluation | None) -> Plot:
    return decisions_plot(
        report.evaluation.calibration, None if after is None else after.calibration
    )


def after_scaling(report: MultiLabelReport) -> MultiLabelEvaluation | None:
    """The figures of the same decisions, their logits divided by the temperature. The order of the
    images and the classes that the model gives stay as they are.
    """
    if report.calibrated is None:
        return None
    from tlf.metrics.multi_label.decisions import calibration
    from tlf.metrics.multi_label.evaluation import of_probabilities

    of = report.evaluation
    scaled = _scaled(report.predicted, report.calibrated.temperature)
    changed = of_probabilities(scaled, resamples=of.resamples, seed=of.seed)
    return replace(of, headline={**of.headline, **changed}, calibration=calibration(scaled))


def _scaled(predicted: MultiLabelPredicted, temperature: float) -> MultiLabelPredicted:
    import numpy as np

    rows = predicted.probabilities
    with np.errstate(divide="ignore", over="ignore"):  # 0 and 1 stay
        odds = (np.log(rows) - np.log1p(-rows)) / temperature
        return replace(predicted, probabilities=1 / (1 + np.exp(-odds)))
