"""How well each class is predicted: precision against recall, and a table of all classes."""

from collections.abc import Iterator, Mapping
from typing import Any

from tlf.metrics.figures import Figure
from tlf.metrics.multi_label.figures import MultiLabelClassFigures
from tlf.reports.multi_label.plots import precision_recall_plot
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.plot import Plot
from tlf.reports.report import MultiLabelReport

ROWS = 100
"""Rows that are shown at first."""

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
    per_class = report.evaluation.per_class
    many = len(per_class) > ROWS
    order = sorted(range(len(per_class)), key=lambda i: _worst_first(per_class[i]))
    shown = order[:ROWS] if many else range(len(per_class))
    html = render(
        "multi-label-classes.html",
        rows=[(per_class[i], _figures(per_class[i])) for i in shown],
        total=len(per_class),
        columns=COLUMNS,
        many=many,
        plots=[*map(report.draw, plots_of(report))],
    )
    data = {
        "rows": [_row(one) for one in per_class],
        "shown": ROWS,
        "sort": "ap" if many else "class",
        "columns": [*COLUMNS],
    }
    return Panel("classes", "Per class", html, data)


def plots_of(report: MultiLabelReport) -> Iterator[Plot]:
    """The plots of the panel."""
    if any(one.curve for one in report.evaluation.per_class):
        yield precision_recall_plot(report.evaluation)


def _worst_first(one: MultiLabelClassFigures) -> tuple[bool, float]:
    """Classes without a figure come last."""
    return one.ap.value is None, one.ap.value or 0.0


def _figures(one: MultiLabelClassFigures) -> tuple[Figure, ...]:
    return one.ap, one.precision, one.recall, one.f1, Figure(one.threshold)


def _row(one: MultiLabelClassFigures) -> list[Any]:
    limits = ((f.value, f.low, f.high) for f in _figures(one))
    return [one.name, one.support, *([*map(_rounded, each)] for each in limits)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
