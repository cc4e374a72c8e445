"""How well each class is predicted: a table that can be sorted and searched."""

from collections.abc import Mapping, Sequence

from tlf.metrics.figures import ClassFigures, Figure
from tlf.metrics.multi_label.figures import MultiLabelClassFigures
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.report import Report

ROWS = 100
"""Rows that are shown at first."""

COLUMNS: Mapping[str, str] = {
    "class": "Class",
    "n": "Images",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
}
"""Column → its heading."""

Row = tuple[ClassFigures | MultiLabelClassFigures, Sequence[Figure]]
"""A class, and its figures in the order of the columns."""


def panel(report: Report) -> Panel:
    """A row for each class; where there are many, the page begins with the worst."""
    rows = [(one, (one.precision, one.recall, one.f1)) for one in report.evaluation.per_class]
    return class_table("classes.html", rows, COLUMNS, "f1")


def class_table(
    template: str, rows: Sequence[Row], columns: Mapping[str, str], main: str, **shown: object
) -> Panel:
    """The panel with a row for each class.

    Parameters:
        template: of the panel.
        rows: of all classes.
        columns: column → its heading; the first two are the class and its images.
        main: the column that says which classes are the worst.
        shown: what else the template shows.
    """
    many = len(rows) > ROWS
    place = [*columns][2:].index(main)

    def worst_first(row: Row) -> tuple[bool, float]:
        """Classes without a figure come last."""
        value = row[1][place].value
        return value is None, value or 0.0

    html = render(
        template,
        rows=sorted(rows, key=worst_first)[:ROWS] if many else rows,
        total=len(rows),
        columns=columns,
        many=many,
        **shown,
    )
    data = {
        "rows": [[one.name, one.support, *map(_limits, figures)] for one, figures in rows],
        "shown": ROWS,
        "sort": main if many else "class",
        "columns": [*columns],
    }
    return Panel("classes", "Per class", html, data)


def _limits(figure: Figure) -> list[float | None]:
    limits = (figure.value, figure.low, figure.high)
    return [None if limit is None else round(limit, 4) for limit in limits]
