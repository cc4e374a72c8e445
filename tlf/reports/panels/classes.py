"""How well each class is predicted: a table that can be sorted and searched."""

from typing import Any

from tlf.metrics.figures import ClassFigures, Figure
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.report import Report

ROWS = 100
"""Rows that are shown at first."""


def panel(report: Report) -> Panel:
    """A row for each class; where there are many, the page begins with the worst."""
    per_class = report.evaluation.per_class
    many = len(per_class) > ROWS
    order = sorted(range(len(per_class)), key=lambda i: _worst_first(per_class[i]))
    shown = order[:ROWS] if many else range(len(per_class))
    return Panel(
        "classes",
        "Per class",
        render(
            "classes.html",
            rows=[(i, per_class[i]) for i in shown],
            total=len(per_class),
            columns=COLUMNS,
            many=many,
        ),
        {
            "rows": [_row(one) for one in per_class],
            "shown": ROWS,
            "sort": "f1" if many else "class",
            "columns": [*COLUMNS],
        },
    )


COLUMNS = {
    "class": "Class",
    "n": "Images",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
}
"""Column → its heading."""


def _worst_first(one: ClassFigures) -> tuple[bool, float]:
    """Classes without a figure come last."""
    return one.f1.value is None, one.f1.value or 0.0


def _row(one: ClassFigures) -> list[Any]:
    figures = (one.precision, one.recall, one.f1)
    return [one.name, one.support, *([*map(_rounded, _limits(figure))] for figure in figures)]


def _limits(figure: Figure) -> tuple[float | None, ...]:
    return figure.value, figure.low, figure.high


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
