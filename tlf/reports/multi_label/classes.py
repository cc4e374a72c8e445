"""How well each class is predicted: precision against recall, and a table of all classes."""

from collections.abc import Iterator, Mapping

from tlf.metrics.figures import Figure
from tlf.reports.multi_label.plots import precision_recall_plot
from tlf.reports.panel import Panel
from tlf.reports.panels.classes import class_table
from tlf.reports.plots.plot import Plot
from tlf.reports.report import MultiLabelReport

COLUMNS: Mapping[str, str] = {
    "class": "Class",
    "n": "Images",
    "ap": "AP",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "threshold": "Threshold",
}
"""Column → its heading."""


def panel(report: MultiLabelReport) -> Panel:
    """A row for each class; where there are many, the page begins with the worst."""
    rows = [
        (one, (one.ap, one.precision, one.recall, one.f1, Figure(one.threshold)))
        for one in report.evaluation.per_class
    ]
    plots = [*map(report.draw, plots_of(report))]
    return class_table("multi-label-classes.html", rows, COLUMNS, "ap", plots=plots)


def plots_of(report: MultiLabelReport) -> Iterator[Plot]:
    """The plots of the panel."""
    if any(one.curve for one in report.evaluation.per_class):
        yield precision_recall_plot(report.evaluation)
