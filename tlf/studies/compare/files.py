"""The files of a comparison, beside its runs: compare.json and compare.html."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tlf.metrics.paired import CLAIM_FROM
from tlf.metrics.resampling import LEVEL
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.plots.draw import chart
from tlf.reports.plots.plot import Plot
from tlf.runtime.text import printable
from tlf.studies.accuracy import Row, rows_plot
from tlf.studies.compare.compared import Compared, ComparedRecipe
from tlf.studies.compare.summary import how, notes, verdicts
from tlf.studies.study_files import StudyFiles, difference_json

FORMAT = 1
"""It rises where a reader of the file has to change. Keys may be added without."""


def write_comparison(compared: Compared) -> Path:
    """Write compare.html and compare.json into the folder of the runs; return the page. Files of an
    earlier comparison of the same runs are replaced.

    Raises:
        UnwritableError: they cannot be written.
    """
    best = compared.recipes[0].name
    html = render(
        "compare.html", compared=compared, metric=compared.metric.title,
        verdicts=[*verdicts(compared)],
        notes=[*notes(compared)], plot=chart(_plot(compared)),
    )  # fmt: skip
    title = compared.question or f"Comparison of {len(compared.recipes)} recipes"
    files = StudyFiles(
        "compare",
        as_json(compared),
        title[0].upper() + title[1:],
        f"{printable(best)} has the highest {compared.metric.title}; {how(compared)}",
        [Panel("compare", "Recipes", html)],
    )
    return files.write(compared.folder)


def names_before(folder: Path) -> list[str]:
    """The recipes of the comparison in a folder; none where its compare.json cannot be read."""
    try:
        content = json.loads((folder / "compare.json").read_text(encoding="utf-8"))
        return [str(one["name"]) for one in content["recipes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _plot(compared: Compared) -> Plot:
    rows = [Row(one.name, one.accuracy, one.each) for one in compared.recipes]
    title = f"{compared.metric.at_start} of the eval images"
    return rows_plot("recipe", title, rows, unit=compared.unit[:-1], metric=compared.metric)


def as_json(compared: Compared) -> dict[str, Any]:
    """A comparison as strict JSON has it; the ``README.md`` beside it documents each key."""
    return {
        "format": FORMAT,
        "question": compared.question,
        "metric": compared.metric.name,
        "images": compared.images,
        "seeds": list(compared.seeds),
        "folds": compared.folds,
        "groups": compared.groups,
        "cautions": list(compared.cautions),
        "device": compared.device,
        "intervals": {
            "level": LEVEL,
            "level_of_each_difference": compared.level,
            "claims_from_seeds": CLAIM_FROM,
        },
        "recipes": [_recipe(one, compared) for one in compared.recipes],
    }


def _recipe(one: ComparedRecipe, compared: Compared) -> dict[str, Any]:
    best = compared.recipes[0].name
    return {
        "name": one.name,
        "accuracy": asdict(one.accuracy),
        "accuracy_of_seeds": list(one.of_seeds),
        "accuracy_of_folds": list(one.of_folds),
        "monitor": one.monitor,
        "monitored": one.monitored,
        "seconds": one.seconds,
        "difference_from_best": difference_json(best, one.name, one.behind, compared.unit),
    }
