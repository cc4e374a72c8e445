"""The images of a page: the worst, those that the model is least sure of, the surest ones; what is
wrong with their labels is ticked, and downloaded as a file for ``data.fixes``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any

import numpy as np

from tlf.metrics.image_scores import highest_probability, own_probability
from tlf.reports.page import render
from tlf.reports.panel import Panel
from tlf.reports.ranking import RIGHT_A_CLASS, featured, listed
from tlf.reports.report import Report
from tlf.reports.thumbnails import LARGEST, MOST_THUMBNAILS, thumbnails
from tlf.runtime.strict_json import dumps

WITHOUT_SCRIPT = 12
"""Images that are shown where no script runs."""
LARGEST_PAGE = 5_500_000
"""Bytes of the names, figures and thumbnails of the images together. Thumbnails give way."""


@dataclass(frozen=True)
class Card:
    """An image as it is shown."""

    name: str
    label: str
    predicted: str
    own: float
    """The probability of its label."""
    highest: float
    """The probability of its prediction."""
    thumbnail: str | None
    """Its JPEG file in base64."""
    number: int | None
    """The thumbnail's number among those of the page."""
    neighbours: Sequence[Mapping[str, Any]]

    @property
    def loss(self) -> str:
        """Minus the logarithm of the probability of its label."""
        return f"{-log(self.own):.2f}" if self.own else "∞"


def panel(report: Report) -> Panel:
    """All wrong images, and some that are right."""
    predicted = report.predicted
    images = listed(predicted)
    data = _columns(report, images.tolist())
    _add_thumbnails(report, data, images.tolist(), featured(predicted, images))
    cards = [_card(data, place) for place in range(min(WITHOUT_SCRIPT, len(images)))]
    right = int((predicted.predicted == predicted.labels).sum())
    wrong = len(predicted) - right
    html = render(
        "images.html",
        cards=cards,
        listed=len(images),
        right=right,
        right_listed=len(images) - wrong,
        wrong=wrong,
        right_a_class=RIGHT_A_CLASS,
        thumbnails=report.read is not None,
        nearest=bool(report.neighbours),
        run=report.run is not None,
        ticks=report.split is not None,
    )
    _without_files_of(cards, data["files"])
    return Panel("images", "Images", html, data)


def _columns(report: Report, images: Sequence[int]) -> dict[str, Any]:
    """What is known of each listed image: a list for each kind, all in the same order."""
    predicted = report.predicted
    return {
        "id": report.id,
        "split": report.split,
        "classes": [*predicted.classes],
        "names": [predicted.names[i] for i in images],
        "labels": predicted.labels[images].tolist(),
        "predicted": predicted.predicted[images].tolist(),
        "own": [*map(_short, own_probability(predicted)[images])],
        "highest": [*map(_short, highest_probability(predicted)[images])],
        "right": np.bincount(
            predicted.labels[predicted.predicted == predicted.labels],
            minlength=len(predicted.classes),
        ).tolist(),
    }


def _short(probability: float) -> float:
    """Four digits; never 1 unless it is, so that its order among others stays."""
    return float(f"{probability:.4g}")


def _add_thumbnails(
    report: Report, data: dict[str, Any], images: Sequence[int], order: Iterable[int]
) -> None:
    """Add the nearest train images and the thumbnails, in the order in which images earn them.

    ``near`` is place → its neighbours; a thumbnail is a number in ``files``, files in base64.
    """
    places = {image: place for place, image in enumerate(images)}
    reads: list[Callable[[], bytes]] = []

    def number(read: Callable[[], bytes] | None) -> int | None:
        if read is None or len(reads) == MOST_THUMBNAILS:
            return None
        reads.append(read)
        return len(reads) - 1

    near: dict[int, list[Any]] = {}
    numbers: dict[int, int | None] = {}
    for image in order:
        found = report.neighbours.get(image, ())
        if report.read is not None:
            numbers[places[image]] = number(partial(report.read, image))
        if found:
            near[places[image]] = [
                [one.name, one.label, round(one.similarity, 3), number(one.read)] for one in found
            ]
    rest = len(dumps(data)) + len(dumps(near))
    data["near"] = near
    data["files"] = thumbnails(reads, max(0, min(LARGEST, LARGEST_PAGE - rest)))
    data["thumbnails"] = {k: v for k, v in numbers.items() if v is not None}


def _card(data: Mapping[str, Any], place: int) -> Card:
    classes, files = data["classes"], data["files"]

    def file(number: int | None) -> str | None:
        return None if number is None else files[number]

    number = data["thumbnails"].get(place)
    return Card(
        name=data["names"][place],
        label=classes[data["labels"][place]],
        predicted=classes[data["predicted"][place]],
        own=data["own"][place],
        highest=data["highest"][place],
        thumbnail=file(number),
        number=number,
        neighbours=[
            {
                "name": name,
                "label": label,
                "similarity": similarity,
                "thumbnail": file(its),
                "number": its,
            }
            for name, label, similarity, its in data["near"].get(place, ())
        ],
    )


def _without_files_of(cards: Iterable[Card], files: list[str | None]) -> None:
    """Drop the files that the cards of the page hold: the script takes them from there."""
    for card in cards:
        for number in (card.number, *(one["number"] for one in card.neighbours)):
            if number is not None:
                files[number] = None
