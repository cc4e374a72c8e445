"""The page of a report: all its panels, in their order."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tlf.reports.multi_label import calibration as decisions
from tlf.reports.multi_label import classes as label_classes
from tlf.reports.multi_label import co_occurrence, errors
from tlf.reports.multi_label import verdict as label_verdict
from tlf.reports.page import write_page
from tlf.reports.panel import Panel
from tlf.reports.panels import (
    calibration,
    classes,
    confusion,
    curves,
    findings,
    images,
    provenance,
    verdict,
    what_trained,
)
from tlf.reports.plots.plot import Plot
from tlf.reports.plugin_panels import plugin_panels
from tlf.reports.report import AnyReport, MultiLabelReport, Report

PANELS: tuple[Callable[[Report], Panel | None], ...] = (
    verdict.panel,
    what_trained.panel,
    curves.panel,
    classes.panel,
    confusion.panel,
    images.panel,
    calibration.panel,
    findings.panel,
    provenance.panel,
)
"""In the order of the page. Each gives None where there is nothing to show."""

MULTI_LABEL_PANELS: tuple[Callable[[MultiLabelReport], Panel | None], ...] = (
    label_verdict.panel,
    what_trained.panel,
    curves.panel,
    label_classes.panel,
    co_occurrence.panel,
    errors.panel,
    decisions.panel,
    findings.panel,
    provenance.panel,
)
"""The same, where images have any number of labels."""


def plots_on_page(report: AnyReport) -> Iterator[Plot]:
    """The plots that the panels of a report draw."""
    yield from curves.plots_of(report)
    if isinstance(report, Report):
        yield from calibration.plots_of(report)
    else:
        yield from label_classes.plots_of(report)
        yield from decisions.plots_of(report)


def panels_of(report: AnyReport) -> list[Panel]:
    """The panels of a report that have something to show, and then those of plugins."""
    plugins = plugin_panels(report)
    whole = replace(report, missing=(*report.missing, *plugins.missing))
    return [*_own(whole), *plugins.panels]


def _own(report: AnyReport) -> Iterator[Panel]:
    made = (
        (panel(report) for panel in PANELS)
        if isinstance(report, Report)
        else (panel(report) for panel in MULTI_LABEL_PANELS)
    )
    yield from (panel for panel in made if panel is not None)


def write_report_page(report: AnyReport, path: Path) -> None:
    """Write the page of a report, whole or not at all. A file of that name is replaced.

    Raises:
        UnwritableError: the file cannot be written.
    """
    images, kinds = len(report.predicted), len(report.predicted.classes)
    of = (
        f"{images:,} image{'' if images == 1 else 's'}, {kinds:,} class{'' if kinds == 1 else 'es'}"
    )
    write_page(path, report.title, panels_of(report), subtitle=of)
