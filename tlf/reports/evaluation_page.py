"""The folder of an evaluation: its page, beside the figures and the predictions."""

from dataclasses import replace
from os import PathLike
from pathlib import Path

from tlf.evaluation.evaluate import Evaluated
from tlf.evaluation.files import place_of, write_files
from tlf.evaluation.summary import cautions, left_out
from tlf.reports.report import AnyReport, report_of
from tlf.reports.report_page import write_report_page
from tlf.runtime.files import write_folder
from tlf.runtime.text import printable

PAGE = "report.html"


def write_evaluation(evaluated: Evaluated, output: str | PathLike[str] | None = None) -> Path:
    """Write report.html, evaluation.json and the predictions into a new folder; return the folder.

    It has its name only when all is written. One of that name stays as it is: the new one then ends
    in ``-2``, ``-3`` ….

    Parameters:
        evaluated: what ``tlf.evaluate`` returns.
        output: the folder; by default ``evaluations/NAME`` in the run's folder, or
            ``FILE-evaluations/NAME`` beside the file of the model.

    Raises:
        RunError: the folder cannot be written.
    """
    folder = place_of(Path(evaluated.model), evaluated.name) if output is None else Path(output)

    def write(temporary: Path) -> None:
        write_files(evaluated, temporary)
        write_report_page(_report(evaluated), temporary / PAGE)

    return write_folder(folder, write)


def _report(evaluated: Evaluated) -> AnyReport:
    """What the page shows: the panels that need no run."""
    title = printable(f"{evaluated.model} on {evaluated.data}")
    return replace(
        report_of(title, evaluated.predicted, evaluated.evaluation),
        read=evaluated.read,
        split=evaluated.split,
        cautions=(*cautions(evaluated),),
        missing=tuple(f"Left out: {text}." for text in left_out(evaluated)),
    )
