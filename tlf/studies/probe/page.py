"""The files of a study of backbones: probe.json for programs, probe.html for people."""

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
from tlf.studies.probe.json_file import as_json
from tlf.studies.probe.plots import backbone_plot, stage_plot
from tlf.studies.probe.probed import Probed
from tlf.studies.probe.summary import verdicts

PAGE, FIGURES = "probe.html", "probe.json"


def write_probe(probed: Probed, output: str | PathLike[str] | None = None) -> Path:
    """Write probe.html and probe.json into a new folder, whole or not at all; return the folder.

    Parameters:
        probed: what ``tlf.probe`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``probes``, named after the recipe or the folder of images.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """

    def write(temporary: Path) -> None:
        write_whole(temporary / FIGURES, dumps(as_json(probed), indent=1) + "\n")
        write_page(
            temporary / PAGE,
            f"Backbones for {printable(probed.source)}",
            [*_panels(probed)],
            subtitle=f"{probed.images:,} train images of {len(probed.class_counts)} classes",
        )

    return write_folder(absolute(output or default_folder("probes", probed.source)), write)


def _panels(probed: Probed) -> list[Panel]:
    first = render(
        "probe.html",
        probed=probed,
        metric=METRIC.title,
        verdicts=[*verdicts(probed)],
        plot=chart(backbone_plot(probed)),
        largest=max(probed.class_counts.values()) / probed.images,
    )
    panels = [Panel("probe", "Backbones", first)]
    if any(one.stages for one in probed.backbones):
        plots = [chart(stage_plot(one, n)) for n, one in enumerate(probed.backbones) if one.stages]
        panels.append(Panel("stages", "Stages", render("stages.html", plots=plots)))
    if probed.notes:
        panels.append(Panel("notes", "Notes", render("notes.html", notes=probed.notes)))
    return panels
