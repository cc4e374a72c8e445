"""What the figures of a card say: headline, classes, calibration."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tlf.metrics import text as single_text
from tlf.metrics.figures import Figure
from tlf.metrics.multi_label import text as multi_text
from tlf.metrics.multi_label.figures import AnyEvaluation, MultiLabelEvaluation
from tlf.metrics.text import NO_RATES, interval, percent
from tlf.publishing.facts import Facts
from tlf.reports.multi_label import calibration as multi_calibration
from tlf.reports.panels import calibration
from tlf.reports.panels.calibration import FIGURES, SOURCES
from tlf.reports.report import MultiLabelReport, Report

MOST_CLASSES = 100
"""All classes are listed where there are at most so many; else the worst ``WORST``."""
WORST = 20

Row = Sequence[object]


def title(name: str) -> str:
    """What a figure is called."""
    titles: Mapping[str, str] = {**multi_text.LONG_TITLES, **single_text.LONG_TITLES}
    return titles.get(name, name)


def headline(evaluation: AnyEvaluation) -> Iterator[Row]:
    """Each figure with its interval."""
    for name, figure in evaluation.headline.items():
        rate = name not in NO_RATES
        yield title(name), percent(figure.value, rate), interval(figure, rate) or "–"


def tested_headline(figures: Mapping[str, Any]) -> Iterator[Row]:
    """The same of an evaluation.json, which may have been written by another tlf."""
    for name, values in figures.get("headline", {}).items():
        figure, rate = Figure(**values), name not in NO_RATES
        yield title(name), percent(figure.value, rate), interval(figure, rate) or "–"


def class_headings(evaluation: AnyEvaluation) -> list[str]:
    """The headings of the table of classes."""
    if isinstance(evaluation, MultiLabelEvaluation):
        return ["class", "images", "threshold", "AP", "95 % interval", "precision", "recall", "F1"]
    return ["class", "images", "precision", "recall", "F1", "95 % interval of F1"]


def classes(evaluation: AnyEvaluation) -> list[Row]:
    """A row for each class; of many classes the worst."""
    rows = [*_class_rows(evaluation)]
    if len(rows) <= MOST_CLASSES:
        return [row for _, row in rows]
    with_images = [one for one in rows if one[1][1] != "0"]
    return [row for _, row in sorted(with_images, key=lambda one: one[0])[:WORST]]


def _class_rows(evaluation: AnyEvaluation) -> Iterator[tuple[float, Row]]:
    """The figure that says which class is the worst, and the row."""
    if isinstance(evaluation, MultiLabelEvaluation):
        for label in evaluation.per_class:
            limit = "–" if label.threshold is None else f"{label.threshold:.3f}"
            rates = (percent(of.value) for of in (label.precision, label.recall, label.f1))
            ap = percent(label.ap.value), interval(label.ap) or "–"
            yield label.ap.value or 0.0, [label.name, f"{label.support:,}", limit, *ap, *rates]
        return
    for one in evaluation.per_class:
        rates = (percent(of.value) for of in (one.precision, one.recall, one.f1))
        row = [one.name, f"{one.support:,}", *rates, interval(one.f1) or "–"]
        yield one.f1.value or 0.0, row


def probabilities(facts: Facts) -> list[Row]:
    """The figures of probabilities, as they are and with the temperature."""
    report = facts.report
    after: AnyEvaluation | None
    if isinstance(report, MultiLabelReport):
        after = multi_calibration.after_scaling(report)
    else:
        after = calibration.after_scaling(report)
    return [
        [title(name), calibration.shown(report.evaluation, name)]
        + ([] if after is None else [calibration.shown(after, name)])
        for name in FIGURES
    ]


def source(facts: Facts) -> str:
    """Which images the calibration is from."""
    calibrated = facts.report.calibrated
    return "" if calibrated is None else SOURCES.get(calibrated.source, calibrated.source)


def sure(facts: Facts) -> tuple[int, int] | None:
    """Eval images with exactly one label that is probable enough, and how many of these are right.
    None where that is not said of images.
    """
    report, calibrated = facts.report, facts.report.calibrated
    if not isinstance(report, Report) or calibrated is None or calibrated.threshold is None:
        return None
    predicted = report.predicted
    one = (predicted.probabilities >= calibrated.threshold).sum(axis=1) == 1
    right = predicted.predicted == predicted.labels
    return int(one.sum()), int((one & right).sum())
