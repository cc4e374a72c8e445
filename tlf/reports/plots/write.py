"""The plots of a report as files, for papers."""

from collections.abc import Iterator
from pathlib import Path

from tlf.metrics.selective_prediction import answering
from tlf.reports.multi_label import classes
from tlf.reports.multi_label.plots import decisions_plot
from tlf.reports.plots.calibration import answering_plot, reliability_plot
from tlf.reports.plots.confusion import confusion_plot
from tlf.reports.plots.curves import curve_plots
from tlf.reports.plots.draw import write_plot
from tlf.reports.plots.plot import Plot
from tlf.reports.plots.stages import stages_plot
from tlf.reports.plots.two_classes import two_class_plots
from tlf.reports.report import AnyReport, Report
from tlf.reports.stage_timeline import strip


def write_plots(report: AnyReport, folder: Path) -> list[Path]:
    """Write every plot of a report as ``NAME.png`` and ``NAME.svg``.

    Parameters:
        report: what the plots show.
        folder: is created, where it is missing.

    Returns:
        The files.

    Raises:
        UnwritableError: the folder or a file cannot be written.
    """
    from tlf.runtime.files import writing

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return [path for plot in plots_of(report) for path in write_plot(plot, folder)]


def plots_of(report: AnyReport) -> Iterator[Plot]:
    """Every plot of a report."""
    if report.run is not None:
        yield from curve_plots(report.run.history, report.run.segments, report.run.best)
        stages = strip(report.run.history)
        if stages.rows:
            yield stages_plot(stages)
    if isinstance(report, Report):
        yield from _of_one_label(report)
    else:
        yield from classes.plots_of(report)
        yield decisions_plot(report.evaluation.calibration)


def _of_one_label(report: Report) -> Iterator[Plot]:
    yield confusion_plot(report.evaluation)
    if len(report.predicted):
        yield reliability_plot(report.evaluation.calibration)
        yield answering_plot(answering(report.predicted))
    yield from two_class_plots(report.evaluation)
