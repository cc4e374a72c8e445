"""The page of an evaluation: the panels of a report that need no run."""

from pathlib import Path

from tlf.evaluation.evaluate import Evaluated
from tlf.evaluation.summary import left_out
from tlf.reports.report import Report
from tlf.reports.report_page import write_report_page
from tlf.runtime.text import printable


def write_evaluation_page(evaluated: Evaluated, path: Path) -> None:
    """Write the page of an evaluation, whole or not at all. A file of that name is replaced.

    Raises:
        UnwritableError: the file cannot be written.
    """
    report = Report(
        title=printable(f"{evaluated.model} on {evaluated.data}"),
        predicted=evaluated.predicted,
        evaluation=evaluated.evaluation,
        read=evaluated.read,
        missing=tuple(f"Left out: {text}." for text in left_out(evaluated)),
    )
    write_report_page(report, path)
