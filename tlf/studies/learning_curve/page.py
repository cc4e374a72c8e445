"""The files of a learning curve: curve.json for programs, curve.html for people."""

from os import PathLike
from pathlib import Path

from tlf.reports.page import render, write_page
from tlf.reports.panel import Panel
from tlf.reports.plots.draw import chart
from tlf.runtime.files import absolute, write_folder, write_whole
from tlf.runtime.strict_json import dumps
from tlf.runtime.text import printable
from tlf.studies.accuracy import METRIC
from tlf.studies.folders import default_folder
from tlf.studies.learning_curve.json_file import as_json
from tlf.studies.learning_curve.learning_curve import LearningCurve
from tlf.studies.learning_curve.plots import class_plot, curve_plot
from tlf.studies.learning_curve.summary import class_sentence, gain_span, sentences

PAGE, FIGURES = "curve.html", "curve.json"


def write_curve(curve: LearningCurve, output: str | PathLike[str] | None = None) -> Path:
    """Write curve.html and curve.json into a new folder, whole or not at all; return the folder.

    Parameters:
        curve: what ``tlf.curve`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``curves``, named after the recipe or the folder of images.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """

    def write(temporary: Path) -> None:
        write_whole(temporary / FIGURES, dumps(as_json(curve), indent=1) + "\n")
        write_page(
            temporary / PAGE,
            f"Would more images help {printable(curve.source)}?",
            _panels(curve),
            subtitle=f"{curve.images:,} train images of {len(curve.classes)} classes; features of "
            f"{printable(curve.backbone)}",
        )

    return write_folder(absolute(output or default_folder("curves", curve.source)), write)


def _panels(curve: LearningCurve) -> list[Panel]:
    html = render(
        "learning-curve.html", curve=curve, metric=METRIC.title, sentences=[*sentences(curve)],
        plot=chart(curve_plot(curve)),
    )  # fmt: skip
    classes = render(
        "class-curves.html", curve=curve, sentence=class_sentence(curve), gain_span=gain_span,
        plot=chart(class_plot(curve)),
    )  # fmt: skip
    panels = [
        Panel("learning-curve", "All classes", html),
        Panel("class-curves", "Each class", classes),
    ]
    if curve.notes:
        panels.append(Panel("notes", "Notes", render("notes.html", notes=curve.notes)))
    return panels
