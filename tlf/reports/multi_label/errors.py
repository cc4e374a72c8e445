"""The images of a page: those with missed labels and those with wrong ones, the most confident
mistake first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.ranking import MISTAKES, listed_errors, mistakes
from tlf.reports.report import MultiLabelReport
from tlf.reports.thumbnails import MOST_THUMBNAILS, thumbnails
from tlf.results import Neighbour

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIRST = 12
"""So many images are seen at once; the others unfold."""


@dataclass(frozen=True)
class Card:
    """An image with a mistake."""

    name: str
    labels: Sequence[str]
    """Its labels that the model gives, too."""
    missed: Sequence[tuple[str, float]]
    """Its labels that the model does not give, with their probability; the least probable first."""
    wrong: Sequence[tuple[str, float]]
    """Classes that the model gives and that are no labels; the most probable first."""
    thumbnail: str | None
    neighbours: Sequence[Neighbour]


def panel(report: MultiLabelReport) -> Panel:
    """Images with missed labels, and images with wrong ones."""
    predicted = report.predicted
    files = _thumbnails(report)
    lists = [
        (title, about, _cards(report, of, files), int(of.any(1).sum()))
        for title, about, of in (
            ("Missed labels", "the label that the model thinks least probable", predicted.missed),
            ("Wrong labels", "the wrong class that it is surest of", predicted.wrong),
        )
    ]
    html = render(
        "multi-label-errors.html",
        lists=lists,
        exact=int(predicted.exact.sum()),
        images=len(predicted),
        first=FIRST,
        most=MISTAKES,
        thumbnails=report.read is not None,
        nearest=bool(report.neighbours),
    )
    return Panel("errors", "Images with mistakes", html)


def _cards(
    report: MultiLabelReport, of: "NDArray[np.bool_]", files: dict[int, str | None]
) -> list[Card]:
    return [_card(report, image, files) for image in mistakes(report.predicted, of)[:MISTAKES]]


def _card(report: MultiLabelReport, image: int, files: dict[int, str | None]) -> Card:
    predicted = report.predicted
    row = predicted.probabilities[image]

    def named(of: "NDArray[np.bool_]") -> list[tuple[str, float]]:
        return [(predicted.classes[k], float(row[k])) for k in of[image].nonzero()[0].tolist()]

    right = predicted.labels & predicted.predicted
    return Card(
        predicted.names[image],
        [name for name, _ in named(right)],
        sorted(named(predicted.missed), key=lambda one: one[1]),
        sorted(named(predicted.wrong), key=lambda one: -one[1]),
        files.get(image),
        report.neighbours.get(image, ()),
    )


def _thumbnails(report: MultiLabelReport) -> dict[int, str | None]:
    """Image → its thumbnail, of those that the page lists."""
    if report.read is None:
        return {}
    images = listed_errors(report.predicted)[:MOST_THUMBNAILS]
    reads: list[Callable[[], bytes]] = [partial(report.read, image) for image in images]
    return dict(zip(images, thumbnails(reads), strict=True))
