"""The files of a study of learning rates: lr.json for programs, lr.html for people."""

from os import PathLike
from pathlib import Path

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.draw import chart
from tlf.runtime.text import printable
from tlf.studies.learning_rate.found import HeadRates, LearningRates, RangeTest
from tlf.studies.learning_rate.json_file import as_json
from tlf.studies.learning_rate.plots import heads_plot, range_plot
from tlf.studies.learning_rate.summary import begins, marks_of, sentences
from tlf.studies.study_files import StudyFiles


def write_learning_rates(found: LearningRates, output: str | PathLike[str] | None = None) -> Path:
    """Write lr.html and lr.json into a new folder, whole or not at all; return the folder.

    Parameters:
        found: what ``tlf.lr`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``learning-rates``, named after the recipe.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """
    phases = len(found.phases)
    files = StudyFiles(
        "lr",
        as_json(found),
        f"Learning rates for {printable(found.source)}",
        f"{phases} phase{'s' if phases > 1 else ''}, on {found.device}",
        [_panel(one, number) for number, one in enumerate(found.phases)],
        found.notes,
    )
    return files.write_new("learning-rates", found.source, output)


def _panel(found: HeadRates | RangeTest, position: int) -> Panel:
    title = f"Phase {printable(found.phase)}"
    if isinstance(found, HeadRates):
        plot = chart(heads_plot(found, position))
        marks = {one.rate: ", ".join(marks_of(one, found)) for one in found.rates}
        metric = found.metric.title
    else:
        plot, marks, metric = chart(range_plot(found, position)), {}, ""
    html = render(
        "learning-rates.html", found=found, measured=isinstance(found, HeadRates), plot=plot,
        marks=marks, metric=metric, sentences=[*sentences(found)], begins=begins(found),
    )  # fmt: skip
    return Panel(f"phase-{position}", title, html)
