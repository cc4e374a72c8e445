"""The files of a sweep, beside its trials: sweep.json and sweep.html."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.draw import chart
from tlf.runtime.text import printable
from tlf.studies.accuracy import figure_text
from tlf.studies.study_files import StudyFiles
from tlf.studies.sweep.plots import history_plot, key_plot
from tlf.studies.sweep.summary import (
    CHOSEN,
    CONFIRM,
    confirm,
    counted,
    importance_text,
    settings_text,
    shown,
    ties,
)
from tlf.studies.sweep.swept import Swept, Trial

FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""
SHOWN = 50
"""Trials in the table of the page."""


def write_sweep(swept: Swept) -> Path:
    """Write sweep.html and sweep.json into the folder of the study; return the page. Those
    that are there are replaced.

    Raises:
        UnwritableError: they cannot be written.
    """
    files = StudyFiles(
        "sweep",
        as_json(swept),
        f"Sweep of {printable(Path(swept.source).name)}",
        counted(swept).removeprefix("swept").strip(),
        _panels(swept),
    )
    return files.write(swept.folder)


def _panels(swept: Swept) -> list[Panel]:
    best = swept.ranked[0] if swept.ranked else None
    html = render(
        "sweep.html",
        best=best,
        settings="" if best is None else settings_text(best),
        ties="" if best is None else ties(swept),
        chosen=CHOSEN.capitalize(),
        confirm=CONFIRM.capitalize(),
        command="" if best is None else confirm(swept),
        file=swept.best_file,
        metric=swept.metric,
        figure=lambda value: figure_text(value, swept.metric),
        keys=[one.key for one in swept.varied],
        trials=swept.ranked[:SHOWN],
        more=max(0, len(swept.ranked) - SHOWN),
        failed=[one for one in swept.trials if one.why],
        plot=None if best is None else chart(history_plot(swept)),
        shown=shown,
    )
    panels = [Panel("sweep", "Trials", html)]
    if best is not None:
        plots = [chart(key_plot(swept, position)) for position in range(len(swept.varied))]
        importance = importance_text(swept) if swept.importance else ""
        html = render("keys.html", plots=plots, importance=importance)
        panels.append(Panel("keys", "What was varied", html))
    return panels


def as_json(swept: Swept) -> dict[str, Any]:
    """A sweep as strict JSON has it; the ``README.md`` beside it documents each key."""
    return {
        "format": FORMAT,
        "recipe": swept.source,
        "overrides": list(swept.overrides),
        "ranges": {one.key: str(one) for one in swept.varied},
        "sampler": swept.sampler,
        "pruning": swept.pruning,
        "metric": swept.metric.name,
        "images": swept.images,
        "best": swept.ranked[0].number if swept.ranked else None,
        "importance": dict(swept.importance),
        "trials": [_trial(one) for one in swept.trials],
    }


def _trial(one: Trial) -> dict[str, Any]:
    return {
        "number": one.number,
        "state": one.state,
        "settings": dict(one.values),
        "best_epoch": None if one.best is None else asdict(one.best),
        "epochs": one.epochs,
        "seconds": one.seconds,
        "why": one.why,
    }
