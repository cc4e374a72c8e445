"""The files of a study of learning rates: lr.json for programs, lr.html for people."""

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
from tlf.studies.learning_rate.found import HeadRates, LearningRates, RangeTest
from tlf.studies.learning_rate.json_file import as_json
from tlf.studies.learning_rate.plots import heads_plot, range_plot
from tlf.studies.learning_rate.summary import marks_of, sentences

PAGE, FIGURES = "lr.html", "lr.json"


def write_learning_rates(found: LearningRates, output: str | PathLike[str] | None = None) -> Path:
    """Write lr.html and lr.json into a new folder, whole or not at all; return the folder.

    Parameters:
        found: what ``tlf.lr`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``learning-rates``, named after the recipe.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """

    def write(temporary: Path) -> None:
        write_whole(temporary / FIGURES, dumps(as_json(found), indent=1) + "\n")
        phases = len(found.phases)
        write_page(
            temporary / PAGE,
            f"Learning rates for {printable(found.source)}",
            [*_panels(found)],
            subtitle=f"{phases} phase{'s' if phases > 1 else ''}, on {found.device}",
        )

    return write_folder(absolute(output or default_folder("learning-rates", found.source)), write)


def _panels(found: LearningRates) -> list[Panel]:
    panels = [_panel(one, number) for number, one in enumerate(found.phases)]
    if found.notes:
        panels.append(Panel("notes", "Notes", render("notes.html", notes=found.notes)))
    return panels


def _panel(found: HeadRates | RangeTest, position: int) -> Panel:
    title = f"Phase {printable(found.phase)}"
    if isinstance(found, HeadRates):
        plot = chart(heads_plot(found, position))
        marks = {one.rate: ", ".join(marks_of(one, found)) for one in found.rates}
    else:
        plot, marks = chart(range_plot(found, position)), {}
    html = render(
        "learning-rates.html", found=found, measured=isinstance(found, HeadRates), plot=plot,
        marks=marks, metric=METRIC.title, sentences=[*sentences(found)],
    )  # fmt: skip
    return Panel(f"phase-{position}", title, html)
