"""What somebody has to know who quotes the figures of a card, or uses its model."""

from collections.abc import Iterator, Mapping
from typing import Any

from tlf.evaluation.groups import UNKNOWN
from tlf.evaluation.looks import sentences
from tlf.metrics.text import groups_sentence
from tlf.publishing.card.images import imbalance
from tlf.publishing.facts import Facts
from tlf.reports.multi_label.verdict import caveats as multi_label_caveats
from tlf.reports.panels.verdict import caveats as single_label_caveats
from tlf.reports.report import Report


def caveats(facts: Facts) -> list[str]:
    """Sentences without their full stops, the gravest first."""
    return [f"{one[0].upper()}{one[1:].rstrip('.')}" for one in _caveats(facts) if one]


def _caveats(facts: Facts) -> Iterator[str]:
    report = facts.report
    if isinstance(report, Report):
        yield from single_label_caveats(report)
    else:
        yield from multi_label_caveats(report)
    yield from sentences(facts.looks)
    if facts.tested is not None:
        yield _shared(facts.tested.figures)
        yield from map(str, facts.tested.figures.get("doubts", []))
    if report.evaluation.groups is not None:
        yield groups_sentence(report.evaluation.groups)
    elif "group" in facts.recipe.get("data", {}):
        yield UNKNOWN
    yield from imbalance(facts)
    if facts.provenance.get("started_from"):
        yield "training began with the model of another run, whose images are not listed here"


def _shared(figures: Mapping[str, Any]) -> str:
    """That the model has seen test images in another split; their names are private."""
    if not (count := len(figures.get("shared_images", ()))):
        return ""
    are = "is" if count == 1 else "are"
    return (
        f"{count:,} of the {figures['images']:,} test images {are} in the train or eval split, "
        "too, byte for byte: the figures of the test split are too high"
    )
