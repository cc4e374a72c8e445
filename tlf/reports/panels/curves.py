"""Learning curves, the same for people who do not see them."""

from typing import TYPE_CHECKING

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.curves import curve_plots
from tlf.reports.plots.draw import chart

if TYPE_CHECKING:
    from tlf.reports.report import Report


def panel(report: "Report") -> Panel | None:
    """The loss and the metrics by epoch; None where the page is about no run."""
    run = report.run
    if run is None or not run.history:
        return None
    made = curve_plots(run.history, run.segments, run.best)
    plots = {plot.name: chart(plot) for plot in made}
    loss, log = plots.pop("curve-loss"), plots.pop("curve-loss-log", None)
    html = render(
        "curves.html",
        loss=loss,
        log=log,
        others=[*plots.values()],
        stopped=run.history[-1].stopped,
    )
    return Panel("curves", "Learning curves", html)
