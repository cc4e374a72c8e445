"""The files of a study of backbones: probe.json for programs, probe.html for people."""

from os import PathLike
from pathlib import Path

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.draw import chart
from tlf.runtime.text import printable
from tlf.studies.probe.json_file import as_json
from tlf.studies.probe.plots import backbone_plot, stage_plot
from tlf.studies.probe.probed import Probed
from tlf.studies.probe.summary import verdicts
from tlf.studies.study_files import StudyFiles


def write_probe(probed: Probed, output: str | PathLike[str] | None = None) -> Path:
    """Write probe.html and probe.json into a new folder, whole or not at all; return the folder.

    Parameters:
        probed: what ``tlf.probe`` yields last.
        output: the folder; where it exists, a number is added to its name. None: a folder in
            ``probes``, named after the recipe or the folder of images.

    Raises:
        RunError: it cannot be written. Nothing is left then.
    """
    files = StudyFiles(
        "probe",
        as_json(probed),
        f"Backbones for {printable(probed.source)}",
        f"{probed.images:,} train images of {len(probed.class_counts)} classes",
        _panels(probed),
        probed.notes,
    )
    return files.write_new("probes", probed.source, output)


def _panels(probed: Probed) -> list[Panel]:
    first = render(
        "probe.html",
        probed=probed,
        metric=probed.metric.title,
        verdicts=[*verdicts(probed)],
        plot=chart(backbone_plot(probed)),
        largest=max(probed.class_counts.values()) / probed.images,
    )
    panels = [Panel("probe", "Backbones", first)]
    if any(one.stages for one in probed.backbones):
        plots = [
            chart(stage_plot(one, n, probed.metric))
            for n, one in enumerate(probed.backbones)
            if one.stages
        ]
        panels.append(Panel("stages", "Stages", render("stages.html", plots=plots)))
    return panels
