"""The files of a learning curve: curve.json for programs, curve.html for people."""

from os import PathLike
from pathlib import Path

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.draw import chart
from tlf.runtime.text import printable
from tlf.studies.learning_curve.json_file import as_json
from tlf.studies.learning_curve.learning_curve import LearningCurve
from tlf.studies.learning_curve.plots import class_plot, curve_plot
from tlf.studies.learning_curve.summary import class_sentence, gain_span, sentences
from tlf.studies.study_files import StudyFiles


def write_curve(curve: LearningCurve, output: str | PathLike[str] | None = None) -> Path:
    """Write curve.html and curve.json into a new folder, whole or not at all; return the folder.

    Parameters:
        curve: what ``tlf.curve`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``curves``, named after the recipe or the folder of images.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """
    files = StudyFiles(
        "curve",
        as_json(curve),
        f"Would more images help {printable(curve.source)}?",
        f"{curve.images:,} train images of {len(curve.classes)} classes; features of "
        f"{printable(curve.backbone)}",
        _panels(curve),
        curve.notes,
    )
    return files.write_new("curves", curve.source, output)


def _panels(curve: LearningCurve) -> list[Panel]:
    html = render(
        "learning-curve.html", curve=curve, metric=curve.metric.title,
        sentences=[*sentences(curve)], plot=chart(curve_plot(curve)),
    )  # fmt: skip
    classes = render(
        "class-curves.html", curve=curve, sentence=class_sentence(curve), gain_span=gain_span,
        plot=chart(class_plot(curve)),
    )  # fmt: skip
    return [
        Panel("learning-curve", "All classes", html),
        Panel("class-curves", "Each class", classes),
    ]
