"""Learning curves, the same for people who do not see them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.curves import curve_plots

if TYPE_CHECKING:
    from tlf.reports.plots.plot import Plot
    from tlf.reports.report import Content


def panel(report: "Content") -> Panel | None:
    """The loss and the metrics by epoch; None where the page is about no run."""
    run = report.run
    if run is None or not run.history:
        return None
    plots = {plot.name: report.draw(plot) for plot in plots_of(report)}
    loss, log = plots.pop("curve-loss"), plots.pop("curve-loss-log", None)
    html = render(
        "curves.html",
        loss=loss,
        log=log,
        others=[*plots.values()],
        stopped=run.history[-1].stopped,
    )
    return Panel("curves", "Learning curves", html)


def plots_of(report: "Content") -> "Iterator[Plot]":
    """The plots of the panel."""
    if report.run is not None:
        yield from curve_plots(report.run.history, report.run.segments, report.run.best)
